"""A second domain app of under 60 lines gets the log, the history, the 202 and the votes."""

from pathlib import Path

from apikeys.commands import PickUpSecret
from apikeys.models.refusals import NothingToPickUp
from approvals.decisions.commands import Approve
from approvals.models import ApprovalRequest
from audit.models.records import CommandRecord
from audit.testing import react
from tests.conftest import completed, policy
from tests.http import call
from tests.notes.handlers import NoteWritten, WriteNote
from tests.notes.models import Note


def test_the_app_is_under_sixty_lines():
    files = (Path(__file__).parent / "notes").glob("*.py")
    lines = [line for file in files for line in file.read_text().splitlines() if line.strip()]

    assert len(lines) < 60


def test_a_note_has_its_record_its_event_and_its_history(given, acme, assert_recorded):
    command = WriteNote(tenant=str(acme.pk), text="Buy milk")

    given().when(command).then(NoteWritten(note_id=command.note_id))

    record = assert_recorded(WriteNote, status="succeeded", tenant=str(acme.pk))
    assert Note.history.get().history_command_id == record.command_id


def test_a_note_that_needs_approval_is_held_voted_on_and_written(
    client, first_key, security, ann, bob, context_of
):
    policy("notes.write", group=security, quorum=2)

    held = call(client, "POST", "/api/v2/notes", {"text": "Buy milk"}, key=first_key)
    request = ApprovalRequest.objects.get()
    for person in (ann, bob):
        approval = Approve(approval_request_id=request.pk, digest=request.digest)
        completed(approval, context=context_of(person))

    assert held.status_code == 202
    assert str(Note.objects.get().pk) == held.json()["resource"]["id"]
    record = CommandRecord.objects.get(command_id=held["Command-Id"], status="succeeded")
    assert record.actor_label.startswith("dana")


def test_the_managers_get_an_e_mail_about_a_note(given, acme, settings, mailoutbox):
    settings.MANAGERS = [("Mia", "mia@example.com")]
    given().when(WriteNote(tenant=str(acme.pk), text="Buy milk"))
    before = len(mailoutbox)
    react("notes.mail")

    assert (before, len(mailoutbox)) == (0, 1)


def test_a_bad_note_is_refused_and_recorded(client, first_key, assert_recorded):
    answer = call(client, "POST", "/api/v2/notes", {"txt": "Buy milk"}, key=first_key)

    assert answer.status_code == 400
    assert answer["Content-Type"] == "application/problem+json"
    assert_recorded(WriteNote, status="refused", error_code="invalid")


def test_a_scenario_tells_what_was_held(given, acme, security, ann, bob):
    policy("notes.write", group=security, quorum=2)

    given().when(WriteNote(tenant=str(acme.pk), text="Buy milk")).then_postponed()


def test_a_scenario_tells_what_was_refused(given, first_key, dana, context_of):
    pick_up = PickUpSecret(api_key_id=first_key.id)

    given().when(pick_up, context=context_of(dana)).then_refused(NothingToPickUp)
