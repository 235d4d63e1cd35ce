"""`manage.py demo --busy`: a month of activity, all of it real, and as long ago as it says."""

from collections import Counter
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import override_settings
from django.utils import timezone

from apikeys.models import ApiKey, Customer
from approvals.decisions.evidence import gather, problems_of
from approvals.models import ApprovalRequest, State
from approvals.policies import effective
from approvals.requests.flags import flags_of
from audit.models.records import CommandRecord, EventRecord
from config.demo import story
from config.demo.busy import month
from tests.wiping import wipe

pytestmark = pytest.mark.sweep

DAYS = 7
# What keys live through in a few days. Few are deleted or picked up: that takes a longer month.
VERBS = ("create", "update", "rotate", "enable", "disable")


def last_friday():
    """A moment of the week that is the same whenever the tests run."""
    moment = timezone.now().replace(hour=16, minute=0, second=0, microsecond=0)
    return moment - timedelta(days=(moment.weekday() - 4) % 7 or 7)


@pytest.fixture(scope="module", autouse=True)
def clean_database(superuser, django_db_blocker):
    """These tests, unlike the others here, do fill the database: once for all of them."""
    with django_db_blocker.unblock():
        yield
        connection.close()
    wipe(superuser)


@pytest.fixture(scope="module")
def told(clean_database, tmp_path_factory):
    """What was told while a few busy days were played."""
    lines = []
    with override_settings(DATA_DIR=tmp_path_factory.mktemp("demo"), DEMO=True):
        month.play(lines.append, days=DAYS, pace=24, end=last_friday())
    return lines


def test_a_busy_month_has_every_kind_of_command_and_restores_the_clock(told):
    records = CommandRecord.objects.exclude(channel="demo")
    states = Counter(ApprovalRequest.objects.values_list("state", flat=True))
    end, start = last_friday(), last_friday() - timedelta(days=DAYS, hours=2)

    assert set(records.values_list("status", flat=True)) == {
        *("succeeded", "refused", "cancelled", "postponed", "failed")
    }
    assert states[State.EXECUTED] > states[State.DENIED] >= 1
    done = set(records.filter(status="succeeded").values_list("message_type", flat=True))
    assert {f"apikeys.{verb}" for verb in VERBS} <= done
    assert Customer.objects.count() == 4
    assert records.filter(channel="outside").exists()
    assert records.earliest("received_at").received_at > start
    assert records.latest("received_at").received_at < end
    assert EventRecord.objects.latest("occurred_at").occurred_at < end
    assert all(
        abs(event.occurred_at - records.get(command_id=event.command_id, attempt=1).received_at)
        < timedelta(seconds=5)
        for event in EventRecord.objects.filter(message_type="apikeys.created", attempt=1)[:20]
        if records.filter(command_id=event.command_id).exists()
    )
    assert ApiKey.history.latest("history_date").history_date < end
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT abs(extract(epoch FROM clock_timestamp() - %s)) < 60", [timezone.now()]
        )
        assert cursor.fetchone() == (True,)
        cursor.execute("SELECT count(*) FROM pg_namespace WHERE nspname = 'demo_clock'")
        assert cursor.fetchone() == (0,)
    assert told[-1].endswith("command attempts are in the log.")


def test_the_waiting_requests_at_the_end_are_of_every_kind(told):
    waiting = ApprovalRequest.objects.filter(state=State.PENDING, approve_by__gt=last_friday())
    effective.read(waiting)
    flags = " ".join(flag for flags in flags_of(waiting).values() for flag in flags)
    reasons = set(waiting.values_list("reason", flat=True))

    assert "account is deactivated" in flags
    assert "Out of date" in flags
    assert {"Not used for ninety days", "The auditors ask why we approve"} <= reasons
    assert waiting.filter(votes__voter__username="ann").exists()
    soon = last_friday() + timedelta(hours=4)
    assert waiting.filter(approve_by__lt=soon, reason="The campaign begins tomorrow").exists()


def test_a_busy_month_is_created_only_once(told, settings, tmp_path):
    settings.DATA_DIR, settings.DEMO = tmp_path, True
    story.demo_file().write_text("{}")
    before, out = CommandRecord.objects.count(), StringIO()

    call_command("demo", busy=True, stdout=out)

    assert "already exists" in out.getvalue()
    assert CommandRecord.objects.count() == before


def test_a_busy_month_is_refused_on_an_external_database(settings):
    settings.DEMO = False
    before = CommandRecord.objects.count()

    with pytest.raises(CommandError, match="it requires DEMO=true"):
        call_command("demo", busy=True)

    assert CommandRecord.objects.count() == before


def test_the_evidence_of_each_request_fits_together(told):
    requests = list(ApprovalRequest.objects.all())

    problems = [problem for each in requests for problem in problems_of(each, gather(each))]

    assert requests
    assert problems == []
