"""The overview: pictures of the last thirty days, whose numbers lead to the search."""

import re
from datetime import UTC, datetime, timedelta
from html import unescape

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection

from apikeys.models import ApiKey
from approvals.decisions.commands import Deny
from audit.models.records import Status
from audit.outside import outside_command
from tests.audit.reading import queries
from tests.audit.records import record
from tests.conftest import create_key
from tests.tampering import let_time_pass

URL = "/audit/overview"


@pytest.fixture
def tenant(acme):
    """Whose data Iris sees."""
    return str(acme.pk)


def section(content, name):
    """A part of the page."""
    return content.split(f'aria-labelledby="{name}"')[1].split("</section>")[0]


def minutes_ago(minutes):
    return datetime.now(UTC) - timedelta(minutes=minutes)


def test_only_who_may_read_the_log_sees_it(ann, browser, client):
    assert browser(ann).get(URL).status_code == 403
    assert client.get(URL).status_code == 302


def test_every_number_leads_to_what_it_counts(tenant, disabled, read):
    for number, status in enumerate((Status.REFUSED, Status.FAILED, Status.FAILED)):
        moment = minutes_ago(60 * 24 * (number + 1))
        record(tenant=tenant, status=status, received_at=moment, actor_label="lou", actor_id="9")

    content = read(URL)

    links = re.findall(
        r'href="(/audit/\?[^"]*)"[^>]*aria-label="(?:[^"]*: )?(\d+)(?:: [^"]*)?"', content
    )
    told = {(unescape(url), int(number)) for url, number in links if number != "0"}
    assert len(told) > 8
    for url, number in told:
        assert read(url).count('data-label="Command"') == number, url


def test_hours_and_days_are_those_of_the_reader(tenant, iris, browser):
    """06:30 in UTC is 12:15 in Kathmandu, and an unknown time zone is UTC."""
    at = minutes_ago(60 * 24 * 2).replace(hour=6, minute=30)
    record(tenant=tenant, status="refused", received_at=at)
    reader = browser(iris)

    def seen_in(zone):
        reader.cookies["time_zone"] = zone
        return reader.get(URL).content.decode()

    day = f"{at:%Y-%m-%d}"
    content = seen_in("Asia/Kathmandu")
    assert "in the time zone Asia/Kathmandu." in content
    hour = f"{day} 12:00 to 13:00 ({day} 06:15 to 07:15 UTC): 1"
    assert f'aria-label="{hour}"' in section(content, "when")
    for unknown in ("../../etc/passwd", "America", "zone.tab", "x" * 2_000, ""):
        content = seen_in(unknown)
        assert "in the time zone UTC." in content
        assert f'aria-label="{day} 06:00 to 07:00 UTC: 1"' in section(content, "when")


def test_it_is_about_the_last_thirty_days(tenant, read):
    record(tenant=tenant, status="refused", received_at=minutes_ago(60 * 24 * 31))
    record(tenant=tenant, status="refused", received_at=minutes_ago(60 * 24 * 28))

    assert "<strong>Refused</strong> <span>1</span>" in section(read(URL), "not-done")


def test_what_waits_is_counted_and_what_was_decided_is_timed(tenant, read):
    for minutes in (30, 60, 90, 600):
        asked = record(tenant=tenant, status="postponed", received_at=minutes_ago(10_000 + minutes))
        record(
            tenant=tenant,
            command_id=asked.command_id,
            attempt=2,
            received_at=asked.received_at + timedelta(minutes=minutes),
        )
    record(tenant=tenant, status="postponed", received_at=minutes_ago(65))
    record(tenant=tenant, status="postponed", received_at=minutes_ago(60 * 24 * 4))

    held = section(read(URL), "approvals")

    assert "<dt>waiting now</dt><dd>2</dd>" in held
    assert "<dd>4 d</dd>" in held or "<dd>4 d 0 h</dd>" in held
    row = re.search(r"succeeded</th>(.*?)</tr>", held)[1]
    assert re.findall(r">([^<>]+)</td>", row) == ["4", "1 h 15 min", "10 h 0 min"]
    assert re.findall(r'aria-label="(\d+: [^"]*)"', held) == ["1: 1 to 4 h", "1: over 3 days"]


def test_a_denied_command_is_not_executed(asked, act, ann, read):
    act(ann, Deny(approval_request_id=asked.pk, digest=asked.digest), reason="Still in use")

    held = section(read(URL), "approvals")

    assert "<dt>waiting now</dt><dd>0</dd>" in held
    assert re.search(r'not executed</th><td class="number">1</td>', held)


def test_an_expired_request_does_not_wait_although_no_record_says_so(asked, owner, read):
    let_time_pass(owner, asked)

    held = section(read(URL), "approvals")

    assert "<dt>waiting now</dt><dd>0</dd>" in held
    assert re.search(r'not executed</th><td class="number">1</td>', held)


def test_who_does_most_comes_first(tenant, read):
    for number, name in enumerate(("lou", "mo", "mo")):
        record(tenant=tenant, actor_id=name, actor_label=name, received_at=minutes_ago(number))

    doers = section(read(URL), "who")

    assert "Of the newest 3 commands" in doers or "mo" in doers
    assert doers.index('scope="row">mo<') < doers.index('scope="row">lou<')


def test_changes_outside_commands_are_told_with_their_reasons(first_key, iris, browser):
    with outside_command("Renamed, ticket OPS-9"):
        ApiKey.objects.update(name="renamed")
    iris.user_permissions.add(permission("view_every_tenant"))

    outside = section(browser(iris).get(URL).content.decode(), "outside")

    assert "Renamed, ticket OPS-9" in outside
    assert "not in the log" not in outside


def permission(codename):
    return Permission.objects.get(codename=codename)


def by_hand(key_id):
    """Change a key as somebody would who gets around the log: the guard wants some command id."""
    with connection.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("SELECT set_config('audit.command_id', gen_random_uuid()::text, true)")
        key = ApiKey.objects.get(pk=key_id)
        key.name = "taken over"
        key.save()
        cursor.execute("COMMIT")


def test_a_change_that_is_in_no_command_is_flagged(first_key, globex_key, read):
    by_hand(first_key.id)
    by_hand(globex_key.id)

    outside = section(read(URL), "outside")

    assert outside.count("not in the log") == 1
    assert f"/audit/subjects/api-key/{first_key.id}" in outside
    assert str(globex_key.id) not in outside


def test_nothing_of_others_is_counted(globex, gus, acme, read):
    create_key(gus, globex, name="globex-main")
    record(tenant=str(globex.pk), status="postponed", received_at=minutes_ago(5))
    record(tenant=str(globex.pk), status="failed", received_at=minutes_ago(5))

    content = read(URL)

    assert "gus" not in content
    assert "No commands waited for approval." in content
    assert "<strong>Failed</strong> <span>0</span>" in content


def test_an_empty_log_has_texts_instead_of_charts(disabled, browser):
    newcomer = User.objects.create_user("newcomer", is_staff=True)
    newcomer.user_permissions.add(permission("view_commandrecord"))

    content = browser(newcomer).get(URL).content.decode()

    for words in (
        "No commands waited for approval.",
        "No commands were sent.",
        "None among the changes that you may see.",
    ):
        assert words in content


def test_it_costs_no_more_when_there_is_more(tenant, disabled, iris, browser):
    client = browser(iris)

    def happen(number):
        for minutes in range(number):
            for status in ("refused", "failed", "postponed"):
                record(tenant=tenant, status=status, received_at=minutes_ago(minutes * 60))

    happen(1)
    few = queries(client, URL)
    happen(30)
    many = queries(client, URL)

    assert few == many == 14


def test_it_has_no_inline_code(disabled, read):
    assert not re.search(r"<style|\sstyle=|<script(?![^>]* src=)|\son[a-z]+=", read(URL))
