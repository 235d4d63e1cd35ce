"""Browser windows for users. Errors on a page are collected and fail the test."""

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Literal

from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client
from playwright.sync_api import Browser, ConsoleMessage, Error, Page, Request

_ERRORS = ("error", "assert")
# A busy machine is slow.
_PATIENCE_MS = 10_000


class Visitor:
    """One user with one page, and the errors that the browser has reported."""

    def __init__(self, page: Page, base_url: str) -> None:
        self.page, self.complaints, self._base_url = page, [], base_url
        page.on("console", self._said)
        page.on("pageerror", lambda error: self.complaints.append(f"{page.url}: {error}"))
        page.on("requestfailed", self._missed)

    def opens(self, path: str) -> int:
        """Open a path, and return the status of the response."""
        answer = self.page.goto(f"{self._base_url}{path}")
        assert answer is not None
        return answer.status

    def signs_in(self, username: str, password: str) -> None:
        self.opens("/admin/login/?next=/admin/")
        self.page.get_by_label("Username").fill(username)
        self.page.get_by_label("Password").fill(password)
        self.presses("^Log in")

    def is_signed_in_as(self, user: User) -> None:
        """Sign in without the form, for tests of other pages."""
        client = Client()
        client.force_login(user)
        session = client.cookies[settings.SESSION_COOKIE_NAME].value
        cookie: Any = {"name": settings.SESSION_COOKIE_NAME, "value": session}
        self.page.context.add_cookies([cookie | {"url": self._base_url}])

    def follows(self, *links: str) -> None:
        """Follow links in turn, each by a regular expression for its text, to their pages."""
        for words in links:
            self.clicks("link", words)

    def presses(self, words: str) -> None:
        """Press the button whose text matches a regular expression, and see the next page."""
        self.clicks("button", words)

    def clicks(self, role: Literal["link", "button"], words: str) -> None:
        """Click, and wait for the next page: a click returns while the old one is still there."""
        with self.page.expect_navigation():
            self.page.get_by_role(role, name=re.compile(words)).first.click()

    def sends(self, fields: dict[str, str]) -> int:
        """Fill in fields by name, send their form, and return the status of the response."""
        form = self.page.locator("form.draft")
        for name, value in fields.items():
            field = form.locator(f"[name={name}]")
            if field.evaluate("field => field.tagName") == "SELECT":
                field.select_option(label=value)
            else:
                field.fill(value)
        with self.page.expect_navigation() as sending:
            form.locator("[type=submit]").click()
        return sending.value.status

    def sees(self, words: str | re.Pattern[str]) -> bool:
        """Return True if the text is visible on the page, after waiting for it."""
        place = self.page.get_by_text(words).first
        with suppress(Error):
            place.wait_for(timeout=_PATIENCE_MS)
        return place.is_visible()

    def overflow(self) -> int:
        """Return how many pixels the page is wider than the window."""
        width: int = self.page.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        return width

    def _missed(self, request: Request) -> None:
        # Leaving a page early aborts the request for its icon. Requests blocked by the policy fail
        # with "csp".
        if request.failure != "net::ERR_ABORTED":
            self.complaints.append(f"failed: {request.url}: {request.failure}")

    def _said(self, message: ConsoleMessage) -> None:
        # Violations of the Content-Security-Policy also arrive here, as errors.
        if message.type in _ERRORS:
            self.complaints.append(f"{self.page.url}: {message.text}")


@contextmanager
def visiting(browser: Browser, base_url: str, **options: Any) -> Iterator[Visitor]:
    """Open a separate window; ``options`` are those of Playwright's contexts."""
    with browser.new_context(**options) as window:
        visitor = Visitor(window.new_page(), base_url)
        yield visitor
    assert not visitor.complaints, "\n".join(visitor.complaints)
