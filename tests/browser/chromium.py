"""Where a Chromium is found, and what to say where there is none."""

import os
import shutil
from pathlib import Path

from playwright.sync_api import Playwright

HOW_TO_GET_ONE = "no Chromium here, so no browser tests: apt-get install chromium"
_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def installed() -> str | None:
    """Find a browser that somebody has installed; CHROMIUM names one before all others."""
    named = os.environ.get("CHROMIUM")
    return named or next(filter(None, map(shutil.which, _NAMES)), None)


def find(playwright: Playwright) -> str | None:
    """Find a browser, at last the one that Playwright has downloaded for itself."""
    own = playwright.chromium.executable_path
    return installed() or (own if Path(own).exists() else None)
