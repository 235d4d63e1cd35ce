"""The report of a case file: its requests, their votes, and the attempts and changes."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from approvals.models import State
from audit.messages.characters import visible
from audit.models.records import Status
from audit.pages.labels import WAITING, fields, status_words

_UNSUCCESSFUL = (Status.REFUSED, Status.FAILED)


def report(content: dict[str, Any]) -> dict[str, Any]:
    """Return the content of a case file for its template."""
    attempts = [_attempt(each) for each in content["attempts"]]
    return {
        "label": content["label"],
        "about": content["about"],
        "made_at": _time(content["made_at"]),
        "made_by": content["made_by"]["label"],
        "is_cut": content["is_cut"],
        "is_confined": content["is_confined"],
        "decisions": [_decision(each["evidence"], content) for each in content["evidence"]],
        "unsigned": [
            (content["requests"][request_id], problem)
            for request_id, problem in content["unsigned"].items()
        ],
        "attempts": attempts,
        "refused": [each for each in attempts if each["is_unsuccessful"]],
        "changes": [_change(each) for each in content["changes"]],
    }


def _decision(evidence: dict[str, Any], content: dict[str, Any]) -> dict[str, Any]:
    """Return one request: who asked, why, what governs it, its votes and its outcome."""
    request = evidence["request"]
    own = (each for each in evidence["records"] if each["command_id"] == request["command_id"])
    held: dict[str, Any] = next(own, {})
    changes = [each for each in content["changes"] if each["command_id"] == request["command_id"]]
    subject = f"{request['subject_type']}:{request['subject_id']}"
    return {
        "sentence": content["requests"][request["id"]],
        "id": request["id"],
        "requester": request["requester_label"],
        "requested_at": _time(request["requested_at"]),
        "address": held.get("client_address") or "",
        "channel": request["channel"],
        "reason": visible(request["reason"]),
        "digest": request["digest"],
        "fields": fields(evidence["command"]["values"]) if evidence["command"] else [],
        "policies": evidence["effective_requirements"].get("policies", []),
        "rules": evidence["effective_requirements"].get("rules", []),
        "votes": [_vote(each, evidence) for each in evidence["votes"]],
        "state": WAITING if request["state"] == State.PENDING else request["state"],
        "outcome": request["outcome"],
        "decided_at": _time(request["decided_at"]) if request["decided_at"] else None,
        "before_and_after": [
            _change(each) for each in changes if not each["subject"].endswith(request["id"])
        ],
        "direct": [
            _change(each)
            for each in content["changes"]
            if each["is_direct"] and each["subject"] == subject
        ],
    }


def _vote(vote: dict[str, Any], evidence: dict[str, Any]) -> dict[str, Any]:
    return vote | {
        "cast_at": _time(vote["cast_at"]),
        "comment": visible(vote["comment"]),
        "passkey": _passkey(vote, evidence),
    }


def _passkey(vote: dict[str, Any], evidence: dict[str, Any]) -> dict[str, Any] | None:
    """Return the passkey that signed a vote; None if the vote has no signature.

    ``witnessed_at`` is when a checkpoint with its registration was outside, if that was before.
    """
    if not vote["assertion"]:
        return None
    credential_id = vote["assertion"].get("credential_id")
    passkeys = evidence.get("passkeys", ())
    found = next((each for each in passkeys if each["credential_id"] == credential_id), None)
    if found is None:
        return {"name": ""}
    witnessed_at = _time(found["witnessed_at"]) if found["witnessed_at"] else None
    was_witnessed = witnessed_at is not None and witnessed_at < _time(vote["cast_at"])
    return {
        "name": visible(found["name"]),
        "registered_at": _time(found["registered_at"]),
        "witnessed_at": witnessed_at if was_witnessed else None,
        "ended_at": _time(found["ended_at"]) if found["ended_at"] else None,
    }


def _attempt(attempt: dict[str, Any]) -> dict[str, Any]:
    record = attempt["record"]
    return {
        **{name: attempt[name] for name in ("label", "subject", "approvers")},
        **{name: record[name] for name in ("command_id", "attempt", "channel")},
        "status": status_words(record["status"], is_waiting=attempt["is_waiting"]),
        "is_unsuccessful": record["status"] in _UNSUCCESSFUL,
        "at": _time(record["received_at"]),
        "actor": record["actor_label"],
        "address": record["client_address"] or "",
        "reason": visible(record["reason"]),
        "error": visible(record["error_message"]),
        "events": list(_events(attempt)),
    }


def _events(attempt: dict[str, Any]) -> Iterator[str]:
    for event in attempt["events"]:
        yield f"{event['message_type']}, number {event['number']} of {event['subject_type']}"


def _change(change: dict[str, Any]) -> dict[str, Any]:
    return change | {"at": _time(change["at"]), "values_of": change["values"]}


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
