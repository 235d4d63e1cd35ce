"""Times in a browser: in its own time zone, and in UTC without JavaScript."""

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from apikeys.commands import DisableApiKey
from apikeys.models import Customer
from approvals.models import Delegation
from audit.bus.context import Context
from tests.conftest import actor, held

CUSTOMERS = "/admin/apikeys/customer/"


@pytest.fixture
def created_at(acme):
    return Customer.objects.get().created_at


@pytest.fixture
def first_time(visitor, iris):
    """A function that returns the text and the tooltip of the first time in the list."""

    def see(**options):
        at_iris = visitor(**options)
        at_iris.is_signed_in_as(iris)
        at_iris.opens(CUSTOMERS)
        element = at_iris.page.locator("#result_list time").first
        return element.inner_text(), element.get_attribute("title")

    return see


@pytest.mark.parametrize(
    ("zone", "name"), [("Asia/Kathmandu", "GMT+5:45"), ("America/Phoenix", "MST"), ("UTC", "UTC")]
)
def test_a_time_is_in_the_zone_of_the_browser_with_utc_as_its_tooltip(
    zone, name, created_at, first_time
):
    shown = first_time(timezone_id=zone)

    local = f"{created_at.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M:%S} {name}"
    assert shown == (local, f"{created_at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC")


def test_without_javascript_a_time_is_in_utc(created_at, first_time):
    shown = first_time(timezone_id="Asia/Kathmandu", java_script_enabled=False)

    assert shown == (f"{created_at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC",) * 2


def test_charts_have_the_days_of_the_browser_from_its_second_page_on(acme, iris, visitor):
    at_iris = visitor(timezone_id="Asia/Kathmandu")
    at_iris.is_signed_in_as(iris)
    at_iris.opens(CUSTOMERS)
    at_iris.opens("/audit/overview")

    assert at_iris.sees(re.compile("in the time zone Asia/Kath?mandu"))


def test_the_tooltip_of_a_distance_has_both_times(
    first_key, disabling_needs_two, ann, dana, visitor
):
    waiting = held(DisableApiKey(api_key_id=first_key.id), context=Context(actor=actor(dana)))
    at_ann = visitor(timezone_id="Asia/Kathmandu")
    at_ann.is_signed_in_as(ann)
    at_ann.opens("/admin/approvals/approvalrequest/")

    element = at_ann.page.get_by_text(re.compile("left$"))

    local = f"{waiting.approve_by.astimezone(ZoneInfo('Asia/Kathmandu')):%Y-%m-%d %H:%M} GMT+5:45"
    in_utc = f"{waiting.approve_by.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    assert element.get_attribute("title") == f"{local} ({in_utc})"


def test_fields_are_in_the_zone_of_the_browser_and_sent_in_utc(acme, iris, visitor):
    at_iris = visitor(timezone_id="America/Phoenix")
    at_iris.is_signed_in_as(iris)
    at_iris.opens("/audit/?since=2026-03-01T18:05Z")

    field = at_iris.page.get_by_label("From (America/Phoenix)")
    assert field.input_value() == "2026-03-01T11:05"
    field.fill("2026-03-01T11:20")
    field.press("Enter")
    at_iris.page.wait_for_url(re.compile("18%3A20Z"))

    assert "since=2026-03-01T18%3A20Z" in at_iris.page.url
    assert field.input_value() == "2026-03-01T11:20"


def test_without_javascript_fields_are_in_utc(acme, iris, visitor):
    at_iris = visitor(timezone_id="America/Phoenix", java_script_enabled=False)
    at_iris.is_signed_in_as(iris)
    at_iris.opens("/audit/?since=2026-03-01T18:05Z")

    assert at_iris.page.get_by_label("From (UTC)").input_value() == "2026-03-01T18:05"


def test_a_delegation_ends_at_the_time_in_the_zone_of_the_browser(ann, bob, security, visitor):
    at_ann = visitor(timezone_id="America/Phoenix")
    at_ann.is_signed_in_as(ann)
    at_ann.opens("/requests/delegations/")
    end = (datetime.now(UTC) + timedelta(days=1)).replace(second=0, microsecond=0)

    at_ann.page.get_by_label("Person").select_option("bob")
    local = end.astimezone(ZoneInfo("America/Phoenix"))
    at_ann.page.get_by_label("Ends (America/Phoenix)").fill(f"{local:%Y-%m-%dT%H:%M}")
    at_ann.page.get_by_role("button", name="Delegate").click()
    at_ann.page.locator("td[data-label=Ends]").wait_for()

    assert Delegation.objects.get().ends_at == end
