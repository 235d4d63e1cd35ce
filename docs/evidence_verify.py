#!/usr/bin/env python3
"""Verify an evidence file, a case file or a proof of Countersign, or a published log.

    evidence_verify FILE --public-key KEY --log-key KEY [--witness-key KEY ...] [--log DIRECTORY]
    evidence_verify DIRECTORY --log-key KEY [--checkpoint FILE ...]

It needs Python 3.11 and the package ``cryptography``, and no other part of Countersign. The keys
are published: compare them with those that you have received by another way. The exit status is 0
only if everything that was checked is genuine. https://github.com/countersign/countersign,
docs/evidence.md describes what is proven, and what is not.
"""

import argparse
import base64
import binascii
import hashlib
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

# The name of the member that has the content, for each format.
FORMATS = {
    "countersign-evidence/1": "evidence",
    "countersign-case-file/1": "case_file",
    "countersign-proof/1": "proof",
}
SIGNED = {"format", "public_key", "signature"}
# The last records that the command of a decided request can have: the status and the code.
ENDS = {
    "executed": {("succeeded", "")},
    "denied": {("cancelled", "denied")},
    "withdrawn": {("cancelled", "withdrawn")},
    "expired": {("cancelled", "expired")},
    "superseded": {("cancelled", "superseded")},
    "refused": {("refused", ""), ("cancelled", "too_late")},
    "failed": {("failed", ""), ("cancelled", "unloadable")},
}
# By which the clocks of the server and its database may differ.
TOLERANCE = timedelta(minutes=1)
AFTER_APPROVAL = ("executed", "refused", "failed")
# The events after which a passkey can no longer sign.
ENDINGS = ("approvals.passkey_removed", "approvals.passkey_reset")


class NotGenuine(Exception):
    """The file or the log is not what it claims to be."""


class Unproven(Exception):
    """What is given does not suffice to prove it."""


def require(condition: object, problem: str) -> None:
    """Raise NotGenuine unless the condition holds."""
    if not condition:
        raise NotGenuine(problem)


# ---------------------------------------------------------------- JSON and Base64 in one exact form


def canonical(value: Any) -> bytes:
    """Return the JSON of a value in the form that is signed and hashed."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.encode()


def decoded(text: str) -> bytes:
    """Return the bytes of Base64."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise NotGenuine(f"{text[:20]!r} is not Base64") from error


def decoded_url(text: str) -> bytes:
    """Return the bytes of Base64 in the form for URLs, without padding."""
    return decoded(text.translate(str.maketrans("-_", "+/")) + "=" * (-len(text) % 4))


def verify_ed25519(key: bytes, signature: bytes, message: bytes, problem: str) -> None:
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, message)
    except (InvalidSignature, ValueError) as error:
        raise NotGenuine(problem) from error


# ---------------------------------------------------------------- signed files


def read_file(file: bytes, public_key: str | None) -> dict[str, Any]:
    """Return the parts of a file: exactly what was signed, with the expected key."""
    try:
        parts = json.loads(file)
        name = FORMATS[parts["format"]]
    except (ValueError, RecursionError, KeyError, TypeError) as error:
        raise NotGenuine("it is not a file of a format that this version knows") from error
    if name == "proof":
        return dict(parts)
    require(parts.keys() == SIGNED | {name}, "it lacks members, or has others")
    is_ascii = name != "evidence"
    text = json.dumps(parts, sort_keys=True, indent=2, ensure_ascii=is_ascii)
    require(f"{text}\n".encode() == file, "it is not in the form in which it was signed")
    require(public_key in (None, parts["public_key"]), "it is signed with an unexpected key")
    signed = {each: value for each, value in parts.items() if each != "signature"}
    message = parts["format"].encode() + b"\0" + canonical(signed)
    problem = "its signature does not match its content"
    verify_ed25519(decoded(parts["public_key"]), decoded(parts["signature"]), message, problem)
    return dict(parts)


# ---------------------------------------------------------------- the decision on a request


def check_evidence(evidence: dict[str, Any]) -> Iterator[str]:
    """Check that command, votes, requirements and records fit together; yield what is certain."""
    check_digests(evidence)
    check_records(evidence)
    counted = [each for each in evidence["votes"] if each["counts"]]
    check_votes(evidence, counted)
    request = evidence["request"]
    yield f"Request {request['id']}: {request['message_type']}, {request['state']}."
    signed = [each for each in counted if check_assertion(evidence, each)]
    is_enough = len(signed) == len(counted) or not must_be_signed(evidence)
    require(is_enough, "a vote counts without a signature, which the requirements demand")
    for each in counted:
        basis = "signed with a passkey" if each in signed else "rests on the server's signature"
        yield f"  {each['voter_label']}: {each['decision']}, {basis}."
    if len(signed) < len(counted):
        yield "  A vote without a passkey is only as reliable as the key of the server."


def check_digests(evidence: dict[str, Any]) -> None:
    command, digest = evidence["command"], evidence["request"]["digest"]
    if command is not None:
        content = [command["message_type"], command["schema_version"], command["values"]]
        content += filter(None, [command.get("execute_after")])
        found = hashlib.sha256(canonical(content)).hexdigest()
        require(found == digest, "the digest of the request does not match its command")
    require(
        all(each["digest"] == digest for each in evidence["votes"] if each["counts"]),
        "a vote counts although it was given for other content",
    )


def own_records(evidence: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the attempts at the command of the request."""
    command_id = evidence["request"]["command_id"]
    return [each for each in evidence["records"] if each["command_id"] == command_id]


def check_records(evidence: dict[str, Any]) -> None:
    """Check that the log has the end of the command that the state of the request requires."""
    state, own = evidence["request"]["state"], own_records(evidence)
    statuses = [each["status"] for each in own]
    require("postponed" in statuses, "the log has no record of the held command")
    ends = [
        (each["status"], each["error_code"] if each["status"] == "cancelled" else "")
        for each in own
        if each["status"] in ("succeeded", "refused", "cancelled")
    ]
    if state == "superseded" or (not ends and state == "pending"):
        return
    if not ends and state == "failed":
        require("failed" in statuses, "the request is failed, but its command is not")
        return
    is_known = len(ends) == 1 and ends[0] in ENDS.get(state, ())
    require(is_known, f"the request is {state}, but its command has another result in the log")


def place(vote: dict[str, Any]) -> int:
    """Return the person whose place a vote takes."""
    return int(vote.get("delegator_id") or vote["voter_id"])


def check_votes(evidence: dict[str, Any], counted: list[dict[str, Any]]) -> None:
    require(all(each["is_genuine"] for each in counted), "a vote counts but is not genuine")
    for key in (place, lambda vote: int(vote["voter_id"])):
        people = [key(each) for each in counted]
        require(len(set(people)) == len(people), "two votes of one person, or in one place, count")
    for each in counted:
        require(
            not each.get("delegation_id") or is_delegated(each, evidence),
            "a vote counts in the place of another person without a delegation",
        )
    state = evidence["request"]["state"]
    denies = any(each["decision"] == "deny" for each in counted)
    require(state != "denied" or denies, "the request is denied, but no vote denies it")
    is_emergency = any(
        each["message_type"] == "approvals.glass_broken" for each in evidence["events"]
    )
    if state in AFTER_APPROVAL and not is_emergency:
        check_approved(evidence, [each for each in counted if each["decision"] == "approve"])


def must_be_signed(evidence: dict[str, Any]) -> bool:
    """Return True if votes count only if a passkey has signed them."""
    given = [evidence["requirements"], evidence.get("effective_requirements", {})]
    given += [(each["decision"] or {}).get("requirements", {}) for each in own_records(evidence)]
    return any(each.get("options", {}).get("signed_votes") for each in given)


def check_approved(evidence: dict[str, Any], approving: list[dict[str, Any]]) -> None:
    """Check the votes against the requirements, those stored and those at the execution.

    A vote counts for the rules whose group its voter was in: when it was cast, or at the execution.
    """
    attempts = [each for each in own_records(evidence) if each["status"] != "postponed"]
    last = max(attempts, key=lambda each: int(each["attempt"]), default={"decision": None})
    decision = last["decision"] or {}
    eligible = decision.get("approvers", {})
    places = {place(each): each for each in approving}
    for required in (
        evidence["requirements"],
        decision.get("requirements", evidence["requirements"]),
    ):
        slots = [
            {who for who in places if rule["id"] in places[who]["rules"]}
            | (places.keys() & set(eligible.get(rule["id"], ())))
            for rule in required["rules"]
            for _ in range(min(rule["quorum"], len(places) + 1))
        ]
        require(slots and are_filled(slots), "the votes do not meet the requirements")
    named = {who for people in eligible.values() for who in people}
    require(named <= places.keys(), "the execution names an approver without a vote")


def are_filled(slots: Sequence[set[int]]) -> bool:
    """Return True if each slot can have a person of its own (Kuhn, 1955)."""
    holders: dict[int, int] = {}

    def seat(slot: int, tried: set[int]) -> bool:
        for person in slots[slot] - tried:
            tried.add(person)
            if person not in holders or seat(holders[person], tried):
                holders[person] = slot
                return True
        return False

    return all(seat(slot, set()) for slot in range(len(slots)))


def is_delegated(vote: dict[str, Any], evidence: dict[str, Any]) -> bool:
    requester = evidence["request"]["requester_person"]
    cast_at = datetime.fromisoformat(vote["cast_at"])
    return any(
        each["id"] == vote["delegation_id"]
        and each["is_genuine"]
        and (each["delegator_id"], each["delegate_id"]) == (vote["delegator_id"], vote["voter_id"])
        and requester not in (str(each["delegator_id"]), str(each["delegate_id"]))
        and datetime.fromisoformat(each["begins_at"]) <= cast_at
        and cast_at < datetime.fromisoformat(each["ends_at"])
        for each in evidence.get("delegations", ())
    )


# ---------------------------------------------------------------- votes that a passkey has signed


def check_assertion(evidence: dict[str, Any], vote: dict[str, Any]) -> bool:
    """Check the signature of a passkey over a vote; return False if the vote has none.

    The challenge covers the request, the decision, the digest of the command, that of the
    requirements, the voter, the place and number of the vote, and a nonce.
    """
    assertion = vote.get("assertion")
    if not assertion:
        return False
    request = evidence["request"]
    signed = {
        "request": request["id"],
        "decision": vote["decision"],
        "digest": vote["digest"],
        "requirements": hashlib.sha256(canonical(evidence["requirements"])).hexdigest(),
        "voter": str(vote["voter_id"]),
        "place": str(place(vote)),
        "number": vote["number"],
        "nonce": assertion["nonce"],
    }
    challenge = hashlib.sha256(b"countersign/vote/v1\n" + canonical(signed)).digest()
    client, data = (
        decoded_url(assertion["client_data"]),
        decoded_url(assertion["authenticator_data"]),
    )
    answer = json.loads(client)
    problem = f"the passkey of {vote['voter_label']} has not signed this vote"
    require(answer["type"] == "webauthn.get", problem)
    require(decoded_url(answer["challenge"]) == challenge, problem)
    require(answer["origin"] == assertion["origin"], problem)
    host = urlsplit(assertion["origin"]).hostname or ""
    require(data[:32] == hashlib.sha256(host.encode()).digest(), problem)
    # Bit 0: the person was present. Bit 2: the person was verified.
    require(len(data) >= 37 and data[32] & 0b101 == 0b101, problem)
    key, signature = public_key_of(evidence, vote), decoded_url(assertion["signature"])
    verify_cose(key, signature, data + hashlib.sha256(client).digest(), problem)
    return True


def public_key_of(evidence: dict[str, Any], vote: dict[str, Any]) -> bytes:
    """Return the public key of a voter's passkey that counted when the vote was cast.

    The event of its registration, a record of the log, has the same key.
    """
    cast_at = datetime.fromisoformat(vote["cast_at"])
    named = [
        each["data"]
        for each in evidence["events"]
        if each["message_type"] == "approvals.passkey_registered"
        and datetime.fromisoformat(each["occurred_at"]) < cast_at + TOLERANCE
    ]
    rows = list(evidence.get("passkeys", ()))
    found = [
        each
        for each in (*rows, *named)
        if each["credential_id"] == vote["assertion"]["credential_id"]
    ]
    is_recorded = any(each in named for each in found)
    require(is_recorded, f"the passkey of {vote['voter_label']} was not registered before")
    for each in found:
        is_same_key = each["public_key"] == found[0]["public_key"]
        is_own = str(each["user_id"]) == str(vote["voter_id"])
        require(is_same_key and is_own, "a passkey is not the one that its person registered")
    for each in (each for each in found if each in rows):
        since = datetime.fromisoformat(each["witnessed_at"] or each["registered_at"])
        until = each["ended_at"]
        is_current = since < cast_at and (not until or cast_at < datetime.fromisoformat(until))
        require(is_current, f"the passkey of {vote['voter_label']} did not count at that time")
    return decoded_url(found[0]["public_key"])


def check_endings(evidence: dict[str, Any], leaves: "Leaves", logs: "Logs") -> Iterator[str]:
    """Check that no passkey was removed or reset before its vote; yield how certain that is.

    A file cannot prove that an event is missing. A published log can: it has every entry, and
    those of such events name their type. Of each, the file has to disclose the passkey.
    """
    check_streams(evidence)
    for vote in evidence["votes"]:
        if vote["counts"] and vote.get("assertion"):
            name = f"The passkey of {vote['voter_label']}"
            registered, cast = registration_of(evidence, vote), record_of(evidence, vote)
            try:
                first, last = (proven(each, leaves) for each in (registered, cast))
                ended = logs.endings(first, last)
            except Unproven as problem:
                yield (
                    f"  {name}: that it was not removed before the vote rests on the server's"
                    f" signature, because {problem}."
                )
                continue
            for leaf in ended:
                check_is_other(leaf, registered["subject_id"], leaves, name)
            yield (
                f"  {name} was neither removed nor reset between its registration, leaf"
                f" {first.number} of {first.origin}, and the vote, leaf {last.number} of"
                f" {last.origin}. Other passkeys that ended in between: {len(ended)}."
            )


def proven(record: dict[str, Any], leaves: "Leaves") -> "Leaf":
    """Return the leaf of a record."""
    found = leaves.get(int(record["position"]))
    if found is None:
        raise Unproven(f"the file has no proof of {record['message_type']}")
    return found


def check_is_other(leaf: "Leaf", passkey_id: str, leaves: "Leaves", name: str) -> None:
    """Check that the file discloses of an event which passkey it ended, and that it is another."""
    where = f"leaf {leaf.number} of {leaf.origin}"
    found = [each for each in leaves.values() if each[:2] == leaf[:2]]
    disclosed = found[0].disclosed.get("subject_id") if found else None
    if disclosed is None:
        raise NotGenuine(f"the file does not disclose which passkey ended at {where}")
    require(found[0].entry == leaf.entry, f"{where} is another one in the file")
    require(disclosed["value"] != passkey_id, f"{name} was removed or reset before, at {where}")


def check_streams(evidence: dict[str, Any]) -> None:
    """Check that the events of each passkey here are numbered without a gap."""
    numbers: dict[str, list[int]] = {}
    for each in evidence["events"]:
        if each["subject_type"] == "passkey":
            numbers.setdefault(each["subject_id"], []).append(int(each["number"]))
    for found in numbers.values():
        is_whole = sorted(found) == list(range(1, len(found) + 1))
        require(is_whole, "an event of a passkey is missing")


def registration_of(evidence: dict[str, Any], vote: dict[str, Any]) -> dict[str, Any]:
    """Return the event of the registration of the passkey that signed a vote."""
    credential_id = vote["assertion"]["credential_id"]
    return next(
        dict(each)
        for each in evidence["events"]
        if each["message_type"] == "approvals.passkey_registered"
        and each["data"]["credential_id"] == credential_id
    )


def record_of(evidence: dict[str, Any], vote: dict[str, Any]) -> dict[str, Any]:
    """Return the record of the command by which a vote was cast, which has its signature."""
    signature = vote["assertion"]["signature"]
    found = [
        each
        for each in evidence["records"]
        if each["status"] == "succeeded"
        and signature in str(each["data"].get("signature", ""))
        and each["actor_person"] == str(vote["voter_id"])
    ]
    require(found, f"the log has no record of the vote of {vote['voter_label']}")
    return dict(found[0])


def verify_cose(key: bytes, signature: bytes, message: bytes, problem: str) -> None:
    """Verify a signature with a key as authenticators write it (RFC 9053)."""
    parts = read_cbor(key)
    try:
        match parts[3]:
            case -7:
                x, y = (int.from_bytes(parts[name]) for name in (-2, -3))
                numbers = ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1())
                numbers.public_key().verify(signature, message, ec.ECDSA(hashes.SHA256()))
            case -8:
                verify_ed25519(parts[-2], signature, message, problem)
            case -257:
                n, e = (int.from_bytes(parts[name]) for name in (-1, -2))
                rsa.RSAPublicNumbers(e, n).public_key().verify(
                    signature, message, padding.PKCS1v15(), hashes.SHA256()
                )
            case _:
                raise NotGenuine("the passkey has a key of an unknown type")
    except (InvalidSignature, ValueError, KeyError, TypeError) as error:
        raise NotGenuine(problem) from error


def read_cbor(key: bytes) -> dict[int, Any]:
    """Return a map of integers to integers and bytes (RFC 8949), which a key consists of."""

    def item(at: int) -> tuple[Any, int]:
        kind, value = key[at] >> 5, key[at] & 31
        at += 1
        if value >= 24:
            width = 1 << (value - 24)
            value, at = int.from_bytes(key[at : at + width]), at + width
        if kind in (0, 1):
            return (-1 - value if kind else value), at
        if kind in (2, 3):
            return key[at : at + value], at + value
        require(kind == 5 and value < 16, "the public key of a passkey is malformed")
        found = {}
        for _ in range(value):
            name, at = item(at)
            found[name], at = item(at)
        return found, at

    try:
        return dict(item(0)[0])
    except (IndexError, TypeError, ValueError) as error:
        raise NotGenuine("the public key of a passkey is malformed") from error


# ---------------------------------------------------------------- signed notes and checkpoints


class Key(NamedTuple):
    """A public key: its name, its id, its type (1: log, 4: witness), and 32 bytes."""

    name: str
    id: bytes
    type: int
    public: bytes


class Checkpoint(NamedTuple):
    """The name, size and root of a log, and the notes on who signed it."""

    origin: str
    size: int
    root: bytes
    signers: list[str]
    signed_by: list[Key]


def read_key(text: str) -> Key:
    """Return a key in its published form: name, id and Base64."""
    name, _, rest = text.strip().partition("+")
    number, _, encoded = rest.partition("+")
    typed = decoded(encoded)
    found = hashlib.sha256(name.encode() + b"\n" + typed).digest()[:4]
    is_known = len(typed) == 33 and typed[0] in (1, 4) and number == found.hex()
    require(is_known, f"{text!r} is not a public key of a log or a witness")
    return Key(name, found, typed[0], typed[1:])


def read_checkpoint(note: str, log_keys: Sequence[Key], witness_keys: Iterable[Key]) -> Checkpoint:
    """Return a checkpoint that one of the keys of the log has signed.

    Each signature by a known key has to be valid.
    """
    text, separator, lines = note.rpartition("\n\n")
    require(separator and lines.endswith("\n"), "a checkpoint is not a signed note")
    text += "\n"
    origin, size, root, *_ = text.split("\n")
    known = {(each.name, each.id): each for each in (*log_keys, *witness_keys)}
    signers: list[str] = []
    signed_by: list[Key] = []
    for line in lines.splitlines():
        dash, name, encoded = line.split(" ")
        require(dash == "\u2014", "a checkpoint is not a signed note")
        signature = decoded(encoded)
        key = known.get((name, signature[:4]))
        if key is None:
            signers.append(f"not verified: {name}+{signature[:4].hex()}")
        elif key.type == 1:
            verify_ed25519(key.public, signature[4:], text.encode(), f"{name} has not signed it")
            signers.append(f"signed by {name}+{key.id.hex()}")
        else:
            seconds = int.from_bytes(signature[4:12])
            message = f"cosignature/v1\ntime {seconds}\n{text}".encode()
            verify_ed25519(key.public, signature[12:], message, f"{name} has not signed it")
            at = datetime.fromtimestamp(seconds, tz=UTC)
            signers.append(f"witnessed by {name} at {at:%Y-%m-%d %H:%M:%S} UTC")
        signed_by += [key] if key else []
    is_signed = any(each in log_keys and each.name == origin for each in signed_by)
    require(is_signed, "the checkpoint is not signed with a known key of the log")
    return Checkpoint(origin, int(size), decoded(root), signers, signed_by)


def require_witnesses(checkpoints: Sequence[Checkpoint], witness_keys: Iterable[Key]) -> None:
    """Require that each witness has cosigned one of the checkpoints."""
    for key in witness_keys:
        is_cosigned = any(key in each.signed_by for each in checkpoints)
        require(is_cosigned, f"no checkpoint here has the cosignature of {key.name}")


# ---------------------------------------------------------------- the tree


def leaf_hash(entry: bytes) -> bytes:
    return hashlib.sha256(b"\0" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\1" + left + right).digest()


def verify_inclusion(
    leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes
) -> bool:
    """Return True if the proof leads from a leaf to the root (RFC 9162, section 2.1.3.2)."""
    if not 0 <= index < size:
        return False
    node, last = index, size - 1
    for sibling in proof:
        if last == 0:
            return False
        if node % 2 or node == last:
            leaf = node_hash(sibling, leaf)
            while node and not node % 2:
                node, last = node >> 1, last >> 1
        else:
            leaf = node_hash(leaf, sibling)
        node, last = node >> 1, last >> 1
    return last == 0 and leaf == root


def verify_consistency(
    old: int, new: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]
) -> bool:
    """Return True if the newer tree extends the older one (RFC 9162, section 2.1.4.2)."""
    if not 0 < old < new:
        return old == new and old_root == new_root and not proof
    first, *rest = proof if old & (old - 1) else (old_root, *proof)
    node, last = old - 1, new - 1
    while node % 2:
        node, last = node >> 1, last >> 1
    older = newer = first
    for sibling in rest:
        if last == 0:
            return False
        if node % 2 or node == last:
            older, newer = node_hash(sibling, older), node_hash(sibling, newer)
            while node and not node % 2:
                node, last = node >> 1, last >> 1
        else:
            newer = node_hash(newer, sibling)
        node, last = node >> 1, last >> 1
    return last == 0 and (older, newer) == (old_root, new_root)


# ---------------------------------------------------------------- records in the log


class Leaf(NamedTuple):
    """A proven leaf: the name of its log, its index, its entry, and what the file discloses."""

    origin: str
    number: int
    entry: str
    disclosed: dict[str, dict[str, str]]


#: Leaves by the positions of their records.
Leaves = dict[int, Leaf]


def check_proofs(
    proofs: Iterable[dict[str, Any]],
    records: Sequence[dict[str, Any]],
    keys: "Keys",
    found_leaves: Leaves,
) -> Iterator[str]:
    """Check that the records are leaves of the log, as they are in the file; yield the result.

    Each leaf is added to ``found_leaves``.
    """
    by_position = {int(each["position"]): each for each in records}
    proven: set[int] = set()
    unknown: set[str] = set()
    for proof in proofs:
        log_keys = keys.log or [read_key(each) for each in proof["keys"]]
        checkpoint = read_checkpoint(proof["checkpoint"], log_keys, keys.witness)
        require_witnesses([checkpoint], keys.witness)
        yield f"Log {checkpoint.origin}, {checkpoint.size} leaves: {'; '.join(checkpoint.signers)}."
        for leaf in proof["leaves"]:
            path = [decoded(each) for each in leaf["path"]]
            found = leaf_hash(leaf["entry"].encode())
            is_in = verify_inclusion(found, leaf["index"], checkpoint.size, path, checkpoint.root)
            require(is_in, f"leaf {leaf['index']} is not in the log")
            entry = json.loads(leaf["entry"])
            require(canonical(entry).decode() == leaf["entry"], "an entry is not canonical JSON")
            position = int(entry["position"])
            check_disclosed(entry, leaf["disclosed"])
            found_leaves[position] = Leaf(
                checkpoint.origin, leaf["index"], leaf["entry"], leaf["disclosed"]
            )
            if position in by_position:
                unknown |= check_entry(entry, leaf["disclosed"], by_position[position])
                proven.add(position)
            if not records:
                yield f"  Leaf {leaf['index']}: {described(entry)}."
        if not keys.log:
            yield f"  Compare with the published keys: {', '.join(proof['keys'])}"
    missing = sorted(by_position.keys() - proven)
    require(not (missing and keys.requires_proofs), f"records without a proof: {missing}")
    if records:
        yield f"{len(proven)} of {len(by_position)} records are in the log as they are in the file."
    if unknown:
        yield f"  The log does not have: {', '.join(sorted(unknown))}."
    if missing:
        yield f"  Without a proof, when the file was made: {', '.join(map(str, missing))}."


def described(entry: dict[str, Any]) -> str:
    """Return what an entry is about."""
    at = entry.get("received_at") or entry.get("occurred_at")
    status = f", {entry['status']}" if "status" in entry else ""
    return f"{entry['kind']} {entry['message_type']} of {entry['command_id']} at {at}{status}"


def check_disclosed(entry: dict[str, Any], disclosed: dict[str, dict[str, str]]) -> None:
    """Check that a leaf has the digests of the values that are disclosed."""
    for name, each in disclosed.items():
        found = hashlib.sha256(bytes.fromhex(each["salt"]) + each["value"].encode()).hexdigest()
        require(entry[name] == found, f"record {entry['position']} has another {name} in the log")


def check_entry(
    entry: dict[str, Any], disclosed: dict[str, dict[str, str]], record: dict[str, Any]
) -> set[str]:
    """Check that a record has the values that its leaf has, or has the digests of.

    Return the names of the columns that the format of the leaf does not have.
    """
    missing = entry.keys() - record.keys() - {"version", "kind", "fingerprint"}
    require(not missing, f"record {entry['position']} lacks columns of its leaf")
    for name in entry.keys() & record.keys():
        text = disclosed[name]["value"] if name in disclosed else entry[name]
        is_it = is_same(name, text, record[name])
        require(is_it, f"record {entry['position']} has another {name} in the log")
    return record.keys() - entry.keys()


def is_same(name: str, text: Any, value: Any) -> bool:
    """Return True if a value of a file is the one that is written in the log."""
    if text is None or value is None:
        return text is value
    if isinstance(value, (dict, list)) or name in ("data", "decision"):
        # As JSON: in Python, 1, 1.0 and True are equal.
        return canonical(json.loads(text)) == canonical(value)
    if name.endswith("_at"):
        return datetime.fromisoformat(text) == datetime.fromisoformat(value)
    return str(text) == str(value)


# ---------------------------------------------------------------- a published log


def check_log(directory: Path, keys: "Keys", kept: Iterable[Path]) -> Iterator[str]:
    """Check the tree of a published log against its checkpoint, and against those kept before."""
    require(keys.log, "a published log is checked with --log-key")
    notes = [directory / "checkpoint", *kept]
    checkpoints = [
        read_checkpoint(path.read_text(encoding="utf-8"), keys.log, keys.witness) for path in notes
    ]
    newest = checkpoints[0]
    for each in checkpoints:
        require(each.origin == newest.origin, f"{each.origin} is another log")
        require(each.size <= newest.size, f"the log has lost leaves: it had {each.size}")
    require_witnesses(checkpoints, keys.witness)
    wanted = {each.size: [other for other in checkpoints if other.size == each.size]
              for each in checkpoints}  # fmt: skip
    for size, root in roots(leaves(directory, newest.size), set(wanted)):
        for each in wanted[size]:
            require(each.root == root, f"the log has another root at {size} leaves")
    yield f"Log {newest.origin}, {newest.size} leaves: {'; '.join(newest.signers)}."
    yield f"It is consistent with {len(checkpoints) - 1} checkpoints that were kept."
    if not has_entries(directory):
        yield "It has no entries here: only their hashes were checked."


class Logs:
    """The published logs that were given, by their names. Each is checked first."""

    def __init__(self, directories: Iterable[Path], keys: "Keys") -> None:
        self.directories: dict[str, tuple[Path, int]] = {}
        for directory in directories:
            # A witness may have cosigned a checkpoint that only the file has.
            for _ in check_log(directory, keys._replace(witness=[]), ()):
                pass
            require(has_entries(directory), f"{directory} has no entries")
            note = (directory / "checkpoint").read_text(encoding="utf-8")
            found = read_checkpoint(note, keys.log, ())
            self.directories[found.origin] = directory, found.size

    def endings(self, first: Leaf, last: Leaf) -> list[Leaf]:
        """Return the events that ended a passkey after one leaf and before another.

        :raises Unproven: if no log that was given has all leaves between.
        """
        found: list[Leaf] = []
        origin = last.origin
        while True:
            entries = self.entries(origin)
            end = last.number if last.origin == origin else len(entries)
            for each in (first, last):
                if each.origin == origin and entries[each.number : each.number + 1] != [each.entry]:
                    raise Unproven(f"the log that was given has no leaf {each.number} like it")
            start = first.number + 1 if first.origin == origin else 0
            found += [
                Leaf(origin, index, entry, {})
                for index, entry in enumerate(entries[start:end], start)
                if json.loads(entry).get("message_type") in ENDINGS
            ]
            if first.origin == origin:
                return found
            origin = json.loads(entries[0])["former_origin"] or "before it"

    def entries(self, origin: str) -> list[str]:
        """Return all entries of a log.

        :raises Unproven: if it was not given.
        """
        if origin not in self.directories:
            raise Unproven(f"the published log {origin} was not given with --log")
        directory, size = self.directories[origin]
        tiles = ((number, min(256, size - number * 256)) for number in range((size + 255) // 256))
        return [
            entry.decode()
            for number, width in tiles
            for entry in list(split(read_tile(directory, "entries", number, width)[0]))[:width]
        ]


def leaves(directory: Path, size: int) -> Iterator[bytes]:
    """Yield the hashes of all leaves, each the hash of its entry if the entries are published."""
    for number in range((size + 255) // 256):
        width = min(256, size - number * 256)
        data, held = read_tile(directory, "0", number, width)
        require(len(data) == held * 32, f"tile {number} does not have {held} hashes")
        tile = [data[at : at + 32] for at in range(0, len(data), 32)]
        if has_entries(directory):
            bundle, held = read_tile(directory, "entries", number, width)
            entries = list(split(bundle))
            require(len(entries) == held, f"bundle {number} does not have {held} entries")
            # A file that is newer than the checkpoint may have more than the other one.
            for index, (entry, leaf) in enumerate(zip(entries, tile, strict=False)):
                is_leaf = leaf_hash(entry) == leaf
                require(is_leaf, f"entry {number * 256 + index} is not its leaf")
        yield from tile[:width]


def has_entries(directory: Path) -> bool:
    return (directory / "tile" / "entries").is_dir()


def split(bundle: bytes) -> Iterator[bytes]:
    """Yield the entries of a bundle, each after its length in two bytes."""
    while bundle:
        end = 2 + int.from_bytes(bundle[:2])
        require(len(bundle) >= end, "a bundle of entries is too short")
        yield bundle[2:end]
        bundle = bundle[end:]


def read_tile(directory: Path, level: str, number: int, width: int) -> tuple[bytes, int]:
    """Return a tile, the full one if there is one, and how many leaves it is of."""
    groups = [f"{number % 1000:03}"]
    while number := number // 1000:
        groups.insert(0, f"x{number % 1000:03}")
    path = directory / "tile" / level / "/".join(groups)
    if path.exists():
        return path.read_bytes(), 256
    return (path.with_name(f"{path.name}.p") / str(width)).read_bytes(), width


def roots(found: Iterable[bytes], sizes: set[int]) -> Iterator[tuple[int, bytes]]:
    """Yield the root of the tree at each of the sizes."""
    complete: list[tuple[int, bytes]] = []
    for size, leaf in enumerate(found, start=1):
        height, node = 0, leaf
        while complete and complete[-1][0] == height:
            height, node = height + 1, node_hash(complete.pop()[1], node)
        complete.append((height, node))
        if size in sizes:
            root = complete[-1][1]
            for _, left in complete[-2::-1]:
                root = node_hash(left, root)
            yield size, root


# ---------------------------------------------------------------- the command line


class Keys(NamedTuple):
    """The keys that the auditor expects, and whether each record has to be in the log."""

    public: str | None
    log: list[Key]
    witness: list[Key]
    requires_proofs: bool


def check_file(file: bytes, keys: Keys, logs: Logs) -> Iterator[str]:
    """Check a file of any format; yield what was found."""
    parts = read_file(file, keys.public)
    content = parts[FORMATS[parts["format"]]]
    records = [*content.get("records", ()), *content.get("events", ())]
    match FORMATS[parts["format"]]:
        case "evidence":
            yield from check_evidence(content)
        case "case_file":
            yield f"Case file of {content['about']}, made at {content['made_at']}."
            for each in content["evidence"]:
                is_same_key = each["public_key"] == parts["public_key"]
                require(is_same_key, "its evidence is signed with another key")
                is_ascii = each["format"] != "countersign-evidence/1"
                text = json.dumps(each, sort_keys=True, indent=2, ensure_ascii=is_ascii)
                yield from check_file(f"{text}\n".encode(), keys, logs)
            for each in content["attempts"]:
                records += [each["record"], *each["events"]]
    found: Leaves = {}
    yield from check_proofs(content.get("proofs", ()), records, keys, found)
    if FORMATS[parts["format"]] == "evidence":
        yield from check_endings(content, found, logs)
    if keys.public is None and "public_key" in parts:
        yield f"Signed with {parts['public_key']}: compare it with the published key."


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("path", type=Path, help="The file, or the directory of a published log.")
    parser.add_argument("--public-key", help="The public key of evidence, in Base64.")
    for name, help_text in (
        ("--log-key", "A public key of the log. Checkpoints need the signature of one."),
        ("--witness-key", "A public key of a witness. Its cosignature is required."),
    ):
        parser.add_argument(name, action="append", default=[], help=help_text)
    parser.add_argument(
        "--checkpoint", type=Path, action="append", default=[], help="A checkpoint kept before."
    )
    parser.add_argument(
        "--log",
        type=Path,
        action="append",
        default=[],
        help="The directory of a published log: it shows that no passkey was removed before.",
    )
    parser.add_argument(
        "--require-proofs", action="store_true", help="Fail if a record has no proof."
    )
    return parser


def main(given: Sequence[str] | None = None) -> int:
    """Check a file or a log, and print the result."""
    options = arguments().parse_args(given)
    try:
        keys = Keys(
            options.public_key,
            [read_key(each) for each in options.log_key],
            [read_key(each) for each in options.witness_key],
            options.require_proofs,
        )
        if options.path.is_dir():
            lines = list(check_log(options.path, keys, options.checkpoint))
        else:
            logs = Logs(options.log, keys)
            lines = list(check_file(options.path.read_bytes(), keys, logs))
    except NotGenuine as problem:
        print(f"NOT GENUINE: {problem}")
        return 1
    except OSError as error:
        print(f"NOT VERIFIED: {error.filename} cannot be read: {error.strerror}.")
        print("Give a file, or the directory of one log, such as DIR/1.")
        return 1
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, RecursionError) as error:
        print(f"NOT GENUINE: a part is missing or malformed ({type(error).__name__}: {error})")
        return 1
    print("\n".join(lines), "Genuine.", sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
