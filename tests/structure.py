"""The imports of the product, by file and by folder."""

from collections import defaultdict
from functools import cache
from pathlib import Path

import grimp

ROOT = Path(__file__).parent.parent
APPS = ("config", "apikeys", "approvals", "audit")


def product_files():
    """Return every Python file of the product except the migrations, sorted."""
    found = (path for app in APPS for path in (ROOT / app).rglob("*.py"))
    return sorted(path for path in found if "migrations" not in path.parts)


@cache
def file_imports():
    """Return a dict of each module and the modules that it imports, type-only imports included."""
    graph = grimp.build_graph(*APPS, cache_dir=None)
    modules = {name for name in graph.modules if ".migrations" not in name}
    return {name: graph.find_modules_directly_imported_by(name) & modules for name in modules}


def folder_imports():
    """Return a dict of each folder and the other folders that its files import from."""
    imports = defaultdict(set)
    for importer, imported in file_imports().items():
        imports[folder_of(importer)] |= {folder_of(name) for name in imported}
    return {folder: targets - {folder} for folder, targets in imports.items()}


def folder_of(module):
    path = ROOT / module.replace(".", "/")
    return module if path.is_dir() else module.rpartition(".")[0]


def cycles(imports):
    """Return the groups of names that import each other in a circle (Tarjan, 1972), each sorted."""
    order, low, stack, found = {}, {}, [], []

    def visit(name):
        order[name] = low[name] = len(order)
        stack.append(name)
        for target in imports.get(name, ()):
            if target not in order:
                visit(target)
            if target in stack:
                low[name] = min(low[name], low[target])
        if low[name] == order[name]:
            start = stack.index(name)
            found.append(sorted(stack[start:]))
            del stack[start:]

    for name in imports:
        if name not in order:
            visit(name)
    return [group for group in found if len(group) > 1]
