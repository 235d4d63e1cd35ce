"""Every page in every combination of looks, width and JavaScript; some minutes, so in CI only."""

from itertools import product

import pytest
from django.contrib.auth.models import User

from config.demo.busy import month
from tests.browser import axe
from tests.browser.pages import PLACES
from tests.browser.test_looks import BROKEN_WORDS

pytestmark = pytest.mark.matrix

WIDTHS = {1440: 900, 390: 844}
COMBINATIONS = list(product(("light", "dark"), WIDTHS, (True, False)))


@pytest.fixture
def played(settings, tmp_path):
    """Five days of the demo, with everything in them that a month has."""
    settings.DATA_DIR = tmp_path
    month.play(lambda _: None, days=5, pace=20)


@pytest.mark.parametrize(("look", "width", "script"), COMBINATIONS)
def test_every_page_is_accessible_and_fits_the_screen(
    look, width, script, played, visitor, axe_source
):
    problems = []
    options = {
        "color_scheme": look,
        "java_script_enabled": script,
        "viewport": {"width": width, "height": WIDTHS[width]},
    }

    at = {who: visitor(**options) for who in {place.who for place in PLACES}}
    for who in filter(None, at):
        at[who].is_signed_in_as(User.objects.get(username=who))
    for place in PLACES:
        found = [*_problems(at[place.who], place)]
        if script and place.last:
            at[place.who].page.locator(place.last).first.wait_for()
        if width == min(WIDTHS):
            found += at[place.who].page.evaluate(BROKEN_WORDS)
        # Without JavaScript in the page, axe-core would wait for ever.
        if script:
            found += axe.grave_violations(at[place.who].page, axe_source)
            # What it tries out on the page is against the page's policy, and not the page's doing.
            at[place.who].complaints.clear()
        problems += [f"{place.name}: {each}" for each in found]

    assert not problems, "\n".join(problems)


def _problems(visitor, place):
    status = visitor.opens(place.path())
    if place.draft:
        status = visitor.sends(place.draft)
    if status != place.status:
        yield f"answers {status}"
    if visitor.overflow() > 0:
        yield f"is {visitor.overflow()} pixels wider than the window"
    # Chromium counts the answers that we ask for here among the errors.
    expected = f"status of {place.status}" if place.status >= 400 else None
    yield from (each for each in visitor.complaints if not (expected and expected in each))
    visitor.complaints.clear()
