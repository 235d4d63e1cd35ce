"""The page of a request in a browser: keys, announcements of votes, and accessibility."""

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
