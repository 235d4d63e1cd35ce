"""Charts: numbers turned into what a template draws."""

import xml.etree.ElementTree as ET
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from django.template.loader import render_to_string

from audit.pages.charts.bars import Count, Frame, bar_chart, range_label, range_title, rank_bars
from audit.pages.charts.heat import heat_map
from audit.pages.charts.scales import MOST_BARS, ceiling, days, time_scale

NOW = datetime(2026, 11, 23, 18, 5, 7, 123, tzinfo=UTC)
FRAME = Frame("some", "Some <things>", lambda since, until: f"?since={since:%d}&until={until:%d}")


@pytest.mark.parametrize(
    ("span", "step"),
    [
        (timedelta(seconds=30), timedelta(seconds=1)),
        (timedelta(hours=1), timedelta(minutes=1)),
        (timedelta(days=1), timedelta(minutes=30)),
        (timedelta(days=7), timedelta(hours=3)),
        (timedelta(days=30), timedelta(hours=12)),
        (timedelta(days=59), timedelta(days=1)),
        (timedelta(days=365), timedelta(days=7)),
    ],
)
def test_time_is_cut_at_round_moments(span, step):
    edges = time_scale(NOW - span, NOW).edges

    assert (edges[0], edges[-1]) == (NOW - span, NOW)
    assert {end - start for start, end in pairwise(edges[1:-1])} == {step}
    assert len(edges) <= MOST_BARS + 2
    assert {edge.microsecond for edge in edges[1:-1]} == {0}


def test_weeks_begin_on_mondays_and_years_are_cut_into_months():
    weeks = time_scale(NOW - timedelta(days=365), NOW)
    months = time_scale(NOW - timedelta(days=1000), NOW)
    ages = time_scale(datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC))

    assert {edge.weekday() for edge in weeks.edges[1:-1]} == {0}
    assert {edge.day for edge in months.edges[1:-1]} == {1}
    assert {edge.month for edge in ages.edges[1:-1]} == {1}


@pytest.mark.parametrize("span", [timedelta(seconds=9), timedelta(days=3), timedelta(days=300)])
def test_time_is_cut_as_far_as_the_calendar_goes(span):
    first, last = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)

    assert time_scale(first, first + span).edges[0] == first
    assert time_scale(last - span, last).edges[-1] == last


BERLIN = ZoneInfo("Europe/Berlin")


def test_days_begin_at_midnight_in_the_time_zone_of_the_chart():
    midnights = days(datetime(2026, 10, 25, 22, 30, tzinfo=UTC).astimezone(BERLIN), number=2)

    assert [f"{each:%d %H:%M}" for each in midnights] == ["24 00:00", "25 00:00", "26 00:00"]
    hours = [end.timestamp() - start.timestamp() for start, end in pairwise(midnights)]
    assert hours == [24 * 3600, 25 * 3600]


@pytest.mark.parametrize("change", ["2026-03-29T01:00Z", "2026-10-25T01:00Z"])
@pytest.mark.parametrize("length", [timedelta(hours=4), timedelta(days=2), timedelta(days=40)])
def test_the_times_of_a_chart_increase_where_clocks_are_changed(change, length):
    middle = datetime.fromisoformat(change)
    scale = time_scale(*(at.astimezone(BERLIN) for at in (middle - length, middle + length)))

    instants = [each.timestamp() for each in scale.edges]

    assert instants == sorted(set(instants))
    assert [each.astimezone(UTC).astimezone(BERLIN).time() for each in scale.edges] == [
        each.time() for each in scale.edges
    ]


def test_the_tooltip_of_a_time_range_has_both_times():
    start = datetime(2026, 11, 23, 6, tzinfo=BERLIN)
    in_utc = datetime(2026, 11, 23, 6, tzinfo=UTC)

    tooltips = [range_title(each, each + timedelta(hours=1)) for each in (start, in_utc)]

    assert tooltips == [
        "2026-11-23 06:00 to 07:00 (2026-11-23 05:00 to 06:00 UTC)",
        "2026-11-23 06:00 to 07:00 UTC",
    ]


def test_the_last_day_is_the_present_one():
    midnights = days(NOW, number=3)

    assert [f"{each:%d}" for each in midnights] == ["21", "22", "23", "24"]


@pytest.mark.parametrize(
    ("number", "round_number"), [(1, 1), (2, 2), (3, 5), (9, 10), (10, 10), (11, 20), (499, 500)]
)
def test_a_scale_ends_with_a_round_number(number, round_number):
    assert ceiling(number) == round_number


@pytest.mark.parametrize(
    ("start", "end", "words"),
    [
        ("2026-11-23T00:00", "2026-11-24T00:00", "2026-11-23"),
        ("2026-11-16T00:00", "2026-11-23T00:00", "2026-11-16 to 2026-11-23"),
        ("2026-11-23T06:00", "2026-11-23T07:00", "2026-11-23 06:00 to 07:00"),
        ("2026-11-23T23:00", "2026-11-24T00:00", "2026-11-23 23:00 to 2026-11-24 00:00"),
        ("2026-11-23T06:00:01", "2026-11-23T06:00:02", "2026-11-23 06:00:01 to 06:00:02"),
    ],
)
def test_a_stretch_of_time_is_written_no_longer_than_needed(start, end, words):
    moments = [datetime.fromisoformat(each).replace(tzinfo=UTC) for each in (start, end)]

    assert range_label(*moments) == words


def test_a_bar_is_as_high_as_its_number_and_leads_to_it():
    scale = time_scale(NOW - timedelta(days=3), NOW)
    counts = [0] * (len(scale.edges) - 1)
    counts[0], counts[1] = 1000, 1

    chart = bar_chart(counts, scale, FRAME)

    highest, least, nothing = chart.bars[:3]
    assert float(highest.height) == 96
    assert float(least.height) > 0
    assert nothing.is_empty
    assert highest.url == "?since=20&until=20"
    assert chart.total == "1,001"


def drawn(template, **context):
    """What a template draws, if it is well-formed."""
    html = render_to_string(f"audit/{template}", context)
    start, end = html.index("<svg"), html.index("</svg>") + len("</svg>")
    assert "style=" not in html
    return html, ET.fromstring(html[start:end])


def test_a_chart_of_bars_has_a_name_links_and_the_same_numbers_in_a_table():
    scale = time_scale(NOW - timedelta(days=3), NOW)
    counts = list(range(len(scale.edges) - 1))

    html, svg = drawn("_bars.html", chart=bar_chart(counts, scale, FRAME))

    assert svg.find("title").text.startswith("Some <things>: ")
    links = svg.findall("a")
    assert len(links) == len(counts)
    assert all(link.find("title").text == link.get("aria-label") for link in links)
    assert html.count('<td class="number">') == len(counts) - 1


def test_a_heat_map_has_a_field_for_each_hour_and_the_same_numbers_in_a_table():
    midnights = days(NOW, number=2)
    counts = [0] * 24 + [1, 5, 40, *[0] * 21]

    heat = heat_map(counts, midnights, FRAME)
    html, svg = drawn("_heat.html", map=heat)

    assert [row.label for row in heat.rows] == ["Mon 23", "Sun 22"]
    assert [cell.warmth for cell in heat.rows[0].cells[:4]] == [1, 3, 5, 0]
    assert len(svg.findall("g/a")) == 48
    assert html.count("<td>") == 48
    assert heat.legend == [
        "none",
        "1",
        "2 to 3",
        "4 to 8",
        "9 to 18",
        "19 or more",
    ]


def test_nothing_is_drawn_cold():
    heat = heat_map([0] * 48, days(NOW, number=2), FRAME)

    assert {cell.warmth for row in heat.rows for cell in row.cells} == {0}
    assert heat.legend == ["none", "1 or more"]


def test_the_longest_of_several_bars_is_as_long_as_there_is_room():
    counts = [Count("a", 4, "?a"), Count("b", 1, "?b"), Count("c", 0, "?c")]

    bars = rank_bars(counts)

    assert [bar.width for bar in bars] == ["100.0%", "25.0%", "0.0%"]
    assert render_to_string("audit/_ranks.html", {"bars": bars, "title": "X"}).count("<a ") == 2
