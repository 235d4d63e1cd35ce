"""How long a session lasts, and when a vote's session was signed in."""

import time
from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.sessions.models import Session
from django.utils import timezone

from apikeys.commands import DisableApiKey
from approvals.models import Vote
from tests.approvals.admin_pages import decide
from tests.conftest import held
from tests.processes import take_steps


@pytest.fixture
def signed_in(ann, browser, configure):
    """Ann's browser, whose session ends after ten idle minutes, and after an hour in any case."""
    configure(SESSION_IDLE=timedelta(minutes=10), SESSION_LASTS=timedelta(hours=1))
    return browser(ann)


def shift(client, **minutes):
    """Move times of a session into the past."""
    session = client.session
    for name, each in minutes.items():
        session[name] -= each * 60
    session.save()


def is_signed_in(client):
    return client.get("/admin/").status_code == 200


def test_an_idle_session_ends(signed_in):
    shift(signed_in, seen_at=9)
    assert is_signed_in(signed_in)

    shift(signed_in, seen_at=9)
    assert is_signed_in(signed_in)

    shift(signed_in, seen_at=11)
    assert not is_signed_in(signed_in)
    assert not Session.objects.exists()


def test_a_session_in_use_ends_too_after_its_time(signed_in):
    shift(signed_in, signed_in_at=59)
    assert is_signed_in(signed_in)

    shift(signed_in, signed_in_at=2)
    assert not is_signed_in(signed_in)


def test_a_session_of_an_earlier_version_has_to_sign_in_again(signed_in):
    session = signed_in.session
    del session["signed_in_at"]
    session.save()

    assert not is_signed_in(signed_in)


def test_the_api_ends_sessions_likewise(signed_in):
    assert signed_in.get("/api/v2/whoami").status_code == 200

    shift(signed_in, seen_at=11)

    assert signed_in.get("/api/v2/whoami").status_code == 401


def test_a_vote_keeps_when_its_own_session_was_signed_in(
    ann, browser, signed_in, first_key, disabling_needs_two, dana, context_of
):
    request = held(DisableApiKey(api_key_id=first_key.id), context=context_of(dana))
    shift(signed_in, signed_in_at=30)
    earlier = signed_in.session["signed_in_at"]
    browser(ann)

    decide(signed_in, request, "approve")

    at = Vote.objects.get().authenticated_at
    assert at == datetime.fromtimestamp(earlier, UTC)
    assert time.time() - at.timestamp() > 1700


def test_sessions_that_have_ended_are_deleted_and_others_stay(ann, browser):
    browser(ann)
    now = timezone.now()
    ended = [Session(session_key=f"ended-{each}", expire_date=now) for each in range(3)]
    Session.objects.bulk_create(ended)

    take_steps()

    assert [each.get_decoded()["_auth_user_id"] for each in Session.objects.all()] == [str(ann.pk)]
