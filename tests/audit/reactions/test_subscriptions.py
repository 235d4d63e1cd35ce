"""Subscriptions: each event has its effect once, in order, and a failure stops only its subject."""

import pytest
from django.db.models.functions import Now

from audit.models.subscriptions import Checkpoint, Setback
from audit.reactions import declarations
from audit.reactions.declarations import reacts_to
from audit.testing import react
from tests.conftest import completed
from tests.notes.handlers import NoteWritten, WriteNote


@pytest.fixture(autouse=True)
def own_subscriptions(monkeypatch):
    """Only those that a test declares."""
    monkeypatch.setattr(declarations, "_subscriptions", {})


def test_a_function_gets_each_event_once_with_its_delivery():
    got = []

    @reacts_to(NoteWritten, name="test.notes")
    def note(event, delivery):
        got.append((event, delivery))

    notes = [completed(WriteNote(tenant="acme", text=str(each))) for each in range(5)]
    react()
    react()

    assert {event.note_id for event, _ in got} == {note.pk for note in notes}
    assert len(got) == 5
    event, delivery = got[0]
    assert (delivery.subject_type, delivery.subject_id) == ("note", str(event.note_id))
    assert (delivery.number, delivery.tenant, delivery.attempt) == (1, "acme", 1)
    assert sum(each.handled for each in Checkpoint.objects.all()) == 5


def test_a_failing_event_is_set_aside_and_others_continue():
    failing, got = [], []

    @reacts_to(NoteWritten, name="test.notes", backoff=(0, 300))
    def note(event, delivery):
        if event.note_id in failing:
            message = "it failed"
            raise RuntimeError(message)
        got.append(event.note_id)

    notes = [WriteNote(tenant="acme", text=str(each)) for each in range(5)]
    failing.append(notes[2].note_id)
    for each in notes:
        completed(each)
    react()
    setback = Setback.objects.get()
    failing.clear()
    Setback.objects.update(next_try_at=Now())
    react()

    assert (setback.attempts, setback.state, setback.error_code) == (2, "retrying", "RuntimeError")
    assert set(got) == {each.note_id for each in notes}
    assert not Setback.objects.exists()
