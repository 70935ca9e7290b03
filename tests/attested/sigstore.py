"""A Sigstore of our own, in memory: a certificate authority, a certificate log, a transparency log, and signers with identities.

It issues what the public one issues, with keys made for the run: a certificate for a P-256 key that names a workflow, with the signed
timestamp of a certificate log; a log entry with its inclusion proof, checkpoint and promise. `trusted_root` is what a verifier needs to
know of it. Nothing here asks the network.

Sources: RFC 5280, RFC 6962 (certificates and their log); DSSE v1; the transparency log's entries and signed notes as Rekor describes them;
Fulcio's object identifiers; Sigstore's trusted root, version 0.1.
"""

from __future__ import annotations

import base64
import hashlib
import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from .making import enveloped, statement

Json = dict[str, Any]

_FULCIO = "1.3.6.1.4.1.57264.1."
_SCT_LIST = x509.ObjectIdentifier("1.3.6.1.4.1.11129.2.4.2")
_NOW = datetime.now(timezone.utc).replace(microsecond=0)
_BEGIN = "2020-01-01T00:00:00Z"


@dataclass(frozen=True)
class Identity:
    """What a certificate says of its holder."""

    san: str  # a URL, or an e-mail address
    claims: Mapping[int, str]  # the last number of Fulcio's object identifier -> text


def github(repository: str, workflow: str, ref: str = "refs/tags/v1", **changed: str) -> Identity:
    """As GitHub's workflows are named. changed: issuer, source, config."""
    host = "https://github.com"
    config = changed.get("config", f"{host}/{repository}/.github/workflows/{workflow}@{ref}")
    issuer = changed.get("issuer", "https://token.actions.githubusercontent.com")
    return Identity(config, {8: issuer, 12: changed.get("source", f"{host}/{repository}"), 13: "0" * 40, 14: ref, 18: config})


def gitlab(project: str, config_path: str = ".gitlab-ci.yml", ref: str = "refs/heads/main") -> Identity:
    host = "https://gitlab.com"
    config = f"{host}/{project}//{config_path}@{ref}"
    return Identity(config, {8: host, 12: f"{host}/{project}", 13: "1" * 40, 14: ref, 18: config})


def google(email: str, issuer: str = "https://accounts.google.com") -> Identity:
    return Identity(email, {1: issuer, 8: issuer})


@dataclass
class Sigstore:
    """One instance of it."""

    authority_key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP384R1()))
    certificate_log_key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    log_key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    logged_later: timedelta = timedelta(minutes=1)  # how long after the certificate's begin an entry is logged
    curve: ec.EllipticCurve = field(default_factory=ec.SECP256R1)  # of signers' keys

    def __post_init__(self) -> None:
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "authority")])
        self.authority = (
            _builder(name, name, self.authority_key.public_key(), timedelta(days=-1), timedelta(days=10))
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_key_usage(key_cert_sign=True, crl_sign=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self.authority_key.public_key()), critical=False)
            .sign(self.authority_key, hashes.SHA384())
        )

    def attest(self, identity: Identity, filename: str, sha256: str, **changed: Any) -> Json:
        """An attestation signed by a new key that was certified for this identity. changed: of the statement."""
        return self.sign(identity, json.dumps(statement(filename, sha256, **changed)).encode())

    def sign(self, identity: Identity, content: bytes) -> Json:
        """The same for any statement."""
        key = ec.generate_private_key(self.curve)
        certificate = self._certificate(identity, key)
        type_ = b"application/vnd.in-toto+json"
        signature = key.sign(b"DSSEv1 %d %s %d %s" % (len(type_), type_, len(content), content), ec.ECDSA(hashes.SHA256()))
        der = certificate.public_bytes(Encoding.DER)
        return enveloped(content, signature, der, (self._entry(content, signature, certificate),))

    def trusted_root(self) -> str:
        """What verifiers have to know of this instance, as JSON."""
        valid = {"start": _BEGIN}
        return json.dumps(
            {
                "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
                "tlogs": [_log("https://log.example", self.log_key, valid)],
                "certificateAuthorities": [
                    {
                        "subject": {"organization": "example", "commonName": "authority"},
                        "uri": "https://authority.example",
                        "certChain": {"certificates": [{"rawBytes": _base64(self.authority.public_bytes(Encoding.DER))}]},
                        "validFor": valid,
                    }
                ],
                "ctlogs": [_log("https://certificates.example", self.certificate_log_key, valid)],
                "timestampAuthorities": [],
            }
        )

    def another(self, **changed: Any) -> Sigstore:
        """One with the same keys but for those that are given."""
        return replace(self, **changed)

    # --- inside -----------------------------------------------------------------------------------------------------

    def _certificate(self, identity: Identity, key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
        holder: x509.GeneralName = (
            x509.RFC822Name(identity.san)
            if "@" in identity.san and "//" not in identity.san
            else x509.UniformResourceIdentifier(identity.san)
        )
        builder = (
            _builder(x509.Name([]), self.authority.subject, key.public_key(), timedelta(minutes=-10), timedelta(0))
            .add_extension(_key_usage(digital_signature=True), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.authority_key.public_key()), critical=False)
            .add_extension(x509.SubjectAlternativeName([holder]), critical=True)
        )
        for number, text in identity.claims.items():
            content = text.encode()
            assert len(content) < 128  # one byte says the length
            encoded = content if number < 7 else bytes([0x0C, len(content)]) + content  # the oldest ones are no DER
            extension = x509.UnrecognizedExtension(x509.ObjectIdentifier(f"{_FULCIO}{number}"), encoded)
            builder = builder.add_extension(extension, critical=False)
        unlogged = builder.sign(self.authority_key, hashes.SHA384())
        stamp = x509.UnrecognizedExtension(_SCT_LIST, self._certificate_timestamp(unlogged))
        return builder.add_extension(stamp, critical=False).sign(self.authority_key, hashes.SHA384())

    def _certificate_timestamp(self, unlogged: x509.Certificate) -> bytes:
        """The DER of the list with one signed certificate timestamp (RFC 6962, 3.2 and 3.3)."""
        content = unlogged.tbs_certificate_bytes
        when = int((_NOW - timedelta(minutes=10)).timestamp() * 1000)
        entry = hashlib.sha256(_public(self.authority_key)).digest() + len(content).to_bytes(3, "big") + content
        signature = self.certificate_log_key.sign(struct.pack("!BBQH", 0, 0, when, 1) + entry + b"\0\0", ec.ECDSA(hashes.SHA256()))
        log_id = hashlib.sha256(_public(self.certificate_log_key)).digest()
        stamp = b"\0" + log_id + struct.pack("!QH", when, 0) + b"\x04\x03" + struct.pack("!H", len(signature)) + signature
        stamps = struct.pack("!HH", len(stamp) + 2, len(stamp)) + stamp
        return (b"\x04" + bytes([len(stamps)]) if len(stamps) < 128 else b"\x04\x81" + bytes([len(stamps)])) + stamps

    def _entry(self, content: bytes, signature: bytes, certificate: x509.Certificate) -> Json:
        """The log's entry, the only one of a log that has one."""
        signed = {"signature": _base64(signature), "verifier": _base64(certificate.public_bytes(Encoding.PEM))}
        spec = {
            "envelopeHash": {"algorithm": "sha256", "value": hashlib.sha256(signature).hexdigest()},
            "payloadHash": {"algorithm": "sha256", "value": hashlib.sha256(content).hexdigest()},
            "signatures": [signed],
        }
        body = _canonical({"apiVersion": "0.0.1", "kind": "dsse", "spec": spec})
        root = hashlib.sha256(b"\0" + body).digest()
        when = int((certificate.not_valid_before_utc + self.logged_later).timestamp())
        log_id = hashlib.sha256(_public(self.log_key)).digest()
        note = f"log.example - 1\n1\n{_base64(root)}\n"
        noted = log_id[:4] + self._log_signature(note.encode())
        promised = {"body": _base64(body), "integratedTime": when, "logID": log_id.hex(), "logIndex": 0}
        return {
            "logIndex": "0",
            "logId": {"keyId": _base64(log_id)},
            "kindVersion": {"kind": "dsse", "version": "0.0.1"},
            "integratedTime": str(when),
            "inclusionPromise": {"signedEntryTimestamp": _base64(self._log_signature(_canonical(promised)))},
            "inclusionProof": {
                "logIndex": "0",
                "rootHash": _base64(root),
                "treeSize": "1",
                "hashes": [],
                "checkpoint": {"envelope": f"{note}\n\u2014 log.example {_base64(noted)}\n"},
            },
            "canonicalizedBody": _base64(body),
        }

    def _log_signature(self, content: bytes) -> bytes:
        return self.log_key.sign(content, ec.ECDSA(hashes.SHA256()))


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, begin: timedelta, end: timedelta
) -> x509.CertificateBuilder:
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key)
    return builder.serial_number(x509.random_serial_number()).not_valid_before(_NOW + begin).not_valid_after(_NOW + end)


def _key_usage(**allowed: bool) -> x509.KeyUsage:
    uses = "digital_signature content_commitment key_encipherment data_encipherment key_agreement key_cert_sign crl_sign encipher_only decipher_only"
    return x509.KeyUsage(**{use: allowed.get(use, False) for use in uses.split()})


def _log(url: str, key: ec.EllipticCurvePrivateKey, valid: Mapping[str, str]) -> Json:
    public = _public(key)
    return {
        "baseUrl": url,
        "hashAlgorithm": "SHA2_256",
        "publicKey": {"rawBytes": _base64(public), "keyDetails": "PKIX_ECDSA_P256_SHA_256", "validFor": valid},
        "logId": {"keyId": _base64(hashlib.sha256(public).digest())},
    }


def _public(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _canonical(value: Json) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()
