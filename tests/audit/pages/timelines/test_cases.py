"""The page of a case: a tree of steps in time, and a picture of it."""

import re
from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree as ET

import pytest

from apikeys.commands import DisableApiKey, EnableApiKey
from approvals.decisions.commands import Deny
from audit.bus.context import Context, RequestFacts
from audit.bus.dispatch import dispatch, dispatch_all
from audit.models.records import CommandRecord
from audit.pages.labels import span
from audit.pages.timelines import cases
from audit.pages.timelines.chart import LABELS, timeline
from audit.pages.timelines.steps import Step
from tests.audit.reading import queries
from tests.conftest import AS_SYSTEM

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def case_of(request):
    return f"/audit/cases/{request.command_id}"


def steps(content):
    """How far in each step of the table stands, and what it says."""
    found = re.findall(r'class="depth-(\d)"><a href="[^"]+">(.*?)</a>', content)
    return [(int(depth), words) for depth, words in found]


def svg(content):
    """The picture, which has to be XML."""
    return ET.fromstring(
        content[content.index('<svg class="timeline') :].split("</svg>")[0] + "</svg>"
    )


def step(kind="command", *, at, took=timedelta(milliseconds=5), **fields):
    facts = {"label": kind, "words": kind, "note": "", "url": "/", "until": at + took} | fields
    return Step(kind=kind, at=at, **facts)


def test_one_of_a_kind_is_counted_in_the_singular(first_key, read):
    dispatch(DisableApiKey(api_key_id=first_key.id), context=AS_SYSTEM)
    record = CommandRecord.objects.get(message_type="apikeys.disable")

    content = read(f"/audit/cases/{record.correlation_id}")

    assert "1 attempt, 1 event, 1 history row." in content


def test_a_case_has_the_changes_of_the_parts_of_its_subjects(first_key, read):
    created = CommandRecord.objects.get(message_type="apikeys.create")

    content = read(f"/audit/cases/{created.correlation_id}")

    assert "1 attempt, 1 event, 2 history rows." in content
    assert (1, "History: api-key API key secret added") in steps(content)


def test_a_case_is_a_tree_from_the_request_to_the_history(disabled, read):
    content = read(case_of(disabled))

    assert steps(content) == [
        (0, "Disable API key: waited for approval"),
        (1, "History: approval-request row added"),
        (1, "Approval requested"),
        (1, "Approve: succeeded"),
        (2, "Approved"),
        (1, "Approve: succeeded"),
        (2, "Disable API key: succeeded"),
        (3, "History: api-key row changed"),
        (3, "API key disabled"),
        (2, "History: approval-request row changed"),
        (2, "Approved"),
        (2, "Settled"),
    ]


def test_a_request_from_outside_is_the_first_step(first_key, dana, context_of, read):
    facts = RequestFacts(request_id="r-1", client_address="203.0.113.7")
    context = context_of(dana, channel="v1", request=facts)
    outcome = dispatch(DisableApiKey(api_key_id=first_key.id), context=context)

    content = read(f"/audit/cases/{outcome.command_id}")

    assert steps(content)[:2] == [
        (0, "Request via v1"),
        (1, "Disable API key: succeeded"),
    ]
    assert "dana, from 203.0.113.7, request id r-1" in content


def test_each_step_tells_how_long_it_took_and_how_long_it_was_held(disabled, read):
    content = read(case_of(disabled))

    held = CommandRecord.objects.get(command_id=disabled.command_id, attempt=1)
    row = content.split("waited for approval</a>")[1].split("</tr>")[0]
    took, waited = re.findall(r'class="number">(.*?)</td>', row)
    assert took == span(timedelta(microseconds=held.duration_us))
    assert waited.endswith((" ms", " s"))


def test_a_step_has_actor_reason_and_changes(disabled, read):
    content = read(case_of(disabled))

    assert "“Leaked”" in content
    assert "“ann agrees”" in content
    assert "<del>yes</del> → <ins>no</ins>" in content
    assert "21 fields" in content


def test_every_step_is_a_link_in_the_picture_with_a_title(disabled, read):
    content = read(case_of(disabled))

    links = list(svg(content).iter("a"))
    assert len(links) == len(steps(content))
    assert all(link.find("title").text and link.get("href") for link in links)
    assert f"/audit/commands/{disabled.command_id}#attempt-2" in [
        each.get("href") for each in links
    ]


def test_links_to_steps_lead_somewhere(disabled, read, iris, browser):
    client = browser(iris)

    for link in svg(read(case_of(disabled))).iter("a"):
        path, _, anchor = link.get("href").partition("#")
        page = client.get(path)
        assert page.status_code == 200
        assert not anchor or f'id="{anchor}"' in page.content.decode()


def test_large_cases_are_cut_with_words(disabled, read, monkeypatch):
    monkeypatch.setattr(cases, "MOST_COMMANDS", 2)
    monkeypatch.setattr(cases, "MOST_DRAWN", 3)

    content = read(case_of(disabled))

    assert "This case has more than 2 command attempts. The first 2" in content
    assert "The chart shows the first 3 of 5 steps; the table has all of them." in content


def test_batches_are_one_case(first_key, dana, read, context_of):
    commands = [each(api_key_id=first_key.id) for each in (DisableApiKey, EnableApiKey)]
    first, _ = dispatch_all(commands, context=context_of(dana))

    content = read(f"/audit/cases/{first.command_id}")

    assert [words for depth, words in steps(content) if depth == 0] == [
        "Disable API key: succeeded"
    ]
    assert "Enable API key: succeeded" in content


def test_a_cancelled_command_has_its_end(asked, ann, act, read):
    act(ann, Deny(approval_request_id=asked.pk, digest=asked.digest), reason="Still in use")

    assert (2, "Disable API key: not executed") in steps(read(case_of(asked)))


def test_a_case_of_another_customer_is_not_found(globex_key, iris, browser, gus):
    record = CommandRecord.objects.get(subject_id=str(globex_key.id))

    assert browser(iris).get(f"/audit/cases/{record.correlation_id}").status_code == 404


def test_the_former_url_of_a_case_leads_to_the_new_one(disabled, iris, browser):
    response = browser(iris).get(f"/audit/affairs/{disabled.command_id}?from=ticket")

    assert response.status_code == 301
    assert response["Location"] == f"{case_of(disabled)}?from=ticket"


def test_a_case_leaves_out_what_the_reader_may_not_see(
    first_key, globex_key, dana, globex, read, context_of
):
    both = Context(actor=context_of(dana).actor, channel="v2")
    both.actor = type(both.actor)(
        kind="user",
        id=str(dana.pk),
        label="dana",
        person_id=str(dana.pk),
        tenants=None,
        permissions=both.actor.permissions,
    )
    commands = [DisableApiKey(api_key_id=key.id) for key in (first_key, globex_key)]
    first, _ = dispatch_all(commands, context=both)

    content = read(f"/audit/cases/{first.command_id}")

    assert str(first_key.id) in content
    assert str(globex_key.id) not in content
    assert "globex" not in content.lower()


def test_a_case_costs_the_same_however_long_it_is(first_key, dana, context_of, iris, browser):
    client = browser(iris)
    off, on = (each(api_key_id=first_key.id) for each in (DisableApiKey, EnableApiKey))
    few, _ = dispatch_all([off, on], context=context_of(dana))
    many, *_ = dispatch_all([off, on] * 20, context=context_of(dana))

    pages = [queries(client, f"/audit/cases/{each.command_id}") for each in (few, many)]

    # Two of them for the tables with parts of keys.
    assert pages == [13, 13]


def test_the_axis_is_to_scale_within_a_burst_and_breaks_in_a_wait():
    hour = timedelta(hours=1)
    first, inner, late = (
        step(at=NOON, took=timedelta(milliseconds=10)),
        step("event", at=NOON + timedelta(milliseconds=5), until=None),
        step(at=NOON + hour, took=timedelta(milliseconds=10)),
    )

    picture = timeline([first, inner, late])

    start, end = picture.bursts
    (wait,) = picture.waits
    assert wait.lasted == "59 min 59 s"
    assert start.left + start.width < wait.middle < end.left
    assert picture.marks[0].x == start.left > LABELS
    assert picture.marks[1].x == pytest.approx(start.left + start.width / 2)
    assert picture.marks[2].x == end.left
    assert picture.width > end.left + end.width


def test_a_held_command_is_drawn_until_it_was_settled():
    held = step(at=NOON, waited_until=NOON + timedelta(hours=1))
    settled = step(at=NOON + timedelta(hours=1))

    picture = timeline([held, settled])

    assert picture.marks[0].waited_to == picture.marks[1].x
    assert picture.marks[0].figure == "waited 59 min 59 s"


def test_every_held_command_of_a_case_is_held_until_its_own_end(disabled, read):
    content = read(case_of(disabled))

    postponed = content.split("waited for approval</a>")[1].split("</tr>")[0]
    carried_out = content.split("Disable API key: succeeded</a>")[1].split("</tr>")[0]
    assert re.findall(r'class="number">(.*?)</td>', postponed)[1]
    assert not re.findall(r'class="number">(.*?)</td>', carried_out)[1]


def test_one_step_alone_can_be_drawn():
    picture = timeline([step("event", at=NOON, until=None)])

    assert picture.marks[0].x == picture.bursts[0].left


@pytest.mark.parametrize(
    ("duration", "words"),
    [
        (timedelta(microseconds=850), "0.8 ms"),
        (timedelta(milliseconds=12), "12.0 ms"),
        (timedelta(seconds=1.5), "1.5 s"),
        (timedelta(seconds=61), "1 min 1 s"),
        (timedelta(hours=2, minutes=13, seconds=5), "2 h 13 min"),
        (timedelta(days=3, hours=4), "3 d 4 h"),
    ],
)
def test_durations_are_shown_in_two_units(duration, words):
    assert span(duration) == words
