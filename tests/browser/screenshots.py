"""Screenshots of the main pages for docs/screenshots, taken in a busy demo month.

Run as ``make screenshots``. It starts its own server on its own data, and removes both.
"""

import json
import os
import re
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import takewhile
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from tests.browser import chromium

ROOT = Path(__file__).resolve().parents[2]
PICTURES = ROOT / "docs" / "screenshots"
_LAST_LINE = "Ctrl-C stops everything.\n"
_REQUESTS = "/admin/approvals/approvalrequest/"


class Picture(NamedTuple):
    """A screenshot: its name, its visitor, and the steps to the page."""

    name: str
    who: str
    visit: Callable[[Page], None]
    look: str = "light"
    width: int = 1440
    height: int = 900


def _open(path: str) -> Callable[[Page], None]:
    return lambda page: page.goto(path) and None


def _follow(path: str, *links: str) -> Callable[[Page], None]:
    """Return a function that opens a page and follows links, each by the start of its text."""

    def visit(page: Page) -> None:
        page.goto(path)
        for words in links:
            page.get_by_role("link", name=re.compile(words)).first.click()

    return visit


def _preview_a_policy(page: Page) -> None:
    _follow("/admin/approvals/policy/", r"^apikeys\.disable", "^Edit")(page)
    page.get_by_label("Condition", exact=True).fill('actor.kind == "api_key"')
    page.get_by_label(re.compile("Approvers must give a reason")).check()
    page.get_by_role("button", name="Preview").click()


def _look_into_a_case(page: Page) -> None:
    page.goto("/audit/?status=succeeded&message_type=apikeys.disable")
    # Further down than the end of the month, whose commands are all sent at once.
    page.get_by_role("link", name=re.compile("^Disable API key")).nth(8).click()
    page.get_by_role("link", name=re.compile("^case ")).first.click()


def _select_all(page: Page) -> None:
    page.goto(f"{_REQUESTS}?all=yes")
    page.get_by_role("button", name=re.compile("^Approve selected")).click()


def _be_the_last_vote(page: Page) -> None:
    page.goto(_REQUESTS)
    row = page.get_by_role("row").filter(has_text="1 of 2 Security").last
    row.get_by_role("link", name=re.compile("^Disable API key")).first.click()


def _read_a_story(page: Page) -> None:
    """Show the state of a key at the time of the first command about it."""
    _follow("/audit/?status=succeeded&message_type=apikeys.disable", "^API key “")(page)
    asked_at = page.locator("article.line time").nth(1).get_attribute("datetime")
    page.goto(f"{page.url}?at={quote(asked_at or '')}")


def _read_history(page: Page) -> None:
    """Show the history, in the admin, of a key that has changed often."""
    _follow("/audit/?status=succeeded&message_type=apikeys.rotate", "^API key “")(page)
    key_id = page.url.rpartition("/")[2]
    page.goto(f"/admin/apikeys/apikey/{key_id}/history/")


PICTURES_TO_TAKE = (
    Picture("inbox", "ann", _open(_REQUESTS)),
    Picture("inbox-narrow", "ann", _open(_REQUESTS), width=390, height=844),
    Picture("request", "bob", _be_the_last_vote),
    Picture("request-dark", "bob", _be_the_last_vote, look="dark"),
    Picture("request-narrow", "bob", _be_the_last_vote, width=390, height=844),
    Picture("several-at-once", "ann", _select_all),
    Picture("policy-preview", "olga", _preview_a_policy),
    Picture("search", "iris", _open("/audit/?message_type=apikeys.disable")),
    Picture("overview", "iris", _open("/audit/overview")),
    Picture("overview-dark", "iris", _open("/audit/overview"), look="dark"),
    Picture("subject", "iris", _read_a_story),
    Picture("case", "iris", _look_into_a_case),
    Picture("history", "iris", _read_history),
)


def main() -> None:
    PICTURES.mkdir(parents=True, exist_ok=True)
    with _served() as demo, sync_playwright() as playwright:
        path = chromium.find(playwright)
        if path is None:
            sys.exit(chromium.HOW_TO_GET_ONE)
        with playwright.chromium.launch(executable_path=path, args=["--no-sandbox"]) as browser:
            for picture in PICTURES_TO_TAKE:
                _take(picture, browser, demo)


def _take(picture: Picture, browser: Browser, demo: dict) -> None:
    size = {"width": picture.width, "height": picture.height}
    options = {"viewport": size, "color_scheme": picture.look, "base_url": demo["base_url"]}
    with browser.new_context(**options) as window:
        page = window.new_page()
        page.goto("/admin/login/")
        page.get_by_label("Username").fill(picture.who)
        page.get_by_label("Password").fill(demo["users"][picture.who]["password"])
        page.get_by_role("button", name="Log in").click()
        picture.visit(page)
        file = PICTURES / f"{picture.name}.png"
        page.screenshot(path=file)
    _tell(f"{file.relative_to(ROOT)}: {_fewer_colors(file) // 1024} kB")


def _fewer_colors(file: Path) -> int:
    """Store a screenshot with a palette, which is enough for plain pages; return its size."""
    with Image.open(file) as picture:
        picture.convert("RGB").quantize(128, dither=Image.Dither.NONE).save(file, optimize=True)
    return file.stat().st_size


@contextmanager
def _served() -> Iterator[dict]:
    """Play a busy month in an empty directory, and serve it."""
    with tempfile.TemporaryDirectory(prefix="cs-") as directory:
        Path(directory).chmod(0o711)
        own = {"DATA_DIR": directory, "PORT": str(_free_port()), "LOG_LEVEL": "ERROR"}
        environment = os.environ | own
        manage = [sys.executable, "manage.py"]
        for arguments in (["migrate", "--verbosity", "0"], ["demo", "--busy"]):
            subprocess.run([*manage, *arguments], cwd=ROOT, env=environment, check=True)
        server = subprocess.Popen(
            [*manage, "start"], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
        )
        with server:
            list(takewhile(_LAST_LINE.__ne__, server.stdout))
            yield json.loads((Path(directory) / "demo.json").read_text())
            server.terminate()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def _tell(text: str) -> None:
    sys.stdout.write(f"{text}\n")


if __name__ == "__main__":
    main()
