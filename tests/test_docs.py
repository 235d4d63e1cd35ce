"""The pages for contributors and operators: every path, name and link in them exists."""

import re
from importlib import import_module

import pytest

from audit.messages import catalog
from tests.structure import APPS, ROOT

PAGES = (
    *("README.md", "CONTRIBUTING.md"),
    *("docs/architecture.md", "docs/operations.md", "docs/settings.md"),
    *("docs/reactions.md", "docs/beyond-one-machine.md", "docs/evidence.md"),
)
PACKAGES = (*APPS, "tests", "benchmarks")
FOLDERS = (*PACKAGES, "docs", "templates", ".ci")


def code_in(page):
    """Yield what is set as code in a page: in backticks, and in blocks."""
    text = (ROOT / page).read_text()
    blocks = re.findall(r"^```.*?^```|(?:^    .+\n)+", text, re.MULTILINE | re.DOTALL)
    yield from re.findall(r"`([^`\n]+)`", text)
    for block in blocks:
        yield from block.split()


def paths_in(page):
    of_ours = re.compile(rf"(?:{'|'.join(map(re.escape, FOLDERS))})/[\w./-]*")
    return {code.rstrip("/.,") for code in code_in(page) if of_ours.fullmatch(code)}


def names_in(page):
    dotted = re.compile(rf"(?:{'|'.join(PACKAGES)})(?:\.\w+)+")
    names = {code for code in code_in(page) if dotted.fullmatch(code)}
    return names - {each.message_type for each in catalog.message_classes()}


def links_in(page):
    links = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", (ROOT / page).read_text())
    return {link for link in links if not link.startswith(("http:", "https:"))}


def exists(name):
    """Tell whether a dotted name is a module, or what a module or a class in it defines."""
    parent, _, last = name.rpartition(".")
    try:
        import_module(name)
    except ModuleNotFoundError:
        return bool(parent) and exists(parent) and hasattr(_found(parent), last)
    return True


def _found(name):
    try:
        return import_module(name)
    except ModuleNotFoundError:
        parent, _, last = name.rpartition(".")
        return getattr(_found(parent), last)


@pytest.mark.parametrize("page", PAGES)
def test_every_path_exists(page):
    assert {path for path in paths_in(page) if not (ROOT / path).exists()} == set()


@pytest.mark.parametrize("page", PAGES)
def test_every_name_exists(page):
    assert {name for name in names_in(page) if not exists(name)} == set()


@pytest.mark.parametrize("page", PAGES)
def test_every_test_exists(page):
    tests = [code.split("::") for code in code_in(page) if re.fullmatch(r"tests/\S+::\w+", code)]

    missing = {
        (path, name) for path, name in tests if f"def {name}(" not in (ROOT / path).read_text()
    }
    assert missing == set()


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_to_a_file(page):
    folder = (ROOT / page).parent

    assert {link for link in links_in(page) if not (folder / link).exists()} == set()


def test_the_architecture_names_every_sub_package():
    named = names_in("docs/architecture.md")
    there = {
        f"{app}.{path.parent.name}"
        for app in APPS
        for path in (ROOT / app).glob("*/__init__.py")
        if path.parent.name not in ("migrations", "formats", "postgresql")
    }

    assert there - named - {f"{app}.management" for app in APPS} == set()


def test_every_claim_about_evidence_has_an_attacker_and_a_test():
    section = (ROOT / "docs/evidence.md").read_text().split("## What is proven")[1]
    rows = re.findall(r"^\|(.*)\|$", section.split("\n## ")[0], re.MULTILINE)[2:]

    cells = [[each.strip() for each in row.split("|")] for row in rows]
    assert len(cells) > 10
    for attacker, claim, _, tests in cells:
        assert attacker
        assert claim.endswith(".")
        assert all(re.fullmatch(r"`tests/\S+::test_\w+`", each) for each in tests.split(", "))


def test_what_does_not_exist_is_found():
    assert paths_in("docs/architecture.md")
    assert exists("audit.bus.dispatch.dispatch")
    assert not exists("audit.bus.dispatch.missing")
    assert not exists("audit.missing.dispatch")
