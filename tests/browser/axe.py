"""axe-core, which finds accessibility problems on a page.

It is installed from npm: see tests/npm.py.
"""

from pathlib import Path
from typing import Any

from playwright.sync_api import Page

from tests import npm

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
    if not npm.install(Path(__file__).parent, directory):
        return None
    return (directory / "node_modules/axe-core/axe.min.js").read_text(encoding="utf-8")


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
