"""Agreement of the parts of evidence: whether state, votes, requirements and log fit together."""

from collections.abc import Iterator
from datetime import datetime
from types import SimpleNamespace
from typing import Any

from approvals.models.states import ENDS, State
from approvals.models.votes import Decision
from approvals.passkeys import votes as signed_votes
from approvals.passkeys.ceremonies import SignatureInvalid
from approvals.policies import slots
from approvals.policies.slots import Slots

_BREAK_GLASS = "approvals.glass_broken"
_REGISTERED = "approvals.passkey_registered"
_OPEN = (State.PENDING, State.FAILED)
_AFTER_APPROVAL = (State.EXECUTED, State.REFUSED, State.FAILED)
_FINAL = ("succeeded", "refused", "cancelled")


def disagreements(evidence: dict[str, Any]) -> list[str]:
    """Return what does not fit together in evidence; empty if all of it does.

    It reads the evidence only, so a file can be checked without a database.
    """
    return [*_records(evidence), *_votes(evidence)]


def _records(evidence: dict[str, Any]) -> Iterator[str]:
    request = evidence["request"]
    state, own = request["state"], _own_records(evidence)
    if not any(each["status"] == "postponed" for each in own):
        yield "the log has no record of the held command"
    if state == State.SUPERSEDED:
        return
    ends = [_end(each) for each in own if each["status"] in _FINAL]
    if not ends and state in _OPEN:
        if state == State.FAILED and not any(each["status"] == "failed" for each in own):
            yield "the request is failed, but the log has no failure of its command"
    elif len(ends) != 1 or ends[0] not in ENDS.get(state, ()):
        found = ", ".join(status for status, _ in ends) or "no outcome"
        yield f"the request is {state}, but the log of its command has: {found}"


def _votes(evidence: dict[str, Any]) -> Iterator[str]:
    request = evidence["request"]
    votes = [each for each in evidence["votes"] if each["counts"]]
    if any(not each["is_genuine"] for each in votes):
        yield "a vote counts although it is not genuine"
    if any(each.get("delegation_id") and not _is_allowed(each, evidence) for each in votes):
        yield "a vote counts in the place of another person without a delegation"
    if any(_must_be_signed(each, evidence) and not _is_signed(each, evidence) for each in votes):
        yield "a vote counts without a valid signature by a passkey of its voter"
    if any(len({of(each) for each in votes}) < len(votes) for of in (_place, _voter)):
        yield "two votes of one person, or in one place, count"
    if request["state"] == State.DENIED and not _of(votes, Decision.DENY):
        yield "the request is denied, but no vote denies it"
    if request["state"] not in _AFTER_APPROVAL or _is_approved(evidence, votes):
        return
    if not any(each["message_type"] == _BREAK_GLASS for each in evidence["events"]):
        yield f"the request is {request['state']}, but the votes do not meet its requirements"


def _is_approved(evidence: dict[str, Any], votes: list[dict[str, Any]]) -> bool:
    """Return True if the votes meet the requirements, those stored and those at execution.

    A vote counts for the rules that it was given for, and for those that the record of the
    execution says it met.
    """
    decision = _decision(evidence)
    met = decision.get("approvers", {})
    at_execution = decision.get("requirements", evidence["requirements"])
    approving = _of(votes, Decision.APPROVE)

    def people(rule: str) -> set[int]:
        places = {_place(each): each for each in approving}
        return {
            place
            for place, vote in places.items()
            if rule in vote["rules"] or place in met.get(rule, ())
        }

    return all(
        slots.are_filled(
            [Slots(rule["id"], rule["quorum"], people(rule["id"])) for rule in required["rules"]]
        )
        for required in (evidence["requirements"], at_execution)
    )


def _voter(vote: dict[str, Any]) -> int:
    return int(vote["voter_id"])


def _place(vote: dict[str, Any]) -> int:
    """Return the person whose place a vote takes. Earlier files have no delegators."""
    return int(vote.get("delegator_id") or vote["voter_id"])


def _is_allowed(vote: dict[str, Any], evidence: dict[str, Any]) -> bool:
    """Return True if a delegation allowed a vote when it was cast.

    Neither of its two people is the requester.
    """
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


def _must_be_signed(vote: dict[str, Any], evidence: dict[str, Any]) -> bool:
    """Return True if a vote has a signature, or has to have one."""
    at_execution = _decision(evidence).get("requirements", {})
    required = (evidence["requirements"], evidence.get("effective_requirements", {}), at_execution)
    options = (each.get("options", {}) for each in required)
    return bool(vote.get("assertion")) or any(each.get(signed_votes.OPTION) for each in options)


def _is_signed(vote: dict[str, Any], evidence: dict[str, Any]) -> bool:
    """Return True if a passkey of the voter that counted then has signed exactly this vote."""
    found = (each for each in evidence.get("passkeys", ()) if _may_sign(each, vote))
    passkey = next(found, None)
    if passkey is None or not _is_recorded(passkey, evidence):
        return False
    request_id = evidence["request"]["id"]
    try:
        signed_votes.verify(
            SimpleNamespace(**vote, request_id=request_id, place_id=_place(vote)),
            requirements=evidence["requirements"],
            public_key=passkey["public_key"],
        )
    except SignatureInvalid:
        return False
    return True


def _may_sign(passkey: dict[str, Any], vote: dict[str, Any]) -> bool:
    cast_at, ended_at = datetime.fromisoformat(vote["cast_at"]), passkey["ended_at"]
    # Without destinations outside, nothing is known there.
    known_at = passkey["witnessed_at"] or passkey["registered_at"]
    return (
        passkey["is_genuine"]
        and passkey["credential_id"] == (vote.get("assertion") or {}).get("credential_id")
        and passkey["user_id"] == vote["voter_id"]
        and datetime.fromisoformat(known_at) < cast_at
        and (ended_at is None or datetime.fromisoformat(ended_at) > cast_at)
    )


def _is_recorded(passkey: dict[str, Any], evidence: dict[str, Any]) -> bool:
    """Return True if the log has the registration of a passkey, with this key and person."""
    names = ("user_id", "credential_id", "public_key")
    return any(
        each["message_type"] == _REGISTERED
        and all(each["data"].get(name) == passkey[name] for name in names)
        for each in evidence["events"]
    )


def _decision(evidence: dict[str, Any]) -> dict[str, Any]:
    """Return what the last attempt at the held command recorded about its approval."""
    attempts = [each for each in _own_records(evidence) if each["status"] != "postponed"]
    last = max(attempts, key=lambda each: int(each["attempt"]), default={"decision": None})
    return last["decision"] or {}


def _of(votes: list[dict[str, Any]], decision: Decision) -> list[dict[str, Any]]:
    return [each for each in votes if each["decision"] == decision]


def _own_records(evidence: dict[str, Any]) -> list[dict[str, Any]]:
    command_id = evidence["request"]["command_id"]
    return [each for each in evidence["records"] if each["command_id"] == command_id]


def _end(record: dict[str, Any]) -> tuple[str, str]:
    """Return status and code; the code of a refusal may be any."""
    status = record["status"]
    return status, record["error_code"] if status == "cancelled" else ""
