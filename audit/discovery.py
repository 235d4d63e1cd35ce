"""Discovery of the modules in which apps declare handlers, credentials and event folding.

An ``AppConfig`` lists them, relative to the app: ``declares = ["handlers", "rest.credentials"]``.
An app without that attribute declares what it has of ``handlers``, ``credentials``, ``evolution``
and ``reactions``.
"""

import ast
import re
import sys
from collections.abc import Iterable, Iterator
from importlib import import_module
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from django.apps import AppConfig, apps
from django.utils.module_loading import module_has_submodule

_USUAL = ("handlers", "credentials", "evolution", "reactions")
_DECORATORS = frozenset({"handles", "credential", "evolves", "reacts_to", "relays", "process"})
_MENTIONED = re.compile(rb"\b(?:handles|credential|evolves|reacts_to|relays|process)\b")
_DECORATED = ast.FunctionDef | ast.ClassDef
# Nothing in these folders is loaded with the app.
_SKIPPED = frozenset({"migrations", "management", "tests"})


class Undiscovered(NamedTuple):
    """A module that is not imported, although it uses these decorators."""

    app: str
    module: str
    decorators: tuple[str, ...]


def import_declarations() -> None:
    """Import the declaring modules of all installed apps."""
    for app in apps.get_app_configs():
        for name in _declaring(app):
            import_module(f"{app.name}.{name}")


def undiscovered() -> list[Undiscovered]:
    """Return the modules of installed apps that declare something and are not imported."""
    found = {each for app in apps.get_app_configs() for each in _undiscovered_of(app)}
    return sorted(found)


def _declaring(app: AppConfig) -> Iterable[str]:
    declared: Iterable[str] | None = getattr(app, "declares", None)
    if declared is not None:
        return declared
    return [name for name in _USUAL if module_has_submodule(app.module, name)]


def _undiscovered_of(app: AppConfig) -> Iterator[Undiscovered]:
    for path in Path(app.path).rglob("*.py"):
        parts = path.relative_to(app.path).with_suffix("").parts
        module = ".".join((app.name, *parts)).removesuffix(".__init__")
        if module not in sys.modules and not _SKIPPED & set(parts):
            decorators = _decorators(path.read_bytes())
            if decorators:
                yield Undiscovered(app.name, module, tuple(sorted(decorators)))


def _decorators(source: bytes) -> frozenset[str]:
    # Parsing every module of every package would take seconds.
    if b"audit" not in source or not _MENTIONED.search(source):
        return frozenset()
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        # A template of a code generator, for example: nothing can import it.
        return frozenset()
    imported = dict(_imported_from_audit(tree))
    decorated = [node for node in ast.walk(tree) if isinstance(node, _DECORATED)]
    used = chain.from_iterable(node.decorator_list for node in decorated)
    return _DECORATORS & {_original(decorator, imported) for decorator in used}


def _imported_from_audit(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Yield the local and the original name of each import from audit."""
    for node in ast.walk(tree):
        match node:
            case ast.ImportFrom(module=str(module)) if module.split(".")[0] == "audit":
                yield from ((each.asname or each.name, each.name) for each in node.names)
            case ast.Import():
                names = [each for each in node.names if each.name.split(".")[0] == "audit"]
                yield from ((each.asname or "audit", "audit") for each in names)


def _original(decorator: ast.expr, imported: dict[str, str]) -> str:
    """Return the name in audit of a decorator; an empty string if it is from elsewhere."""
    called = decorator.func if isinstance(decorator, ast.Call) else decorator
    root, _, rest = ast.unparse(called).partition(".")
    original = imported.get(root, "")
    return rest.rpartition(".")[2] if original and rest else original
