"""The page of a request in a browser: keys, announcements of votes, and accessibility."""

import re

import pytest

from apikeys.commands import DisableApiKey
from approvals.decisions.commands import Comment
from audit.bus.context import Context
from audit.bus.dispatch import dispatch
from tests.browser import axe
from tests.conftest import actor, approved, held


def commented(request, person):
    """Comment on a request as the person."""
    context = Context(actor=actor(person), reason="Looks fine to me")
    dispatch(Comment(approval_request_id=request.pk), context=context)


@pytest.fixture
def waiting(first_key, disabling_needs_two, ann, bob, dana):
    """A request of Dana that needs two votes."""
    context = Context(actor=actor(dana), reason="Leaked in a public repository")
    return held(DisableApiKey(api_key_id=first_key.id), context=context)


def test_keys_move_to_the_buttons_and_decide_nothing(waiting, ann, visitor):
    reader = visitor()
    reader.is_signed_in_as(ann)
    reader.opens(f"/admin/approvals/approvalrequest/{waiting.pk}/change/")
    focused = "document.activeElement.value || document.activeElement.id"

    reader.page.keyboard.press("a")
    assert reader.page.evaluate(focused) == "approve"
    reader.page.keyboard.press("d")
    assert reader.page.evaluate(focused) == "reason"
    reader.page.keyboard.type("add jack")
    assert reader.page.locator("#reason").input_value() == "add jack"

    reader.page.get_by_label("Use these keys").uncheck()
    reader.page.reload()
    reader.page.locator("body").press("a")
    assert not reader.page.get_by_label("Use these keys").is_checked()
    assert reader.page.evaluate(focused) != "approve"
    reader.page.get_by_label("Use these keys").check()
    reader.page.locator("h1").click()
    reader.page.keyboard.press("a")
    assert reader.page.evaluate(focused) == "approve"

    assert not waiting.votes.exists()


def test_an_open_page_announces_the_vote_of_another_approver(waiting, ann, bob, visitor):
    reader = visitor()
    reader.is_signed_in_as(ann)
    reader.page.clock.install()
    reader.opens(f"/admin/approvals/approvalrequest/{waiting.pk}/change/")
    notice = reader.page.locator("#changed-notice")
    reader.page.clock.fast_forward(10_500)
    assert notice.inner_text() == ""

    approved(waiting, bob)
    reader.page.wait_for_timeout(500)
    reader.page.clock.fast_forward(10_500)

    notice.get_by_role("link", name="Reload the page").wait_for()
    assert notice.get_by_role("listitem").all_inner_texts() == ["bob approved it."]

    commented(waiting, bob)
    reader.page.wait_for_timeout(500)
    reader.page.clock.fast_forward(10_500)

    notice.get_by_text("bob commented on it.").wait_for()


@pytest.mark.parametrize(
    ("scheme", "width"),
    [
        *(("light", 390), ("dark", 1440)),
        *(
            pytest.param(*each, marks=pytest.mark.matrix)
            for each in (("light", 1440), ("dark", 390))
        ),
    ],
)
def test_the_card_is_accessible(waiting, ann, visitor, axe_source, width, scheme):
    reader = visitor(viewport={"width": width, "height": 900}, color_scheme=scheme)
    reader.is_signed_in_as(ann)
    reader.opens(f"/admin/approvals/approvalrequest/{waiting.pk}/change/")

    assert not axe.grave_violations(reader.page, axe_source)
    assert reader.overflow() <= 0


def test_without_javascript_no_keys_are_promised(waiting, ann, visitor):
    reader = visitor(java_script_enabled=False)
    reader.is_signed_in_as(ann)
    reader.opens(f"/admin/approvals/approvalrequest/{waiting.pk}/change/")

    shown = reader.page.locator("#content").inner_text()

    assert "Next request · Previous request" in shown
    assert "Use these keys" not in shown


def test_a_double_click_sends_one_decision(waiting, ann, visitor):
    reader = visitor()
    reader.is_signed_in_as(ann)
    reader.opens(f"/admin/approvals/approvalrequest/{waiting.pk}/change/")
    sent = []
    reader.page.on("request", lambda each: sent.append(each.method))

    with reader.page.expect_navigation():
        reader.page.get_by_role("button", name="Approve (1 more").dblclick()

    assert reader.sees("Approved: 1 of 2")
    assert sent.count("POST") == 1
    assert waiting.votes.count() == 1


def test_a_form_can_be_sent_again_after_a_moment(waiting, ann, visitor):
    reader = visitor()
    reader.is_signed_in_as(ann)
    reader.page.clock.install()
    reader.opens(f"/admin/approvals/approvalrequest/{waiting.pk}/change/")
    reader.page.route("**/decide/", lambda route: route.fulfill(status=204))
    sent = []
    reader.page.on("request", lambda each: sent.append(each.method))
    button = reader.page.get_by_role("button", name="Approve (1 more")

    for _ in range(2):
        with reader.page.expect_response("**/decide/"):
            button.click()
        reader.page.clock.fast_forward(2_500)

    assert sent.count("POST") == 2


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_request_is_printed_in_dark_ink_without_what_is_for_the_screen(
    waiting, ann, visitor, scheme
):
    reader = visitor(color_scheme=scheme)
    reader.page.add_init_script(f"localStorage.setItem('theme', '{scheme}')")
    reader.is_signed_in_as(ann)
    reader.opens(f"/admin/approvals/approvalrequest/{waiting.pk}/change/")

    reader.page.emulate_media(media="print")

    page = reader.page
    for kept in ("#so-far", "#timeline", ".clocks", ".changes-table"):
        assert page.locator(kept).first.is_visible(), kept
    for hidden in ("#header", ".breadcrumbs", ".decision form", ".comment-form", "a[rel=next]"):
        assert not page.locator(hidden).first.is_visible(), hidden
    colors = page.evaluate(
        "['h1', 'td', 'q', '.quiet'].map((each) =>"
        " getComputedStyle(document.querySelector('#content ' + each)).color)"
    )
    for color in colors:
        assert max(map(int, re.findall(r"\d+", color)[:3])) < 110, colors
