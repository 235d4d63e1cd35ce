"""Times on pages: in UTC, as elements that the script rewrites in the reader's time zone."""

import re
from datetime import datetime, timedelta, timezone

import pytest
from django import template
from django.contrib.auth.models import Permission
from django.utils.html import format_html

from apikeys.commands import DisableApiKey
from audit.bus.context import Context
from audit.pages.labels import shown
from audit.pages.times import ago
from tests.audit.pages.test_linked_rows import page
from tests.conftest import actor, held

AT = datetime(2026, 11, 30, 9, 14, 41, 123456, timezone(timedelta(hours=2)))
ELEMENT = '<time datetime="2026-11-30T07:14:41.123456Z" title="2026-11-30 07:14:41 UTC">{}</time>'
# Charts say that they are in UTC.
TIME_OF_DAY = re.compile(r">[^<>]*\d\d:\d\d[^<>]*<")
ELEMENTS = re.compile(r"<(time|figure)\b.*?</\1>", re.DOTALL)


def rendered(text, /, **context):
    return template.Template("{% load local_times %}" + text).render(template.Context(context))


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ("", "2026-11-30 07:14:41 UTC"),
        ('"minutes"', "2026-11-30 07:14 UTC"),
        ('"milliseconds"', "2026-11-30 07:14:41.123 UTC"),
        ('"microseconds"', "2026-11-30 07:14:41.123456 UTC"),
        ('text="3 hours ago"', "3 hours ago"),
    ],
)
def test_a_time_is_an_element_in_utc(arguments, text):
    assert rendered("{% local_time at " + arguments + " %}", at=AT) == ELEMENT.format(text)


def test_the_times_in_a_text_are_elements_and_the_rest_is_escaped():
    text = "<b> until 2026-11-30 07:14 UTC, or 2026-11-30 07:15:01 UTC"

    assert rendered("{{ text|local_times }}", text=text) == (
        '&lt;b&gt; until <time datetime="2026-11-30T07:14:00Z" title="2026-11-30 07:14:00 UTC">'
        '2026-11-30 07:14 UTC</time>, or <time datetime="2026-11-30T07:15:01Z" '
        'title="2026-11-30 07:15:01 UTC">2026-11-30 07:15:01 UTC</time>'
    )


def test_html_with_a_time_is_returned_as_it_is():
    text = format_html("<b>{} UTC</b>", "2026-11-30 07:14")

    assert rendered("{{ text|local_times }}", text=text) == "<b>2026-11-30 07:14 UTC</b>"


def test_an_impossible_time_in_a_text_stays_as_it_is():
    assert rendered("{{ text|local_times }}", text="2026-13-41 25:61 UTC") == "2026-13-41 25:61 UTC"


@pytest.mark.parametrize(
    ("passed", "text"),
    [
        (timedelta(seconds=-1), "just now"),
        (timedelta(seconds=59), "just now"),
        (timedelta(minutes=1), "1\xa0minute ago"),
        (timedelta(hours=3, minutes=5), "3\xa0hours ago"),
    ],
)
def test_a_past_time_has_its_distance(passed, text):
    assert ago(AT, now=AT + passed) == text


def test_a_time_among_values_has_its_time_zone():
    assert shown(AT) == "2026-11-30 07:14:41 UTC"


def test_no_page_shows_a_time_without_its_time_zone(
    first_key, disabling_needs_two, iris, ann, dana, browser
):
    names = ("view_user", "view_group", "view_membership", "view_policy", "view_approvalrequest")
    iris.user_permissions.add(*Permission.objects.filter(codename__in=names))
    client = browser(iris)
    key = first_key.id
    waiting = held(DisableApiKey(api_key_id=key), context=Context(actor=actor(dana)))
    paths = (
        "/admin/apikeys/apikey/",
        f"/admin/apikeys/apikey/{key}/change/",
        f"/admin/apikeys/apikey/{key}/history/",
        "/admin/apikeys/customer/",
        "/admin/audit/commandrecord/",
        "/admin/audit/eventrecord/",
        "/admin/auth/user/",
        f"/admin/auth/user/{ann.pk}/change/",
        "/admin/approvals/approvalrequest/",
        f"/admin/approvals/approvalrequest/{waiting.pk}/change/",
        f"/admin/approvals/approvalrequest/{waiting.pk}/history/",
        "/audit/",
        f"/audit/subjects/api-key/{key}",
        f"/audit/commands/{waiting.command_id}",
        f"/audit/actors/user/{dana.pk}",
    )

    bare = {path: TIME_OF_DAY.findall(ELEMENTS.sub("", page(client, path))) for path in paths}

    assert not {path: found for path, found in bare.items() if found}


def test_a_stock_list_has_its_times_as_elements_and_can_be_sorted_by_them(first_key, iris, browser):
    listed = page(browser(iris), "/admin/apikeys/apikey/?o=-6")

    assert re.search(r'<td class="field-created_at[^"]*"><time datetime="[^"]+Z" title=', listed)
    assert re.search(r'class="sortable[^"]* column-created_at[^"]* sorted descending', listed)
