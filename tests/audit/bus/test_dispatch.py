"""The bus: one transaction, every attempt on record."""

from apikeys.commands import DisableApiKey
from audit.bus.dispatch import dispatch
from audit.messages.outcomes import Completed
from audit.models.records import CommandRecord, EventRecord


def test_a_command_its_events_and_its_history_commit_together(first_key, dana, context_of):
    outcome = dispatch(DisableApiKey(api_key_id=first_key.id), context=context_of(dana))

    assert isinstance(outcome, Completed)
    record = CommandRecord.objects.get(command_id=outcome.command_id)
    event = EventRecord.objects.get(command_id=outcome.command_id)
    assert record.status == "succeeded"
    assert event.number == 2
    row = outcome.result.history.first()
    assert row.history_command_id == outcome.command_id
