"""Three urgent requests in a browser, decided with three clicks, or with keys."""

import re

import pytest

from apikeys.commands import DisableApiKey
from approvals.models import Vote
from tests.browser import axe
from tests.conftest import create_key, held

HEIGHTS = {1440: 900, 390: 844}
INBOX = "/admin/approvals/approvalrequest/"


@pytest.fixture
def urgent(dana, acme, disabling_needs_two, context_of):
    """Three requests of Dana that need two votes."""
    keys = [create_key(dana, acme, name=f"urgent {place}") for place in ("one", "two", "three")]
    context = context_of(dana, reason="Leaked")
    return [held(DisableApiKey(api_key_id=key.id), context=context) for key in keys]


@pytest.fixture(
    params=[
        *((1440, "light"), (390, "dark")),
        *(
            pytest.param(each, marks=pytest.mark.matrix)
            for each in ((1440, "dark"), (390, "light"))
        ),
    ]
)
def at_ann(request, ann, urgent, visitor):
    """Ann, signed in, in a wide or a narrow window."""
    width, look = request.param
    window = visitor(viewport={"width": width, "height": HEIGHTS[width]}, color_scheme=look)
    window.is_signed_in_as(ann)
    return window


@pytest.fixture
def is_fine(at_ann, axe_source):
    """A function that checks that the page fits its window and is accessible."""

    def check():
        assert at_ann.overflow() <= 0
        assert not at_ann.complaints
        assert axe.grave_violations(at_ann.page, axe_source) == []
        # What it tries out on the page is against the page's policy.
        at_ann.complaints.clear()

    return check


def approvals_of(person):
    return Vote.objects.filter(voter=person, decision="approve").count()


def test_three_clicks_in_the_inbox_approve_three_requests(at_ann, ann, is_fine):
    at_ann.opens(INBOX)
    is_fine()

    at_ann.page.get_by_label("Select all objects on this page").first.check()
    at_ann.presses("^Approve selected")
    assert at_ann.sees(re.compile("Approve the selected requests"))
    is_fine()
    at_ann.presses("^Approve the selected requests")

    assert at_ann.sees("3 recorded.")
    is_fine()
    assert approvals_of(ann) == 3


def test_three_clicks_approve_one_request_after_the_other(at_ann, ann, urgent, is_fine):
    at_ann.opens(f"{INBOX}next/")

    for number in range(len(urgent)):
        is_fine()
        at_ann.presses(r"^Approve \(1 more needed after you\)")
        assert approvals_of(ann) == number + 1

    assert at_ann.sees("No requests need your decision.")


def test_keys_approve_one_request_after_the_other(at_ann, ann, urgent):
    at_ann.opens(f"{INBOX}next/")

    for number in range(len(urgent)):
        at_ann.page.keyboard.press("a")
        with at_ann.page.expect_navigation():
            at_ann.page.keyboard.press("Enter")
        assert approvals_of(ann) == number + 1
