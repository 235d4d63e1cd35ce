"""One word for each state on every page: a request or a command that needs votes is waiting."""

import re
from html.parser import HTMLParser

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client

from config.demo.busy import month
from tests.browser.pages import PLACES

# Other words for a state: it is "waiting", and an attempt that waited before has "waited".
_OTHER_WORDS = re.compile(r"\b(postpon\w*|pending|held|on hold|called off)\b", re.IGNORECASE)
# What people wrote, and stored names: a permission, a message type, the content of a request.
_QUOTED = {"code", "pre", "q", "blockquote", "script", "style"}
# Their times are in UTC, as stored JSON has them, or those of charts, which name their zone.
_NOT_LOCAL = re.compile(r"<(time|figure|svg|q|code|pre|textarea)\b.*?</\1>", re.DOTALL)
_TIME = re.compile(r">(?![{[])[^<>]*\d{4}-\d\d-\d\d \d\d:\d\d[^<>]*<")
_READ = ("title", "aria-label", "placeholder", "data-label", "alt")


class _Texts(HTMLParser):
    """The texts of a page that people read, also those of attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.found, self._quoted = [], 0

    def handle_starttag(self, tag, attrs):
        self._quoted += tag in _QUOTED
        self.found += [value for name, value in attrs if name in _READ and value]

    def handle_endtag(self, tag):
        self._quoted -= tag in _QUOTED

    def handle_data(self, data):
        if not self._quoted and data.strip():
            self.found.append(" ".join(data.split()))


def texts(page):
    reader = _Texts()
    reader.feed(page)
    return reader.found


@pytest.fixture
def played(settings, tmp_path):
    """Five days of the demo, with everything in them that a month has."""
    settings.DATA_DIR = tmp_path
    month.play(lambda _: None, days=5, pace=20)


@pytest.fixture
def clients():
    """A client for each visitor of a page."""
    found = {None: Client()}
    for who in {place.who for place in PLACES} - {None}:
        found[who] = Client()
        found[who].force_login(User.objects.get(username=who))
    return found


def read(place, client):
    """Return the page of a place; that of a draft comes from the form on it."""
    path = place.path()
    if place.draft:
        group = Group.objects.get(name=place.draft["group_0"])
        draft = {"effect": "require_approval"} | place.draft | {"group_0": str(group.pk)}
        response = client.post(path, draft)
    else:
        response = client.get(path, follow=True)
    assert response.status_code == place.status, place.name
    return response.content.decode()


@pytest.mark.sweep
def test_every_page_calls_what_waits_waiting(played, clients):
    pages = {place.name: texts(read(place, clients[place.who])) for place in PLACES}

    other = {
        name: found
        for name, page in pages.items()
        if (found := [text for text in page if _OTHER_WORDS.search(text)])
    }
    assert other == {}


@pytest.mark.sweep
def test_every_time_on_every_page_is_rewritten_in_the_zone_of_the_reader(played, clients):
    pages = {place.name: read(place, clients[place.who]) for place in PLACES}

    in_utc = {
        name: found for name, page in pages.items() if (found := _TIME.findall(_without(page)))
    }
    assert in_utc == {}


def _without(page):
    """Return a page without what may have times in UTC."""
    return _NOT_LOCAL.sub("", page)


def test_other_words_are_found_in_texts_and_attributes():
    page = '<p title="held since">Postponed</p><code>pending</code><input placeholder="on hold">'

    assert [text for text in texts(page) if _OTHER_WORDS.search(text)] == [
        "held since",
        "Postponed",
        "on hold",
    ]
