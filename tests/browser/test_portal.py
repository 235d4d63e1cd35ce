"""The pages of a requester in a browser: signed in without access to the admin."""

import pytest

from apikeys.commands import DisableApiKey
from audit.bus.dispatch import dispatch
from tests.browser import axe
from tests.conftest import PASSWORD

WIDTHS = {1440: 900, 390: 844}


@pytest.mark.parametrize(
    ("width", "look"),
    [
        *((1440, "light"), (390, "dark")),
        *(
            pytest.param(*each, marks=pytest.mark.matrix)
            for each in ((1440, "dark"), (390, "light"))
        ),
    ],
)
def test_a_requester_signs_in_and_acts_on_a_request(
    width, look, dana, first_key, ann, bob, disabling_needs_two, context_of, visitor, axe_source
):
    dispatch(DisableApiKey(api_key_id=first_key.id), context=context_of(dana, reason="Leaked"))
    window = visitor(viewport={"width": width, "height": WIDTHS[width]}, color_scheme=look)

    def check(text):
        window.page.get_by_text(text).first.wait_for()
        assert window.overflow() <= 0
        assert not window.complaints
        assert axe.grave_violations(window.page, axe_source) == []
        # What it tries out on the page is against the page's policy.
        window.complaints.clear()

    window.opens("/")
    check("Username")
    window.page.get_by_label("Username").fill("dana")
    window.page.get_by_label("Password").fill(PASSWORD)
    window.presses("Log in")
    check("Remaining approvers")
    window.follows("^Disable API key")
    check("Remind the approvers")
    # Why it waits is all on this page.
    content = window.page.locator("#content").inner_text()
    for words in ("waiting", "deadline", "0 of 2", "no one yet", "ann, bob"):
        assert words in content, words
    window.page.get_by_label("Comment").fill("Incident 7")
    window.presses("^Comment")
    check("Incident 7")
    window.presses("^Remind")
    check("You can remind them again")
