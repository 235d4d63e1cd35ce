"""The publisher: who gets the newest checkpoint, and when."""

import threading
from datetime import timedelta
from smtplib import SMTPDataError

import pytest
from django.core import mail
from django.core.checks import run_checks
from django.db import connection
from django.utils import timezone

from audit.evidence.models import Publication
from audit.evidence.witnessing import publisher, standings
from audit.evidence.witnessing.checks import check_destinations, check_witnessing
from audit.evidence.witnessing.destinations import InvalidDestination, destinations
from audit.evidence.witnessing.publisher import publish_due
from tests.audit.webhooks.receiver import Answer
from tests.following import write
from tests.threads import until
from tests.transparency import last_checkpoint, sequence

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


@pytest.fixture
def later(monkeypatch):
    """A function that moves the clock of the publisher."""
    real, moved = timezone.now, timedelta(0)

    def move(span):
        nonlocal moved
        moved += span

    monkeypatch.setattr(timezone, "now", lambda: real() + moved)
    return move


@pytest.fixture
def directory(checkpoint, configure, tmp_path):
    configure(LOG_DIRECTORIES=(str(tmp_path),))
    return tmp_path


def more():
    """Add records, and sign a checkpoint of them."""
    write(2)
    sequence()
    return last_checkpoint()


def test_a_directory_keeps_every_checkpoint_that_was_sent(directory, checkpoint, later):
    publish_due()
    second = more()
    later(HOUR)
    publish_due()

    kept = directory / "log" / str(checkpoint.log) / "checkpoints"
    assert {each.name for each in kept.iterdir()} == {str(checkpoint.size), str(second.size)}
    assert (kept / str(checkpoint.size)).read_text() == checkpoint.note
    assert [each.accepted_at is not None for each in Publication.objects.all()] == [True, True]


def test_the_newest_checkpoint_is_sent_once_an_hour(directory, later):
    assert publish_due() == 1
    assert publish_due() == 0
    more()
    assert publish_due() == 0
    later(HOUR)
    assert publish_due() == 1
    # There is nothing new.
    later(2 * HOUR)
    assert publish_due() == 0


def test_a_failure_is_retried_at_growing_intervals(directory, later):
    directory.rmdir()
    spans = [timedelta(minutes=each) for each in (1, 5, 15, 30, 60, 60)]
    assert publish_due() == 1
    for span in spans:
        later(span - timedelta(seconds=5))
        assert publish_due() == 0
        later(timedelta(seconds=5))
        assert publish_due() == 1

    (standing,) = standings.standings(destinations())
    assert (standing.accepted, standing.failures) == (None, 7)
    assert standing.problem == "The directory cannot be written: No such file or directory."
    directory.mkdir()
    later(HOUR)
    assert publish_due() == 1
    assert standings.standings(destinations())[0].failures == 0


def test_a_webhook_gets_the_signed_note(checkpoint, receiver, configure):
    configure(LOG_DESTINATIONS=(receiver.url("/secret-path"),))

    publish_due()

    (received,) = receiver.received
    assert received.path == "/secret-path"
    assert received.body.decode() == checkpoint.note
    assert received.headers["content-type"] == "text/plain; charset=utf-8"
    publication = Publication.objects.get()
    assert publication.accepted_at
    assert publication.destination.startswith("hooks.test (")
    assert "secret" not in publication.destination


@pytest.mark.parametrize("status", [302, 404, 500])
def test_a_webhook_that_does_not_accept_is_recorded(status, checkpoint, receiver, configure):
    receiver.answer = Answer(status)
    configure(LOG_DESTINATIONS=(receiver.url(),))

    publish_due()

    publication = Publication.objects.get()
    assert publication.accepted_at is None
    assert publication.answer == f"The endpoint responded with the status {status}."


def test_a_person_gets_the_checkpoint_by_mail(checkpoint, configure):
    configure(LOG_DESTINATIONS=("mailto:auditor@example.org",))

    publish_due()

    (message,) = mail.outbox
    assert message.to == ["auditor@example.org"]
    assert message.body.endswith(checkpoint.note)
    assert f"{checkpoint.size:,} leaves" in message.subject
    assert Publication.objects.get().destination == "mailto:auditor@example.org"


def test_mail_that_is_refused_is_recorded(checkpoint, configure, monkeypatch):
    def refuse(self, messages):
        raise SMTPDataError(550, b"no")

    monkeypatch.setattr("django.core.mail.backends.locmem.EmailBackend.send_messages", refuse)
    configure(LOG_DESTINATIONS=("mailto:auditor@example.org",))

    publish_due()

    assert Publication.objects.get().answer == "The mail server failed: SMTPDataError."


def test_without_a_mail_server_that_is_recorded(checkpoint, configure, settings):
    settings.EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"
    configure(LOG_DESTINATIONS=("mailto:auditor@example.org",))

    publish_due()

    assert Publication.objects.get().answer == "No mail server is configured."


def test_one_destination_that_fails_does_not_keep_others_waiting(
    checkpoint, directory, configure, witness
):
    configure(
        LOG_DESTINATIONS=("http://127.0.0.1:1/", "mailto:auditor@example.org"),
        LOG_WITNESSES={witness.url: witness.verifier_key},
    )

    publish_due()

    accepted = Publication.objects.filter(accepted_at__isnull=False)
    assert accepted.count() == 3
    assert Publication.objects.count() == 4


def test_of_two_workers_one_sends(checkpoint, receiver, configure):
    """While one waits for the response, the other finds nothing to do."""
    receiver.held["/in"] = threading.Event()
    configure(LOG_DESTINATIONS=(receiver.url(),))
    first = threading.Thread(target=publish_in_thread)
    first.start()
    until(lambda: receiver.received)

    assert publish_due() == 0
    receiver.held["/in"].set()
    first.join()

    assert len(receiver.received) == Publication.objects.count() == 1


def publish_in_thread():
    publish_due()
    connection.close()


def test_the_newest_checkpoint_outside_is_known(directory, checkpoint, later):
    assert standings.newest_outside() is None
    publish_due()
    more()

    outside = standings.newest_outside()

    assert (outside.log, outside.size) == (checkpoint.log, checkpoint.size)
    assert outside.accepted_at


def test_a_checkpoint_that_is_outside_too_late_is_reported(checkpoint, directory, later):
    assert check_witnessing(databases=["default"]) == []
    later(timedelta(hours=5))
    publish_due()
    later(timedelta(hours=5))
    # Everything is outside: it does not matter since when.
    assert check_witnessing(databases=["default"]) == []
    more()
    later(timedelta(hours=7))

    (warning,) = check_witnessing(databases=["default"])

    assert warning.id == "audit.W004"
    assert "manage.py work" in warning.hint
    directory.rename(directory.with_name("gone"))
    publish_due()
    assert "cannot be written" in check_witnessing(databases=["default"])[0].hint
    directory.with_name("gone").rename(directory)
    later(HOUR)
    publish_due()
    assert check_witnessing(databases=["default"]) == []


@pytest.mark.parametrize(
    "destination",
    [
        *("", "auditor@example.org", "mailto:", "mailto:a@b@c", "mailto:a b@example.org"),
        *("ftp://example.org", "https://", "https://user:secret@example.org/", "/var/log"),
        *("https://example.org/a b", "https://example.org:99999/", "https://[::1/"),
    ],
)
def test_a_malformed_destination_is_reported(destination, configure):
    configure(LOG_DESTINATIONS=(destination,))

    (error,) = check_destinations()

    assert error.id == "audit.E024"
    assert "secret" not in error.msg
    assert error in run_checks()
    with pytest.raises(InvalidDestination):
        destinations()


@pytest.mark.parametrize("key", ["", "w.example", "w.example+00000000+AAAA", "w+x+y+z"])
def test_a_malformed_key_of_a_witness_is_reported(key, configure):
    configure(LOG_WITNESSES={"https://w.example/": key})

    assert [each.id for each in check_destinations()] == ["audit.E024"]


def test_the_work_looks_every_few_seconds(directory, monkeypatch):
    calls = []
    monkeypatch.setattr(publisher, "publish_due", lambda: calls.append(1))
    work = publisher.Publisher()

    assert [work.turn() for _ in range(3)] == [False] * 3

    assert calls == [1]
