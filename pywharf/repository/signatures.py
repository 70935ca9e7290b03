"""Who signed an attestation: asked of the library `pypi-attestations`, where a repository is configured to know.

The library comes with the extra `pywharf[attestations]` and is imported when the first repository needs it. It is asked whether
the signature is right, made by the key of a certificate that Sigstore issued, logged by Sigstore while that certificate was valid;
and here it is asked whether the certificate was issued to one of the publishers that the repository trusts. Nothing of it asks
the network: the keys to trust ("trusted root") are a file.

Sources: PEP 740, "Attestation verification"; Sigstore's client specification; Fulcio's object identifiers.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from typing import Any

from pywharf.api.attestations import FIELD, Attestation
from pywharf.api.provenance import UNVERIFIED, Bundle
from pywharf.backend.settings import AttestationRules
from pywharf.errors import ConfigInvalid, UploadRejected
from pywharf.model.publisher import TrustedPublisher

# What a certificate says of the run that it was issued to, by object identifier.
_SOURCE_DIGEST = "1.3.6.1.4.1.57264.1.13"
_SOURCE_REF = "1.3.6.1.4.1.57264.1.14"
_BUILD_CONFIG = "1.3.6.1.4.1.57264.1.18"

_ISSUERS = {
    "GitHub": "https://token.actions.githubusercontent.com",
    "GitLab": "https://gitlab.com",
    "Google": "https://accounts.google.com",
}

log = logging.getLogger(__name__)


class Signatures:
    """What one repository knows of signers. Shared between threads."""

    def __init__(self, repository: str, rules: AttestationRules) -> None:
        """Nothing is read and nothing imported yet."""
        self._repository = repository
        self._rules = rules
        self._publishers = rules.publishers
        self._guard = threading.Lock()
        self._verifier: Any = None

    def load(self) -> None:
        """Read the trusted root, where signatures are to be verified. Raises ConfigInvalid."""
        if self._publishers:
            self._loaded()

    def bundles(self, attestations: Sequence[Attestation]) -> tuple[Bundle, ...]:
        """The attestations by who signed them. Raises UploadRejected where one is not by a trusted publisher; ConfigInvalid."""
        if not self._publishers:
            return (Bundle(UNVERIFIED, tuple(one.document for one in attestations)),) if attestations else ()
        if not attestations and self._rules.require:
            raise UploadRejected(
                FIELD, "it is missing: this repository takes a file only with an attestation by a publisher that it trusts"
            )
        return tuple(
            Bundle(self._signer(one, number, len(attestations)).as_json(), (one.document,))
            for number, one in enumerate(attestations, start=1)
        )

    def _signer(self, attestation: Attestation, number: int, count: int) -> TrustedPublisher:
        verifier = self._loaded()
        identity = _Identity(self._publishers)
        try:
            _verify(verifier, attestation, identity)
        except Exception as error:  # whatever a hostile certificate or log entry does to the library: it is not verified
            log.info("attestation not verified: repository=%s reason=%s: %s", self._repository, type(error).__name__, str(error)[:500])
            reason = (
                "it is not signed by a publisher that this repository trusts" if identity.is_other else "its signature cannot be verified"
            )
            raise UploadRejected(FIELD, f"attestation {number} of {count}: {reason}") from error
        assert identity.signer is not None  # noqa: S101 - the library asks for it before it verifies anything; for the type checker
        return identity.signer

    def _loaded(self) -> Any:
        with self._guard:
            if self._verifier is None:
                self._verifier = self._load()
            return self._verifier

    def _load(self) -> Any:
        try:
            from sigstore.models import TrustedRoot
            from sigstore.verify import Verifier
        except ImportError as error:
            raise self._unusable(
                "the library that verifies signatures cannot be imported: install it with `pip install 'pywharf[attestations]'`"
            ) from error
        path = self._rules.trusted_root
        try:
            return Verifier.production(offline=True) if path is None else Verifier(trusted_root=TrustedRoot.from_file(str(path)))
        except Exception as error:  # the library's own errors, those of the libraries that it reads with, and OSError
            log.error("no trusted root: repository=%s reason=%s: %s", self._repository, type(error).__name__, str(error)[:500])
            reason = (
                "holds no trusted root of Sigstore's, or cannot be read"
                if path
                else "has to be given: there is no usable one in the cache of Sigstore's library"
            )
            raise self._unusable(f"{reason}; the log says more", "trusted_root") from error

    def _unusable(self, reason: str, key: str = "trusted_publishers") -> ConfigInvalid:
        return ConfigInvalid("config", reason, table=self._repository, key=f"attestations.{key}")


class _Identity:
    """The library's question, whose certificate this is, asked once it is known to be Sigstore's; the answer is `signer`."""

    def __init__(self, publishers: Sequence[TrustedPublisher]) -> None:
        self.signer: TrustedPublisher | None = None
        self.is_other = False  # whether it was asked and is nobody's that is trusted
        self.claims: dict[str, str] = {}  # what the certificate says, by object identifier
        self._publishers = publishers

    def verify(self, certificate: Any) -> None:
        from sigstore.errors import VerificationError

        self.signer = next((publisher for publisher in self._publishers if _is_signer(publisher, self.claims, certificate)), None)
        if self.signer is None:
            self.is_other = True
            raise VerificationError("the certificate was issued to another identity")


def _verify(verifier: Any, attestation: Attestation, identity: _Identity) -> None:
    """Raises whatever the library does where anything is wrong."""
    from pypi_attestations import Attestation as Signed

    signed = Signed.model_validate(attestation.document)
    bundle = signed.to_bundle()
    identity.claims = signed.certificate_claims
    if getattr(getattr(bundle.signing_certificate.public_key(), "curve", None), "name", "") != "secp256r1":
        raise ValueError("the certificate's key is not of the curve P-256, the only one of version 1")
    type_, _ = verifier.verify_dsse(bundle, identity)
    if type_ != "application/vnd.in-toto+json":
        raise ValueError("the envelope holds no in-toto statement")


def _is_signer(publisher: TrustedPublisher, claims: dict[str, str], certificate: Any) -> bool:
    """Whether the certificate was issued to this publisher."""
    from sigstore.errors import VerificationError
    from sigstore.verify import policy

    issuer = _ISSUERS[publisher.kind]
    if publisher.kind == "Google":
        wanted: Any = policy.Identity(identity=publisher.source, issuer=issuer)
    else:
        host, workflows = ("https://github.com", "/.github/workflows/") if publisher.kind == "GitHub" else (issuer, "//")
        repository = f"{host}/{publisher.source}"
        # A workflow's address ends in the commit or ref that it was run at, which the certificate says as well.
        runs = {f"{repository}{workflows}{publisher.workflow}@{claims[at]}" for at in (_SOURCE_DIGEST, _SOURCE_REF) if claims.get(at)}
        if claims.get(_BUILD_CONFIG) not in runs:
            return False
        wanted = policy.AllOf([policy.OIDCIssuerV2(issuer), policy.OIDCSourceRepositoryURI(repository)])
    try:
        wanted.verify(certificate)
    except VerificationError:
        return False
    return True
