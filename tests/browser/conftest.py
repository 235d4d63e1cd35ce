"""A browser, and a server that serves the test database."""

import os
from contextlib import ExitStack
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connections
from playwright.sync_api import sync_playwright

from tests import npm
from tests.browser import axe, chromium
from tests.browser.visitors import visiting


@pytest.fixture(scope="module")
def chrome():
    """A headless Chromium, started once for each module."""
    with pytest.MonkeyPatch.context() as patch, sync_playwright() as playwright:
        # Playwright keeps an event loop in this thread, in which Django would refuse to query.
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        path = chromium.find(playwright)
        if path is None:
            _go_without(chromium.HOW_TO_GET_ONE)
        # Running as root in a container, Chromium has no sandbox.
        arguments = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        with playwright.chromium.launch(executable_path=path, args=arguments) as browser:
            yield browser
        # Those of this event loop, which Django keeps apart.
        connections.close_all()


@pytest.fixture
def visitor(chrome, live_server):
    """A function that opens a window; every error in the browser fails the test."""
    with ExitStack() as stack:
        yield lambda **options: stack.enter_context(visiting(chrome, live_server.url, **options))


@pytest.fixture(scope="session")
def axe_source():
    """axe-core, installed once for all runs."""
    source = axe.installed(Path(settings.DATA_DIR) / "axe")
    if source is None:
        _go_without(npm.HOW_TO_GET_IT)
    return source


def _go_without(how_to_get_it):
    """Skip the test, except in CI, which must have everything."""
    if os.environ.get("BROWSER_TESTS") == "required":
        pytest.fail(how_to_get_it)
    pytest.skip(how_to_get_it)
