"""Evidence files and case files: what was decided on requests, signed, and verified offline."""

import hashlib
from dataclasses import dataclass
from typing import Any

from approvals.sealing import signed_files
from approvals.sealing.signed_files import NotGenuine, public_key

__all__ = [
    "CASE_FILE",
    "FORMAT",
    "NotGenuine",
    "Verified",
    "digest_of",
    "public_key",
    "verify",
    "write",
    "write_case_file",
]

FORMAT = "countersign-evidence/1"
CASE_FILE = "countersign-case-file/1"
_MEMBERS = {FORMAT: "evidence", CASE_FILE: "case_file"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """The content of a genuine file, and the public key of its signature.

    ``evidence`` is that of each request in it; ``case_file`` is the rest of a case file.
    """

    all_evidence: list[dict[str, Any]]
    public_key: str
    case_file: dict[str, Any] | None = None

    @property
    def evidence(self) -> dict[str, Any]:
        """The evidence of an evidence file, which is about one request."""
        (only,) = self.all_evidence
        return only


def write(evidence: dict[str, Any], *, seed: bytes) -> bytes:
    """Return evidence as a file, signed with the key of this seed."""
    return signed_files.write(evidence, member=_MEMBERS[FORMAT], format_name=FORMAT, seed=seed)


def write_case_file(case_file: dict[str, Any], *, seed: bytes) -> bytes:
    """Return a case file, whose member ``evidence`` has the evidence files of its requests."""
    return signed_files.write(
        case_file, member=_MEMBERS[CASE_FILE], format_name=CASE_FILE, seed=seed
    )


def verify(file: bytes, *, expected_key: str | None) -> Verified:
    """Check that a file is exactly what was signed, and with the expected key.

    Without an expected key this only proves that the file was signed with the key that it names:
    compare that key with the published one.

    :raises NotGenuine: with a message that says what is wrong.
    """
    opened = signed_files.verify(file, members=_MEMBERS, expected_key=expected_key)
    try:
        if opened.format == CASE_FILE:
            return _case_file(opened.content, key=opened.public_key)
        _check_digests(opened.content)
    except (AttributeError, KeyError, TypeError) as error:
        message = "it lacks required parts of an evidence file"
        raise NotGenuine(message) from error
    return Verified(all_evidence=[opened.content], public_key=opened.public_key)


def digest_of(command: dict[str, Any]) -> str:
    """Return the digest of a command as written here: what each approver approved."""
    content = [command["message_type"], command["schema_version"], command["values"]]
    content += filter(None, [command.get("execute_after")])
    return hashlib.sha256(signed_files.canonical(content)).hexdigest()


def _case_file(case_file: dict[str, Any], *, key: str) -> Verified:
    """Verify each evidence file in a case file: all are signed with the same key."""
    files = [signed_files.written(each) for each in case_file["evidence"]]
    evidence = [verify(file, expected_key=key).evidence for file in files]
    return Verified(all_evidence=evidence, public_key=key, case_file=case_file)


def _check_digests(evidence: dict[str, Any]) -> None:
    """Check that the command and every counted vote have the digest of the request."""
    command, digest = evidence["command"], evidence["request"]["digest"]
    if command is not None and digest_of(command) != digest:
        message = "the digest of the request does not match its command"
        raise NotGenuine(message)
    if any(vote["counts"] and vote["digest"] != digest for vote in evidence["votes"]):
        message = "a vote counts although it was given for other content"
        raise NotGenuine(message)
