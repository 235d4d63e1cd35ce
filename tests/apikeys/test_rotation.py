"""Rotation: a new secret, and the old one for as long as was said, and not a second longer."""

from datetime import timedelta

import pytest
from django.db import IntegrityError
from django.test import Client
from django.utils import timezone

from apikeys.commands import DisableApiKey, RotateApiKey
from apikeys.models import ApiKey, ApiKeySecret
from apikeys.models.refusals import RotationUnderWay
from audit.messages.outcomes import Completed
from audit.models.records import CommandRecord
from audit.outside import outside_command
from audit.testing import recorded_events
from tests.books import assert_balanced
from tests.conftest import create_key
from tests.http import call
from tests.threads import ROUNDS, Crowd

KEYS = "/api/v2/api-keys"
WHOAMI = "/api/v2/whoami"


@pytest.fixture
def robot(dana, acme):
    """The key that is rotated."""
    return create_key(dana, acme, name="robot")


@pytest.mark.parametrize(
    ("seconds", "end"),
    [
        (0, "the old secret stops working at once"),
        (1, "the old secret works for another second"),
        (90, "the old secret works for another 90 seconds"),
        (3_600, "the old secret works for another hour"),
        (604_800, "the old secret works for another 7 days"),
    ],
)
def test_the_sentence_names_the_end_of_the_old_secret(robot, seconds, end):
    command = RotateApiKey(api_key_id=robot.id, overlap_seconds=seconds)

    assert command.describe("API key “robot”") == f"Rotate API key “robot”; {end}"


def rotate(client, robot, key, overlap, **headers):
    body = {"overlap_seconds": overlap}
    return call(client, "POST", f"{KEYS}/{robot.id}/rotate", body, key=key, **headers)


def works(secret):
    return call(Client(), "GET", WHOAMI, key=secret).status_code == 200


def test_both_secrets_work_during_the_overlap(client, robot, first_key):
    answer = rotate(client, robot, first_key, 3600)

    body = answer.json()
    assert (answer.status_code, answer["Cache-Control"]) == (200, "no-store")
    assert (body["id"], body["secret_note"]) == (str(robot.id), None)
    assert body["prefix"] == body["secret"][:12] != robot.row.prefix
    assert works(body["secret"])
    assert works(robot.secret)
    newest, former = body["secrets"]
    assert newest["not_after"] is None
    end = ApiKeySecret.objects.get(pk=former["id"]).not_after
    assert timedelta(seconds=3590) < end - timezone.now() <= timedelta(seconds=3600)
    (event,) = recorded_events(CommandRecord.objects.get(command_id=answer["Command-Id"]))
    assert (event.overlap_seconds, event.has_secret) == (3600, True)
    assert event.former_ends_at == end


def test_the_old_secret_stops_by_itself(client, robot, first_key, owner):
    secret = rotate(client, robot, first_key, 3600).json()["secret"]
    # No job runs: the row says when, and every request compares.
    owner.execute("ALTER TABLE apikeys_apikeysecret DISABLE TRIGGER USER")
    owner.execute(
        "UPDATE apikeys_apikeysecret SET not_after = now() WHERE not_after IS NOT NULL"
        " AND api_key_id = %s", [robot.id],
    )  # fmt: skip
    owner.execute("ALTER TABLE apikeys_apikeysecret ENABLE TRIGGER USER")

    assert not works(robot.secret)
    assert works(secret)
    shown = call(client, "GET", f"{KEYS}/{robot.id}", key=first_key).json()
    assert [each["not_after"] for each in shown["secrets"]] == [None]


def test_without_overlap_the_old_secret_ends_at_once(client, robot, first_key):
    secret = rotate(client, robot, first_key, 0).json()["secret"]

    assert not works(robot.secret)
    assert works(secret)


def test_a_third_secret_is_refused_with_the_time_when_it_is_possible(
    client, robot, first_key, assert_recorded
):
    second = rotate(client, robot, first_key, 3600).json()["secret"]

    answer = rotate(client, robot, first_key, 60)

    until = ApiKeySecret.objects.get(api_key=robot.id, not_after__isnull=False).not_after
    assert (answer.status_code, answer.json()["code"]) == (409, "rotation_under_way")
    assert f"{until:%Y-%m-%d %H:%M:%S} UTC" in answer.json()["detail"]
    assert "overlap_seconds 0" in answer.json()["detail"]
    assert_recorded(RotateApiKey, status="refused", error_code="rotation_under_way")
    assert works(second)
    assert works(robot.secret)


def test_a_rotation_without_overlap_ends_both_others(client, robot, first_key):
    second = rotate(client, robot, first_key, 3600).json()["secret"]

    third = rotate(client, robot, first_key, 0).json()["secret"]

    assert [works(each) for each in (robot.secret, second, third)] == [False, False, True]
    assert ApiKeySecret.objects.live().filter(api_key=robot.id).count() == 1


@pytest.mark.parametrize("overlap", [-1, 604_801, 10**30, 1.5, "soon", None])
def test_an_overlap_that_cannot_be_is_refused(client, robot, first_key, overlap):
    answer = rotate(client, robot, first_key, overlap)

    assert answer.status_code == 400, answer.content
    assert answer.json()["errors"][0]["pointer"] == "/overlap_seconds"
    assert works(robot.secret)


def test_an_overlap_has_to_be_said(client, robot, first_key):
    answer = call(client, "POST", f"{KEYS}/{robot.id}/rotate", {}, key=first_key)

    assert answer.json()["errors"][0]["code"] == "required"


@pytest.mark.parametrize("overlap", [0, 604_800])
def test_the_shortest_and_the_longest_overlap_are_taken(client, robot, first_key, overlap):
    assert rotate(client, robot, first_key, overlap).status_code == 200


def test_a_repeat_shows_no_secret_and_names_the_way_out(client, robot, first_key):
    first = rotate(client, robot, first_key, 60, Idempotency_Key="r-1")

    again = rotate(client, robot, first_key, 60, Idempotency_Key="r-1")

    assert (again.status_code, again["Command-Id"]) == (200, first["Command-Id"])
    assert again.json()["secret"] is None
    assert f"POST {KEYS}/{robot.id}/rotate" in again.json()["secret_note"]
    assert ApiKeySecret.objects.filter(api_key=robot.id).count() == 2


def test_a_test_key_gets_a_test_secret_again(client, dana, acme, first_key):
    robot = create_key(dana, acme, name="trial", environment="test")

    assert rotate(client, robot, first_key, 0).json()["secret"].startswith("cs_test_")


def test_a_key_can_rotate_itself(client, robot):
    answer = rotate(client, robot, robot, 60)

    assert works(answer.json()["secret"])


def test_a_disabled_key_can_be_rotated_and_stays_disabled(client, robot, first_key, given):
    given(DisableApiKey(api_key_id=robot.id))

    secret = rotate(client, robot, first_key, 0).json()["secret"]

    assert not works(secret)


def test_a_key_has_one_current_secret_whatever_the_code_does(robot):
    with pytest.raises(IntegrityError, match="current_once"), outside_command("Past the code"):
        ApiKeySecret.objects.create(api_key=robot.row, digest=b"x" * 32)


def test_rotations_at_once_leave_two_secrets_at_most(dana, acme, first_key):
    with Crowd(4) as crowd:
        for _ in range(ROUNDS):
            robot = create_key(dana, acme, name="robot")

            answers = crowd.at_once(*[lambda key=robot: rotate(Client(), key, first_key, 60)] * 4)

            assert sorted(each.status_code for each in answers) == [200, 409, 409, 409]
            (secret,) = (a.json()["secret"] for a in answers if a.status_code == 200)
            assert ApiKeySecret.objects.live().filter(api_key=robot.id).count() == 2
            assert works(secret)
            assert ApiKey.objects.get(pk=robot.id).prefix == secret[:12]
    assert_balanced()


def test_a_refused_rotation_changes_nothing(given, robot, dana, context_of):
    rotation = RotateApiKey(api_key_id=robot.id, overlap_seconds=60)
    before = given(rotation).when(rotation, context=context_of(dana))

    before.then_refused(RotationUnderWay)

    assert ApiKeySecret.objects.filter(api_key=robot.id).count() == 2
    assert not isinstance(before.outcome, Completed)
