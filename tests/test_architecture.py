"""What holds across the code base and no other tool checks."""

import ast
import re
from collections import Counter
from pathlib import Path

import pytest

from audit.messages import catalog
from tests.structure import APPS, ROOT, cycles, file_imports, folder_imports, product_files

MOST_MODULES = 12


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


def test_only_conditions_knows_the_syntax_of_cel():
    """Names with a dot, operators between criteria, and the compiler itself."""
    syntax = re.compile(
        r"""\bcel_expr_python\b|["'](subject|command|actor|context)\.|"&&"|"\|\|\""""
    )
    knowing = {
        path.relative_to(ROOT).as_posix()
        for path in product_files()
        if path.is_relative_to(ROOT / "approvals") and syntax.search(path.read_text())
    }

    assert knowing == {"approvals/policies/conditions.py"}


def test_only_the_release_of_a_request_replays_a_held_command():
    replaying = [
        path.relative_to(ROOT).as_posix()
        for path in product_files()
        if re.search(r"(?<!def )\breplay\(", path.read_text())
    ]

    assert replaying == ["approvals/decisions/execution.py"]


def test_only_the_bus_and_the_workers_catch_every_exception():
    catching = {
        path.relative_to(ROOT).as_posix()
        for path in product_files()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or getattr(node.type, "id", "") in ("Exception", "BaseException"))
    }

    # Besides, a broken pickle raises whatever its opcodes run into, and a worker outlives whatever
    # the functions raise that it calls.
    assert catching <= {
        "audit/bus/dispatch.py",
        "audit/reactions/partitions.py",
        "audit/reactions/processes/long_steps.py",
        "audit/reactions/processes/timers.py",
        "audit/reactions/workers.py",
        "approvals/sealing/payloads.py",
    }


def test_every_command_says_what_it_does_and_every_module_what_it_is():
    for message_class in catalog.message_classes():
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


def test_no_folder_has_more_than_twelve_modules():
    sizes = Counter(path.parent for path in product_files() if path.name != "__init__.py")

    assert {folder for folder, size in sizes.items() if size > MOST_MODULES} == set()


def test_no_file_imports_itself_through_others():
    assert cycles(file_imports()) == []


def test_no_folder_imports_itself_through_others():
    assert cycles(folder_imports()) == []


def test_a_cycle_is_found():
    assert cycles({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == [["b", "c"]]


@pytest.mark.parametrize("app", APPS)
def test_the_root_docstring_of_an_app_lists_its_sub_packages(app):
    named = re.findall(
        r"^- ``(\w+)``: ", ast.get_docstring(_parsed(ROOT / app / "__init__.py")), re.MULTILINE
    )

    assert sorted(named) == sorted(_sub_packages(ROOT / app))


@pytest.mark.parametrize("app", APPS)
def test_the_folders_of_the_tests_are_those_of_the_source(app):
    tested = {path.parent.relative_to(ROOT / "tests") for path in _tests(app)}

    assert {str(folder) for folder in tested if not (ROOT / folder).is_dir()} == set()


def _parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def _sub_packages(app: Path) -> list[str]:
    looked_up_by_django = ("management", "migrations")
    return [
        path.parent.name
        for path in app.glob("*/__init__.py")
        if path.parent.name not in looked_up_by_django
    ]


def _tests(app: str) -> list[Path]:
    return list((ROOT / "tests" / app).rglob("test_*.py"))
