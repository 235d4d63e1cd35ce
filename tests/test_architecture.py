"""What holds across the code base and no other tool checks."""

import ast
import re
from pathlib import Path

import pytest

from audit.bus import handling as registry

ROOT = Path(__file__).parent.parent
APPS = ("config", "apikeys", "approvals", "audit")


def product_files() -> list[Path]:
    found = (path for app in APPS for path in (ROOT / app).rglob("*.py"))
    return sorted(path for path in found if "migrations" not in path.parts)


@pytest.mark.parametrize("path", product_files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_no_file_is_over_three_hundred_lines(path):
    assert len(path.read_text().splitlines()) <= 320


def test_only_payloads_loads_a_pickle():
    loads = [
        path.relative_to(ROOT).as_posix()
        for path in product_files()
        if re.search(r"\bpickle\b", path.read_text())
    ]

    assert loads == ["approvals/sealing/payloads.py"]


def test_only_the_bus_catches_every_exception():
    catching = {
        path.relative_to(ROOT).as_posix()
        for path in product_files()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or getattr(node.type, "id", "") in ("Exception", "BaseException"))
    }

    # Besides, a broken pickle raises whatever its opcodes run into.
    assert catching <= {"audit/bus/dispatch.py", "approvals/sealing/payloads.py"}


def test_every_command_says_what_it_does_and_every_module_what_it_is():
    for message_class in registry.message_classes():
        assert message_class.__doc__, message_class
    for path in product_files():
        if path.name in ("models.py", "admin.py", "urls.py", "apps.py", "__init__.py"):
            continue
        assert ast.get_docstring(ast.parse(path.read_text())), path


def test_pages_have_no_inline_script_or_style():
    for template in (ROOT / "templates").rglob("*.html"):
        text = template.read_text()
        assert not re.search(r"<style|style=|<script(?![^>]*\bsrc=)|\son[a-z]+=", text), template


def test_the_words_of_others_are_not_used():
    for path in product_files():
        assert not re.search(r"\b(reviewer|rejected)\b", path.read_text(), re.IGNORECASE), path
