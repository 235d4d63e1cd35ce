"""axe-core, which finds accessibility problems on a page.

It is installed from npm, in the version that package-lock.json pins by its hash, into a separate
folder, and is never part of this repository.
"""

import shutil
import subprocess
from pathlib import Path
from typing import Any

from playwright.sync_api import Page

HOW_TO_GET_IT = "no npm here to install axe-core with: apt-get install npm"
_PINNED = ("package.json", "package-lock.json")
_RUN = """
async () => {
    const found = await axe.run(document, {resultTypes: ["violations"]});
    return found.violations.map(({id, impact, help, nodes}) =>
        ({id, impact, help, targets: nodes.map((node) => node.target.join(" "))}));
}
"""
_GRAVE = ("serious", "critical")


def installed(directory: Path) -> str | None:
    """Return the source of axe-core; None without npm to install it."""
    source = directory / "node_modules" / "axe-core" / "axe.min.js"
    if not source.exists():
        npm = shutil.which("npm")
        if npm is None:
            return None
        _install(npm, directory)
    return source.read_text(encoding="utf-8")


def grave_violations(page: Page, source: str) -> list[str]:
    """Return a line for each serious or critical problem on a page."""
    # Evaluated from outside: the page's policy allows no other scripts than its own.
    page.evaluate(source)
    found: list[dict[str, Any]] = page.evaluate(_RUN)
    return [
        f"axe {each['id']} ({each['impact']}): {each['help']}: {', '.join(each['targets'][:3])}"
        for each in found
        if each["impact"] in _GRAVE
    ]


def _install(npm: str, directory: Path) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    for name in _PINNED:
        shutil.copy(Path(__file__).parent / name, directory)
    quiet = ("--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
    subprocess.run([npm, "ci", *quiet], cwd=directory, check=True, capture_output=True)
