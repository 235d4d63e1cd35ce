"""The looks of single pages: dark colors of the reference, and pages on a phone."""

import pytest

from apikeys.commands import DisableApiKey
from audit.bus.context import Context
from tests.browser import axe
from tests.conftest import actor, approved, held

PHONE = {"viewport": {"width": 390, "height": 844}}
# Words without a place to break that are on more than one line; those of code may break.
BROKEN_WORDS = r"""
() => {
    const UNREAD = "thead, .visually-hidden, details:not([open]) > :not(summary), pre";
    const broken = [];
    const texts = document.createTreeWalker(document.querySelector("#content") ?? document.body, 4);
    while (texts.nextNode()) {
        const within = texts.currentNode.parentElement;
        if (within.closest(UNREAD)) continue;
        for (const word of texts.currentNode.data.matchAll(/\b[\w.]{2,20}\b/g)) {
            const range = document.createRange();
            range.setStart(texts.currentNode, word.index);
            range.setEnd(texts.currentNode, word.index + word[0].length);
            const tops = [...range.getClientRects()].map(({top}) => Math.round(top));
            if (new Set(tops).size > 1) broken.push(word[0]);
        }
    }
    return broken;
}
"""
SMALL_BOXES = """
() => [...document.querySelectorAll("#content input[type=checkbox]")]
    .map((box) => box.getBoundingClientRect())
    .filter(({width, height}) => width && (width < 24 || height < 24)).length
"""


pytestmark = pytest.mark.sweep


@pytest.fixture
def voted(first_key, disabling_needs_two, ann, bob, dana):
    """A request with the vote of Ann."""
    context = Context(actor=actor(dana), reason="Leaked in a public repository")
    return approved(held(DisableApiKey(api_key_id=first_key.id), context=context), ann)


@pytest.mark.parametrize(
    ("preferred", "chosen", "background"),
    [
        ("light", None, "rgba(0, 0, 0, 0)"),
        ("dark", None, "rgb(28, 32, 34)"),
        ("light", "dark", "rgb(28, 32, 34)"),
        ("dark", "light", "rgba(0, 0, 0, 0)"),
    ],
)
def test_the_reference_has_the_preferred_or_the_chosen_colors(
    preferred, chosen, background, db, visitor, axe_source
):
    reader = visitor(color_scheme=preferred)
    if chosen:
        reader.page.add_init_script(f"localStorage.setItem('theme', '{chosen}')")
    reader.opens("/api/v2/docs")
    reader.page.locator(".opblock-tag").first.wait_for()

    color = "getComputedStyle(document.documentElement).backgroundColor"
    assert reader.page.evaluate(color) == background
    assert not axe.grave_violations(reader.page, axe_source)
    reader.complaints.clear()


def test_the_descriptions_in_the_reference_are_legible_on_a_phone(db, visitor):
    reader = visitor(**PHONE)
    reader.opens("/api/v2/docs")
    descriptions = reader.page.locator(".opblock-tag small")
    descriptions.first.wait_for()

    widths = descriptions.evaluate_all("all => all.map(each => each.clientWidth)")

    assert min(widths) > 250
    assert reader.overflow() <= 0


def test_the_errors_of_the_api_fit_a_phone(db, visitor):
    reader = visitor(**PHONE)
    reader.opens("/docs/errors")

    table = reader.page.locator("#content table")
    assert reader.overflow() <= 0
    assert table.evaluate("table => table.scrollWidth") <= 390
    assert reader.page.evaluate(BROKEN_WORDS) == []


def test_a_request_breaks_no_word_on_a_phone(voted, bob, visitor):
    reader = visitor(**PHONE)
    reader.is_signed_in_as(bob)
    reader.opens(f"/admin/approvals/approvalrequest/{voted.pk}/change/")

    assert reader.page.evaluate(BROKEN_WORDS) == []


def test_the_preview_of_a_policy_breaks_no_word_on_a_phone(voted, policy_owners, visitor):
    reader = visitor(**PHONE)
    reader.is_signed_in_as(policy_owners[0])
    reader.opens("/admin/approvals/policy/new/")
    draft = {"governs": "apikeys.disable", "group_0": "Security", "quorum_0": "1"}
    assert reader.sends(draft) == 200

    assert reader.page.evaluate(BROKEN_WORDS) == []


def test_boxes_to_tick_are_large_enough_on_a_phone(voted, bob, policy_owners, visitor):
    reader = visitor(**PHONE)
    reader.is_signed_in_as(bob)
    reader.opens("/admin/approvals/approvalrequest/")
    assert reader.page.locator("#content input[type=checkbox]").count()
    assert reader.page.evaluate(SMALL_BOXES) == 0

    owner = visitor(**PHONE)
    owner.is_signed_in_as(policy_owners[0])
    owner.opens("/admin/approvals/policy/new/")
    assert owner.page.evaluate(SMALL_BOXES) == 0
