"""Search for an installed Chromium, and the message without one."""

import os
import shutil
from pathlib import Path

from playwright.sync_api import Playwright

HOW_TO_GET_ONE = "no Chromium here, so no browser tests: apt-get install chromium"
_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def installed() -> str | None:
    """Return the path of an installed browser; CHROMIUM takes precedence."""
    named = os.environ.get("CHROMIUM")
    return named or next(filter(None, map(shutil.which, _NAMES)), None)


def find(playwright: Playwright) -> str | None:
    """Return the path of a browser; the one that Playwright has downloaded comes last."""
    own = playwright.chromium.executable_path
    return installed() or (own if Path(own).exists() else None)
