"""Evidence of the decision on one request, gathered for a signed file."""

import json
from collections.abc import Collection
from typing import Any

from django.db.models import Model, Q
from django.utils import timezone

from approvals.decisions import agreement, execution
from approvals.delegations import listing as delegations
from approvals.models import ApprovalRequest, Decision, Delegation, Vote
from approvals.models.votes import newest_by_place
from approvals.passkeys import listing as passkeys
from approvals.passkeys.models import Passkey
from approvals.passkeys.votes import Signatures
from approvals.policies import effective
from approvals.sealing import evidence_files
from approvals.sealing.payloads import Unloadable, time_as_text
from audit.evidence.publishing.proofs import proofs_of
from audit.installation.settings import countersign
from audit.messages.exceptions import Conflict
from audit.models.records import CommandRecord, EventRecord


def _names(model: type[Model], *, without: Collection[str] = ()) -> tuple[str, ...]:
    columns = (column.attname for column in model._meta.concrete_fields)
    return tuple(name for name in columns if name not in without)


# The command, the requirements and the votes have keys of their own.
_REQUEST = _names(ApprovalRequest, without=("payload", "requirements", "voters"))
_VOTE = _names(Vote, without=("id", "request_id"))
_DELEGATION = _names(Delegation)
_PASSKEY = _names(Passkey)
# Only the bus can use the fingerprint.
_RECORD = _names(CommandRecord, without=("fingerprint",))
_EVENT = _names(EventRecord)


class EvidenceDisagrees(Conflict):
    """The parts of the evidence do not fit together, so it is not signed."""

    title = "Evidence disagrees"
    remedy = "Inform the operators: the database was changed outside Countersign."


def write(request: ApprovalRequest) -> bytes:
    """Return the signed evidence of a request.

    :raises EvidenceDisagrees: if its state, its votes and the log do not fit together.
    """
    gathered = gather(request)
    if found := problems_of(request, gathered):
        raise EvidenceDisagrees("; ".join(found))
    return evidence_files.write(gathered, seed=countersign().evidence_key)


def signed(request: ApprovalRequest) -> dict[str, Any]:
    """Return the signed evidence of a request as the JSON object that the file contains.

    :raises EvidenceDisagrees: if its state, its votes and the log do not fit together.
    """
    content: dict[str, Any] = json.loads(write(request))
    return content


def problems_of(request: ApprovalRequest, gathered: dict[str, Any]) -> list[str]:
    """Return what does not fit together in the evidence of a request."""
    if not request.is_intact:
        return ["the request was altered in the database"]
    if not request.is_payload_intact:
        return ["the held command was altered"]
    return agreement.disagreements(gathered)


def gather(request: ApprovalRequest) -> dict[str, Any]:
    """Return the command, its requirements, the votes, and their log entries.

    The effective requirements are those at the decision, or today's while it is open.
    """
    effective.read([request])
    command, problem = _command(request)
    records = records_of(request)
    keys = _passkeys(request)
    # With all events of the passkeys that were used.
    ids = {each.command_id for each in records}
    of_keys = Q(subject_type="passkey", subject_id__in=[str(each.pk) for each in keys])
    events = EventRecord.objects.filter(Q(command_id__in=ids) | of_keys).order_by("position")
    signatures = Signatures([request])
    counting = {
        vote.pk
        for vote in newest_by_place(request.current_votes())
        if (vote.decision != Decision.APPROVE or vote.digest == request.digest)
        and signatures.suffice(vote, request)
    }
    votes = request.votes.order_by("cast_at", "pk")
    positions = {each.position for each in (*records, *events)}
    return {
        "made_at": timezone.now().isoformat(),
        "request": _columns(request, _REQUEST),
        "command": command,
        "problem": problem,
        "requirements": request.requirements,
        "effective_requirements": request.required,
        "votes": [_vote(vote, counts=vote.pk in counting) for vote in votes],
        "delegations": _delegations(request),
        **({"passkeys": [_passkey_columns(each) for each in keys]} if keys else {}),
        "records": [record_columns(each) for each in records],
        "events": [event_columns(each) for each in events],
        "proofs": proofs_of(positions, partial=_ends_of_others(keys, positions)),
    }


def _command(request: ApprovalRequest) -> tuple[dict[str, Any] | None, str]:
    try:
        command = execution.opened(request)
    except Unloadable as problem:
        return None, problem.message
    content = {
        "message_type": command.message_type,
        "schema_version": command.schema_version,
        "values": command.as_json(),
    }
    if request.execute_after:
        content["execute_after"] = time_as_text(request.execute_after)
    return content, ""


def record_columns(record: CommandRecord) -> dict[str, Any]:
    """Return every column of a command record except its fingerprint, as JSON."""
    return _columns(record, _RECORD)


def event_columns(event: EventRecord) -> dict[str, Any]:
    """Return every column of an event record, as JSON."""
    return _columns(event, _EVENT)


def records_of(request: ApprovalRequest) -> list[CommandRecord]:
    """Return the attempts at the held command, and every command on the request."""
    subject = {"subject_type": "approval-request", "subject_id": str(request.pk)}
    # The command that added a stricter request has the earlier request as its subject.
    related = EventRecord.objects.filter(**subject).values("command_id")
    about = Q(**subject) | Q(command_id__in=related)
    records = CommandRecord.objects.filter(Q(command_id=request.command_id) | about)
    return list(records.order_by("position"))


def _vote(vote: Vote, *, counts: bool) -> dict[str, Any]:
    return _columns(vote, _VOTE) | {"is_genuine": vote.is_genuine, "counts": counts}


def _delegations(request: ApprovalRequest) -> list[dict[str, Any]]:
    """Return the delegations by which the votes were cast."""
    used = {vote.delegation_id for vote in request.all_votes() if vote.delegation_id}
    found = delegations.delegations().filter(pk__in=used).order_by("pk") if used else ()
    return [
        _columns(each, _DELEGATION) | {"is_genuine": each.is_genuine, "is_ended": each.is_ended}
        for each in found
    ]


def _passkeys(request: ApprovalRequest) -> list[Any]:
    """Return the passkeys with which votes were signed."""
    used = {vote.assertion.get("credential_id") for vote in request.all_votes() if vote.assertion}
    found = passkeys.passkeys().filter(credential_id__in=used).order_by("pk")
    return list(found) if used else []


def _ends_of_others(keys: list[Any], positions: Collection[int]) -> dict[int, Collection[str]]:
    """Return the events until then by which other passkeys ended, each with the field that says so.

    A verifier finds all such events in the published log. With these, it can show that none of them
    is about a passkey that signed a vote.
    """
    if not keys:
        return {}
    return dict.fromkeys(passkeys.endings_between(positions), ("subject_id",))


def _passkey_columns(passkey: Any) -> dict[str, Any]:
    later = {name: _plain(getattr(passkey, name)) for name in ("ended_at", "witnessed_at")}
    return _columns(passkey, _PASSKEY) | {"is_genuine": passkey.is_genuine} | later


def _columns(row: Any, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: _plain(getattr(row, name)) for name in names}


def _plain(value: Any) -> Any:
    match value:
        case None | bool() | int() | float() | dict() | list():
            return value
        case _ if hasattr(value, "isoformat"):
            return value.isoformat()
        case _:
            return str(value)
