"""Risk signals of a request: facts of the log that are unusual for its requester."""

from collections.abc import Iterator
from datetime import timedelta

from audit.messages.characters import actor_name
from audit.models.records import CommandRecord, Status
from audit.pages.safe_text import one_line

#: The earlier commands of the requester that a request is compared with: the latest ones.
COMPARED = 200
#: A burst is this number of requests, the present one included, within this time.
BURST = 5
BURST_WITHIN = timedelta(minutes=10)
_LONGEST = 160


def signals_of(held: CommandRecord) -> list[str]:
    """Return the risk signals of a held command, by one query."""
    return list(_signals(held, _earlier(held)))


def _earlier(held: CommandRecord) -> list[CommandRecord]:
    """Return the latest commands before this one of the same person, or of the same service."""
    same = {"actor_kind": held.actor_kind, "actor_id": held.actor_id}
    person = {"actor_person": held.actor_person} if held.actor_person else same
    records = CommandRecord.objects.filter(**person, position__lt=held.position)
    read = ("client_address", "user_agent", "message_type", "status", "attempt", "received_at")
    return list(records.order_by("-position").only(*read)[:COMPARED])


def _signals(held: CommandRecord, earlier: list[CommandRecord]) -> Iterator[str]:
    name = one_line(actor_name(held.actor_label), longest=_LONGEST)
    addresses = {each.client_address for each in earlier} - {None}
    if held.client_address and addresses and held.client_address not in addresses:
        yield f"New address: {name} has not used {held.client_address} before."
    clients = {each.user_agent for each in earlier} - {""}
    if held.user_agent and clients and held.user_agent not in clients:
        client = one_line(held.user_agent, longest=_LONGEST)
        yield f"New client: {name} has not used {client} before."
    if held.message_type not in {each.message_type for each in earlier}:
        yield f"First use: {name} has not sent this command before."
    since = held.received_at - BURST_WITHIN
    recent = [
        each
        for each in earlier
        if each.received_at >= since and each.attempt == 1 and each.status == Status.POSTPONED
    ]
    if len(recent) + 1 >= BURST:
        minutes = BURST_WITHIN // timedelta(minutes=1)
        yield f"Burst: {len(recent) + 1} requests by {name} within {minutes} minutes."
    if not held.reason.strip():
        yield "Missing reason: the requester gave none."
