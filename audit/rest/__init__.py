"""The public API for the REST code of an app: viewsets, lists, references and errors.

Each name is imported when it is first used, from the module that the stub ``__init__.pyi`` names.
Django REST framework imports ``audit.rest.parsers`` and other modules of this package, by settings,
while it loads itself; the viewsets cannot be imported before that ends.
"""

import ast
from importlib import import_module
from pathlib import Path
from typing import Any

_MODULE_OF = {
    name.name: statement.module
    for statement in ast.parse(Path(__file__).with_suffix(".pyi").read_text()).body
    if isinstance(statement, ast.ImportFrom) and statement.module
    for name in statement.names
}

__all__ = list(_MODULE_OF)


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    return getattr(import_module(_MODULE_OF[name]), name)
