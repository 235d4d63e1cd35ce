"""Searching the log: what is found, what is shown of it, and to whom."""

import random
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html import unescape
from itertools import islice, pairwise, product
from urllib.parse import parse_qs, quote
from uuid import UUID, uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apikeys.commands import AddMember, DisableApiKey
from audit.log.search import activity as counting
from audit.log.search import full_text, index_ranges, reading
from audit.log.search.activity import activity
from audit.log.search.criteria import Criteria
from audit.log.search.reading import read_page
from audit.log.search.scans import scan_for
from audit.log.search.time_ranges import Cursor, Places, TimeRange
from audit.models.records import CommandRecord
from audit.pages.search import view
from tests.audit.records import NOON, record, unwritten, write
from tests.conftest import completed
from tests.plans import plan_of

ACME, GLOBEX = "acme", "globex"
CASE = UUID("01a20000-0000-7000-8000-000000000001")
ACTORS = (("user", "1", "dana"), ("user", "2", "Dan_Ö"), ("api_key", "k1", "dana, with key “ci”"))
REASONS = ("", "", "Rotation, ticket OPS-9", "leaked key", "Leaked in a ROTATION")


@pytest.fixture
def log():
    """Sixty records of all kinds, some of them at the same moment."""
    chance = random.Random(7)
    write(_by_chance(chance, number) for number in range(60))
    return list(CommandRecord.objects.all())


def _by_chance(chance, number):
    kind, identifier, label = chance.choice(ACTORS)
    return unwritten(
        minutes=chance.randrange(0, 60 * 24 * 100, 60 * 24 * 2),
        tenant=chance.choice((ACME, ACME, GLOBEX)),
        actor_kind=kind,
        actor_id=identifier,
        actor_label=label,
        message_type=chance.choice(("apikeys.enable", "apikeys.disable", "notes.gone")),
        status=chance.choice(("succeeded", "succeeded", "refused", "failed")),
        channel=chance.choice(("v1", "v2", "admin")),
        subject_type=chance.choice(("api-key", "note")),
        subject_id=chance.choice(("s1", "s2")),
        reason=chance.choice(REASONS),
        correlation_id=chance.choice((CASE, uuid4())),
        request_id=("", "r1", "r2")[number % 3],
        client_address=(None, "192.0.2.7", "2001:db8::7", "192.0.2.7")[number % 4],
    )


def fits(row, criteria):
    """Tell by a look at a row whether it is looked for."""
    actor_kind, _, actor_id = criteria.actor.partition(":")
    names = {each[2].lower() for each in ACTORS if each[:2] == (row.actor_kind, row.actor_id)}
    subject_type, _, subject_id = criteria.subject.rpartition(":")
    said = set(re.findall(r"\w+", row.reason.lower()))
    return all(
        (
            criteria.tenants is None or row.tenant in criteria.tenants,
            not criteria.since or row.received_at >= criteria.since,
            not criteria.until or row.received_at < criteria.until,
            criteria.status in ("", row.status),
            criteria.message_type in ("", row.message_type),
            criteria.channel in ("", row.channel),
            not criteria.actor
            or (actor_kind, actor_id) == (row.actor_kind, row.actor_id)
            or any(name.startswith(criteria.actor.lower()) for name in names),
            subject_type in ("", row.subject_type),
            subject_id in ("", row.subject_id),
            criteria.correlation_id in (None, row.correlation_id),
            criteria.request_id in ("", row.request_id),
            criteria.address in ("", row.client_address),
            set(re.findall(r"\w+", criteria.reason.lower())) <= said,
        )
    )


def older_pages(criteria, *, size):
    """Read from the newest page to the oldest one."""
    found = read_page(criteria, size=size)
    yield found
    while found.older:
        found = read_page(criteria, size=size, before=found.older)
        yield found


def newer_pages(criteria, *, size):
    """Read from the oldest page to the newest one."""
    found = read_page(criteria, size=size, after=Cursor(datetime.min.replace(tzinfo=UTC), 0))
    yield found
    while found.newer:
        found = read_page(criteria, size=size, after=found.newer)
        yield found


LOOKED_FOR = [
    {},
    {"status": "failed"},
    {"message_type": "apikeys.disable"},
    {"message_type": "notes.gone", "status": "refused", "channel": "v1"},
    {"channel": "admin", "status": "succeeded"},
    {"actor": "user:1"},
    {"actor": "user:1", "status": "failed", "channel": "v2"},
    {"actor": "DAN"},
    {"actor": "dana"},
    {"actor": "dan_ö"},
    {"actor": "dan%"},
    {"actor": "nobody"},
    {"subject": "s1"},
    {"subject": "note:s2", "status": "refused"},
    {"subject": "note:s2", "actor": "dana", "reason": "rotation"},
    {"correlation_id": CASE},
    {"correlation_id": CASE, "channel": "v1", "reason": "leaked"},
    {"correlation_id": CASE, "subject": "note:s2"},
    {"correlation_id": UUID("01a20000-0000-7000-8000-000000000002")},
    {"request_id": "r1"},
    {"request_id": "r3"},
    {"request_id": "r2", "reason": "rotation", "address": "192.0.2.7"},
    {"address": "2001:db8::7"},
    {"address": "192.0.2.7", "status": "refused", "until": NOON - timedelta(days=30)},
    {"address": "192.0.2.7", "actor": "dana", "reason": "leaked"},
    {"reason": "rotation"},
    {"reason": "OPS-9 ticket"},
    {"reason": "leaked", "actor": "dana", "status": "succeeded"},
    {"reason": "zebra"},
    {"reason": "rotation", "since": NOON - timedelta(days=40)},
    {"since": NOON - timedelta(days=60), "until": NOON - timedelta(days=30)},
    {"status": "refused", "since": NOON - timedelta(days=60), "until": NOON - timedelta(days=30)},
]
SEEN = [None, frozenset({ACME}), frozenset({ACME, GLOBEX}), frozenset({"other"}), frozenset()]


@pytest.mark.parametrize("asked", LOOKED_FOR, ids=str)
def test_pages_have_everything_that_a_look_at_each_row_finds(log, asked):
    for seen, size in product(SEEN, (4, 100)):
        criteria = Criteria(tenants=seen, **asked)
        wanted = sorted(
            (row for row in log if fits(row, criteria)),
            key=lambda row: (row.received_at, row.position),
            reverse=True,
        )

        older = [row for page in older_pages(criteria, size=size) for row in page.records]
        newer = [row for page in newer_pages(criteria, size=size) for row in page.records[::-1]]

        assert older == wanted
        assert newer == wanted[::-1]


@pytest.mark.parametrize("asked", [each for each in LOOKED_FOR if "reason" in each], ids=str)
def test_words_that_a_scan_does_not_find_are_found_by_their_index(log, asked, monkeypatch):
    found_in_passing = [
        [
            row
            for page in older_pages(Criteria(tenants=seen, **asked), size=4)
            for row in page.records
        ]
        for seen in SEEN
    ]
    monkeypatch.setattr(reading, "_MOST_RANGES_PASSED", -1)

    found = [
        [
            row
            for page in older_pages(Criteria(tenants=seen, **asked), size=4)
            for row in page.records
        ]
        for seen in SEEN
    ]

    assert found == found_in_passing


def test_rare_words_end_the_scan_early(log, monkeypatch):
    monkeypatch.setattr(reading, "_MOST_SCANNED", (2, 60))
    looks = []
    monkeypatch.setattr(full_text, "places", lambda *_, **__: looks.append("index") or Places([]))

    read_page(Criteria(tenants=None, reason="zebra"), size=10)

    assert looks == ["index"]


@pytest.mark.parametrize(
    "asked",
    [
        {"actor": "dana", "channel": "v1"},
        {"subject": "s1", "status": "failed"},
        {"reason": "rotation", "status": "refused"},
    ],
    ids=str,
)
def test_a_search_of_many_rows_continues_where_it_ended(log, asked, monkeypatch):
    monkeypatch.setattr(reading, "_MOST_SCANNED", (2, 4))
    monkeypatch.setattr(full_text, "_MOST_ROWS", 8)
    monkeypatch.setattr("audit.log.search.index_ranges.MOST_ACTORS", 1)
    for seen in (None, frozenset({ACME})):
        criteria = Criteria(tenants=seen, **asked)
        wanted = {row.position for row in log if fits(row, criteria)}

        older, newer = list(older_pages(criteria, size=2)), list(newer_pages(criteria, size=2))

        for pages in (older, newer):
            found = [row.position for page in pages for row in page.records]
            assert sorted(found) == sorted(wanted)
        assert any(page.is_cut for page in older)


@pytest.mark.parametrize("turn", [older_pages, newer_pages])
@pytest.mark.parametrize("hour", [0, 12, 23])
def test_a_day_with_many_matches_is_searched_once_per_page(monkeypatch, turn, hour):
    monkeypatch.setattr(reading, "_MOST_RANGES_PASSED", -1)
    monkeypatch.setattr(full_text, "_MOST_ROWS", 8)
    today = datetime.now(UTC).replace(hour=hour, minute=30, second=0, microsecond=0)
    monkeypatch.setattr("django.utils.timezone.now", lambda: today)
    write(
        unwritten(received_at=today - timedelta(days=days, minutes=minute), reason="Rotation")
        for days, minute in product((0, 1, 2, 40), range(20))
    )
    record(received_at=today - timedelta(days=50), reason="Rotation", channel="v1")
    criteria = Criteria(tenants=None, reason="rotation", channel="v1")

    pages = list(islice(turn(criteria, size=5), 50))

    assert len(pages) < 50
    assert [len(page.records) for page in pages if page.records] == [1]


@pytest.mark.parametrize("side", ["before", "after"])
@pytest.mark.parametrize("at", ["0001-01-01T00:00:00", "9999-12-31T23:59:59"])
def test_a_place_outside_of_all_time_leads_nowhere(log, side, at):
    place = Cursor(datetime.fromisoformat(at).replace(tzinfo=UTC), 0)

    found = read_page(Criteria(tenants=None, reason="rotation"), size=50, **{side: place})

    is_inside = (side == "before") == at.startswith("9")
    assert bool(found.records) == is_inside


def test_a_person_with_more_names_than_are_looked_up_is_found_under_all(log, monkeypatch):
    monkeypatch.setattr(index_ranges, "MOST_ACTORS", 2)
    write(unwritten(minutes=0, actor_id="1", actor_label=f"zoe {number}") for number in range(3))
    write([unwritten(minutes=0, actor_id="2", actor_label="zoe 4")])

    assert len(read_page(Criteria(tenants=None, actor="zoe"), size=10).places) == 4


def test_too_many_index_ranges_are_scanned_by_time_alone(log, monkeypatch):
    for module in ("index_ranges", "scans", "full_text"):
        monkeypatch.setattr(f"audit.log.search.{module}.MOST_RANGES", 2)
    for seen, asked in product((None, frozenset({ACME, GLOBEX, "other"})), LOOKED_FOR):
        criteria = Criteria(tenants=seen, **asked)

        found = [row for page in older_pages(criteria, size=50) for row in page.records]

        assert len(found) == sum(fits(row, criteria) for row in log)


@pytest.mark.parametrize("asked", LOOKED_FOR, ids=str)
def test_a_picture_counts_what_the_pages_have(log, asked):
    edges = [NOON - timedelta(days=days) for days in (60, 45, 30, 7, -1)]
    for seen in SEEN:
        criteria = Criteria(tenants=seen, **asked)

        numbers = activity(criteria, edges)

        ever = [
            row.received_at for row in log if fits(row, replace(criteria, since=None, until=None))
        ]
        assert numbers == [
            sum(start <= moment < end for moment in ever) for start, end in pairwise(edges)
        ]


def test_commands_beyond_the_limit_are_not_counted(log, monkeypatch):
    edges = [NOON - timedelta(days=100), NOON + timedelta(days=1)]
    within = [row for row in log if edges[0] <= row.received_at < edges[1]]

    monkeypatch.setattr(counting, "MOST", len(within))
    assert activity(Criteria(tenants=None), edges) == [len(within)]

    monkeypatch.setattr(counting, "MOST", len(within) - 1)
    assert activity(Criteria(tenants=None), edges) is None


@pytest.mark.parametrize("status", ["refused", "failed", "postponed"])
def test_what_did_not_succeed_is_counted_by_one_lane(log, status):
    edges = [NOON - timedelta(days=100), NOON + timedelta(days=1)]
    for seen in SEEN:
        criteria = Criteria(tenants=seen, status=status)

        numbers = activity(criteria, edges)

        assert numbers == [sum(fits(row, criteria) for row in log)]


def test_commands_beyond_the_limit_are_not_charted(log, monkeypatch):
    monkeypatch.setattr(counting, "MOST", 1)
    monkeypatch.setattr(counting, "MOST_WITH_WORDS", 1)
    edges = [NOON - timedelta(days=100), NOON]

    assert activity(Criteria(tenants=None, reason="rotation"), edges) is None
    assert activity(Criteria(tenants=None, actor="user:1", channel="v1"), edges) is None


def test_a_page_that_counts_too_many_says_how_to_count_fewer(acme, read, monkeypatch):
    monkeypatch.setattr(counting, "MOST", 2)
    monkeypatch.setattr(view, "LINES", 2)
    for minutes in range(3):
        record(minutes=minutes, tenant=str(acme.pk))

    content = read("/audit/")

    assert "More than 2 commands: shorten the time range or add a filter." in content
    assert "chart-link" not in content


def test_a_very_common_word_is_listed_but_not_charted(acme, read, monkeypatch):
    monkeypatch.setattr(view, "LINES", 2)
    for minutes in (0, 0.001, 0.002, 60 * 24 * 9):
        record(minutes=minutes, tenant=str(acme.pk), reason="Rotation")

    content = read("/audit/?reason=rotation")

    assert shown(content) == 2
    assert "chart-link" not in content


@pytest.mark.parametrize("table", ["audit_commandrecord", "audit_eventrecord"])
def test_postgresql_expects_much_behind_a_place_in_the_log(table):
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT attstattarget FROM pg_attribute"
            " WHERE attrelid = %s::regclass AND attname = 'epoch'",
            [table],
        )

        assert cursor.fetchone() == (0,)


def test_who_was_called_otherwise_once_is_found_under_both_names(iris, read, acme):
    for name, minutes in (("dora", 2), ("theodora", 1)):
        record(minutes=minutes, tenant=str(acme.pk), actor_id="77", actor_label=name)

    for name in ("dora", "THEO"):
        assert read("/audit/", {"actor": name}).count('data-label="Command"') == 2


# The page


def shown(content):
    return content.count('data-label="Command"')


def test_a_search_is_in_its_address_and_each_part_can_be_taken_away(disabled_twice, read):
    asked = {"status": "refused", "channel": "v2", "actor": "dana"}

    content = read("/audit/", asked)

    chips = re.findall(r'href="\?([^"]*)" aria-label="Remove', content)
    left = [set(parse_qs(unescape(chip))) for chip in chips]
    assert left == [set(asked) - {name} for name in ("actor", "status", "channel")]
    assert 'value="dana"' in content


def test_times_in_filters_and_in_messages_are_in_the_zone_of_the_reader(acme, read):
    expired = "No decision was made by 2026-11-30 11:38 UTC."
    record(tenant=str(acme.pk), status="cancelled", error_message=expired)

    content = read("/audit/?since=2020-11-23T18:05")

    assert 'by <time datetime="2026-11-30T11:38:00Z"' in content
    assert 'From</span> <time datetime="2020-11-23T18:05:00Z"' in content


def test_a_bar_leads_to_what_it_counts(disabled_twice, acme, read):
    for minutes in (0, 1, 60, 3000):
        record(minutes=minutes, tenant=str(acme.pk))

    content = read("/audit/")
    bars = re.findall(
        r'<a class="chart-link" href="([^"]*)"[^>]*aria-label="[^"]*: (\d+)"', content
    )
    counted = {unescape(url): int(number) for url, number in bars if number != "0"}

    assert counted
    for url, number in counted.items():
        assert shown(read(f"/audit/{url}")) == number


def test_what_a_clock_ahead_of_ours_has_stamped_is_listed_and_not_drawn(acme, read):
    for hours in (1, 2, 3, -100):
        record(minutes=hours * 60, tenant=str(acme.pk), channel="ahead")

    content = read("/audit/?channel=ahead")

    assert "All 4 results" in content


def test_times_are_read_in_utc_and_a_day_at_the_end_counts_whole(acme, read):
    record(tenant=str(acme.pk), received_at=datetime(2026, 3, 1, 23, 30, tzinfo=UTC))

    for since, until, count in (
        ("2026-03-01", "2026-03-01", 1),
        ("2026-03-01T23:30", "2026-03-01T23:31:00Z", 1),
        ("2026-03-02T00:30+01:00", "2026-03-02T00:31+01:00", 1),
        ("2026-03-02T01:30+01:00", "", 0),
        ("", "2026-03-01T23:30", 0),
    ):
        content = read(f"/audit/?since={since}&until={until}&channel=v2")
        assert shown(content) == count, (since, until)


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"status": "nonsense"}, "nonsense is not one of the available choices"),
        ({"message_type": "nonsense"}, "nonsense is not one of the available choices"),
        ({"since": "yesterday"}, "Enter a date, or a date and a time"),
        ({"until": "0001-01-01T00:00+14:00"}, "Enter a date, or a date and a time"),
        ({"until": "9999-12-31"}, "Enter a date, or a date and a time"),
        ({"since": "2026-02-02T00:00", "until": "2026-02-01T00:00"}, "must be after the start"),
        ({"correlation_id": "1"}, "Enter a valid UUID"),
        ({"reason": '"-!'}, "Enter at least one word"),
        ({"reason": "a\x00b"}, "Null characters are not allowed"),
        ({"actor": "a" * 300}, "at most 200 characters"),
        ({"q": "a" * 201}, "at most 200 characters"),
        ({"q": "a\x00b"}, "Null characters are not allowed"),
        ({"subject": "api-key:"}, "Enter type:id"),
    ],
    ids=str,
)
def test_what_cannot_be_read_is_told_beside_its_field_and_nothing_is_lost(
    disabled_twice, read, asked, says
):
    content = read("/audit/", {"actor": "dana"} | asked)

    assert says in unescape(content)
    assert "Nothing was searched: correct the fields that are marked" in content
    assert "/audit/commands/" not in content
    assert "match." not in content
    for name, value in asked.items():
        if name not in ("status", "message_type"):
            assert f'value="{value}' in unescape(content)


@pytest.mark.parametrize("text", ["%", "_", "\\", "'", '"', "%%s", "{}", "🗝", "a'||'b", ":", "x:"])
@pytest.mark.parametrize("field", ["actor", "subject", "channel", "reason", "before", "after"])
def test_odd_characters_are_only_characters(disabled_twice, iris, browser, field, text):
    answer = browser(iris).get("/audit/", {field: text})

    assert answer.status_code == 200


@pytest.mark.parametrize(
    "place",
    ["2026-01-01T00:00:00Z~9" + "9" * 18, "2026-99-01T00:00:00Z~1", "9999-12-31T23:59:59Z~1"],
)
@pytest.mark.parametrize("side", ["before", "after"])
def test_places_that_are_none_are_no_places(disabled_twice, iris, browser, side, place):
    for asked in ({}, {"reason": "rotation"}):
        assert browser(iris).get("/audit/", {side: place} | asked).status_code == 200


def test_pages_can_be_turned_both_ways(first_key, dana, act, read, monkeypatch):
    monkeypatch.setattr(view, "LINES", 2)
    for minutes in range(5):
        record(minutes=minutes, tenant=str(first_key.row.customer_id), channel="turning")

    def turn(content, label):
        url = re.search(rf'href="(\?[^"]*)"[^>]*>{label}</a>', content)[1]
        return read(f"/audit/{unescape(url)}")

    first = read("/audit/?channel=turning")
    second = turn(first, "Older")
    third = turn(second, "Older")

    assert [shown(page) for page in (first, second, third)] == [2, 2, 1]
    assert ">Older</a>" not in third
    assert ">Newer</a>" not in first
    times = re.compile(r'<time datetime="([^"]*)"')
    assert times.findall(turn(third, "Newer")) == times.findall(second)
    assert times.findall(turn(second, "Newer")) == times.findall(first)
    assert times.findall(turn(third, "Newest")) == times.findall(first)


def test_an_auditor_of_one_customer_is_not_offered_others(globex_key, globex, read):
    content = read("/audit/")
    asked = read("/audit/", {"customer": str(globex.pk)})

    assert "Globex" not in content
    assert 'name="customer"' not in content
    assert str(globex_key.id) not in asked


def test_an_auditor_of_two_customers_chooses_between_them(
    globex_key, first_key, globex, iris, browser
):
    completed(AddMember(customer_id=globex.pk, user_id=iris.pk))
    client = browser(iris)

    content = client.get("/audit/", {"customer": str(globex.pk)}).content.decode()

    assert str(globex_key.id) in content
    assert str(first_key.id) not in content


def test_nothing_of_others_is_in_a_picture(globex, acme, read):
    for minutes in range(3):
        record(minutes=minutes, tenant=str(globex.pk), channel="odd", actor_label="gus")
    record(minutes=1, tenant=str(acme.pk), channel="odd")

    content = read("/audit/?channel=odd")

    assert "One result." in content
    numbers = re.findall(r'aria-label="[^"]*: (\d+)"', content)
    assert sum(map(int, numbers)) in (0, 1)


def test_the_end_of_a_search_reveals_nothing_of_other_customers(globex, acme, read, monkeypatch):
    monkeypatch.setattr(reading, "_MOST_SCANNED", (2, 4))
    for minutes in range(200):
        record(minutes=minutes, tenant=str(globex.pk), subject_type="note", subject_id="n1")
    record(minutes=500, tenant=str(acme.pk), subject_type="note", subject_id="n1")

    content = read("/audit/?subject=note:n1&channel=v2")

    assert shown(content) == 1
    assert "looked at" not in content


def test_no_search_costs_more_when_there_is_more(disabled_twice, acme, iris, browser, monkeypatch):
    monkeypatch.setattr(view, "LINES", 3)
    client, key = browser(iris), f"api-key:{disabled_twice.id}"
    pinned = {
        "": 12,
        "?status=succeeded": 13,
        "?actor=dana": 12,
        "?q=dana": 16,
        f"?q={quote(key)}": 17,
        f"?subject={quote(key)}&channel=v2": 11,
        # At most: among how many days words are looked for is a matter of the hour as well.
        "?reason=rotation": 14,
    }
    for count in (4, 20):
        for minutes in range(count):
            record(
                minutes=minutes + 60 * 24 * 70 * (minutes % 2),
                tenant=str(acme.pk),
                reason="Rotation",
                subject_type="api-key",
                subject_id=str(disabled_twice.id),
            )
        for url, most in pinned.items():
            client.get(f"/audit/{url}")
            with CaptureQueriesContext(connection) as captured:
                assert client.get(f"/audit/{url}").status_code == 200
            fewest = 1 if "reason" in url else most
            assert fewest <= len(captured) <= most, url


def test_a_command_that_is_called_off_is_found_when_it_was(asked, act, ann, read):
    from approvals.decisions.commands import Deny  # noqa: PLC0415

    held = CommandRecord.objects.get(command_id=asked.command_id)
    before = datetime.now(UTC)
    act(ann, Deny(approval_request_id=asked.pk, digest=asked.digest), reason="Still in use")

    called_off = CommandRecord.objects.get(command_id=asked.command_id, attempt=2)

    assert held.received_at < before < called_off.received_at
    since = quote(before.isoformat())
    assert shown(read(f"/audit/?status=cancelled&since={since}")) == 1


def test_a_type_that_no_class_has_any_more_can_be_looked_for(acme, read):
    record(tenant=str(acme.pk), message_type="notes.gone")

    assert shown(read("/audit/?message_type=notes.gone")) == 1


def test_the_index_of_words_is_of_what_the_search_asks_for(log, superuser):
    criteria = Criteria(tenants=frozenset({ACME}), reason="rotation")
    candidates = full_text._candidates(criteria, range(20600, 20700))

    plan = plan_of(superuser, candidates.sql, candidates.params, without=("seqscan",))
    assert "audit_command_words" in plan


@pytest.mark.parametrize("seen", [None, frozenset({ACME})], ids=str)
@pytest.mark.parametrize(
    ("asked", "index"),
    [
        ({"request_id": "r1"}, "audit_command_request"),
        ({"address": "192.0.2.7"}, "audit_command_address"),
    ],
    ids=str,
)
def test_request_ids_and_addresses_are_found_by_their_indexes(log, superuser, seen, asked, index):
    criteria = Criteria(tenants=seen, **asked)

    first = TimeRange(criteria).first(scan_for(criteria), columns="received_at, position", most=9)

    plan = plan_of(superuser, first.sql, first.params, without=("seqscan", "bitmapscan"))
    assert f"using {index}" in plan
    assert "Filter" not in plan


def test_what_a_search_finds_can_be_disabled_keys_too(disabled_twice, dana, act, read):
    act(dana, DisableApiKey(api_key_id=disabled_twice.id))

    assert shown(read("/audit/?status=refused&message_type=apikeys.disable")) == 1
    assert shown(read("/audit/?message_type=apikeys.disable")) == 3
