"""The changes that a mutant may consist of, by the kind of node that they start from."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

from tests.mutants.source import Source

Edit = tuple[int, int, str]

COMPARISONS = {
    ast.Eq: "!=",
    ast.NotEq: "==",
    ast.Lt: "<=",
    ast.LtE: "<",
    ast.Gt: ">=",
    ast.GtE: ">",
    ast.In: "not in",
    ast.NotIn: "in",
    ast.Is: "is not",
    ast.IsNot: "is",
}
# What may be changed in SQL: a pattern, and what replaces it.
SQL = (
    (r" ORDER BY [a-z_]+( DESC)?(, [a-z_]+( DESC)?)*", ""),
    (r" LIMIT \d+", ""),
    (r" FOR (NO KEY UPDATE|UPDATE|SHARE)( OF \w+)?( SKIP LOCKED)?", ""),
    (r"([\w.]+) = (%s|\d+|'[^']*')", r"(\1 = \2 OR true)"),
    (r"\bmax\(", "min("),
    (r" \+ 1\b", " + 2"),
    (r"<>", "="),
    (r"IS NULL", "IS NOT NULL"),
    (r"\bOR\b", "AND"),
    (r"LEFT JOIN", "JOIN"),
    (r"coalesce\((\w+), (\w+)\)", r"coalesce(\2, \1)"),
    (r", true\)", ", false)"),
)


@dataclass(frozen=True)
class Mutant:
    """One changed place in one file."""

    path: str
    first_line: int
    last_line: int
    description: str
    edits: tuple[Edit, ...]

    def __str__(self) -> str:
        return f"{self.path}:{self.first_line} {self.description}"

    def apply(self, text: str) -> str:
        for start, end, replacement in sorted(self.edits, reverse=True):
            text = text[:start] + replacement + text[end:]
        return text


def mutants_of(path: str, text: str) -> list[Mutant]:
    """Return each change to the file that leaves valid Python, in the order of the lines."""
    source, found = Source(path, text), {}
    for node in source.runnable():
        for change in CHANGES:
            for description, edits in change(source, node):
                mutant = Mutant(path, node.lineno, node.end_lineno, description, tuple(edits))
                changed = mutant.apply(text)
                if changed != text and _compiles(changed):
                    found.setdefault(changed, mutant)
    return sorted(found.values(), key=lambda mutant: (mutant.first_line, mutant.description))


def _compiles(text: str) -> bool:
    try:
        compile(text, "mutant", "exec")
    except SyntaxError:
        return False
    return True


Change = Iterator[tuple[str, list[Edit]]]


def _comparison(source: Source, node: ast.AST) -> Change:
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        start, end = source.between(node.left, node.comparators[0])
        operator = COMPARISONS[type(node.ops[0])]
        pattern = r"(==|!=|<=|>=|<|>|not\s+in\b|is\s+not\b|\bin\b|\bis\b)"
        changed = re.sub(pattern, f" {operator} ", source.text[start:end], count=1)
        yield f"{_short(source, node)}: {operator}", [(start, end, changed)]


def _condition(source: Source, node: ast.AST) -> Change:
    tests = []
    if isinstance(node, ast.If | ast.IfExp | ast.While):
        tests = [node.test]
    elif isinstance(node, ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp):
        tests = [test for each in node.generators for test in each.ifs]
    for test in tests:
        start, end = source.span(test)
        yield f"not ({_short(source, test)})", [(start, end, f"(not ({source.text[start:end]}))")]


def _and_or(source: Source, node: ast.AST) -> Change:
    if isinstance(node, ast.BoolOp):
        old, new = ("and", "or") if isinstance(node.op, ast.And) else ("or", "and")
        edits = []
        for left, right in zip(node.values, node.values[1:], strict=False):
            start, end = source.between(left, right)
            edits.append((start, end, re.sub(rf"\b{old}\b", new, source.text[start:end], count=1)))
        yield f"{_short(source, node)}: {new}", edits


def _dropped_not(source: Source, node: ast.AST) -> Change:
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        start, end = source.span(node)[0], source.span(node.operand)[0]
        yield f"no not in {_short(source, node)}", [(start, end, "")]


def _dropped_statement(source: Source, node: ast.AST) -> Change:
    is_call = isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)
    if is_call or isinstance(node, ast.Raise):
        yield f"without {_short(source, node)}", [(*source.span(node), "pass")]


def _constant(source: Source, node: ast.AST) -> Change:
    if isinstance(node, ast.Constant) and isinstance(node.value, bool | int | float):
        changed = not node.value if isinstance(node.value, bool) else node.value + 1
        line = source.text.splitlines()[node.lineno - 1].strip()[:90]
        yield f"{node.value} -> {changed} in {line}", [(*source.span(node), str(changed))]


def _dropped_decorator(source: Source, node: ast.AST) -> Change:
    if isinstance(node, ast.FunctionDef):
        for decorator in node.decorator_list:
            start = source.offset(decorator.lineno, 0)
            end = source.offset(decorator.end_lineno + 1, 0)
            yield f"no @{_short(source, decorator)} of {node.name}", [(start, end, "")]


def _swapped_arguments(source: Source, node: ast.AST) -> Change:
    if not isinstance(node, ast.Call) or len(node.args) < 2:
        return
    if getattr(node.func, "id", "") in {"isinstance", "getattr", "setattr"}:
        return
    first, second = node.args[:2]
    if not isinstance(first, ast.Starred) and not isinstance(second, ast.Starred):
        edits = [
            (*source.span(first), source.segment(second)),
            (*source.span(second), source.segment(first)),
        ]
        yield f"first two arguments swapped in {_short(source, node)}", edits


def _weaker_query(source: Source, node: ast.AST) -> Change:
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
        return
    call = (source.span(node.func.value)[1], source.span(node)[1], "")
    if node.func.attr in {"select_for_update", "order_by", "distinct", "filter", "exclude"}:
        yield f"no .{node.func.attr}() in {_short(source, node)}", [call]
    elif node.func.attr == "locked":
        end = source.span(node.func)[1]
        edit = (end - len("locked"), end, "found")
        yield f"no lock in {_short(source, node)}", [edit]


def _dropped_keyword(source: Source, node: ast.AST) -> Change:
    if isinstance(node, ast.Call) and len(node.keywords) >= 2:
        for before, keyword in zip(node.keywords, node.keywords[1:], strict=False):
            edit = (source.span(before)[1], source.span(keyword)[1], "")
            yield f"no {source.segment(keyword)[:50]} in {_short(source, node)}", [edit]


def _dropped_slice(source: Source, node: ast.AST) -> Change:
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Slice):
        edit = (source.span(node.value)[1], source.span(node)[1], "")
        yield f"no slice in {_short(source, node)}", [edit]


def _dropped_element(source: Source, node: ast.AST) -> Change:
    if not isinstance(node, ast.Tuple | ast.Set | ast.List) or len(node.elts) < 3:
        return
    if not all(isinstance(each, ast.Constant | ast.Attribute) for each in node.elts):
        return
    for before, element in zip(node.elts, node.elts[1:], strict=False):
        edit = (source.span(before)[1], source.span(element)[1], "")
        yield f"no {source.segment(element)} in {_short(source, node)}", [edit]


def _sql(source: Source, node: ast.AST) -> Change:
    if not isinstance(node, ast.JoinedStr | ast.Constant):
        return
    start, end = source.span(node)
    text = source.text[start:end]
    if not re.search(r"\b(SELECT|INSERT|UPDATE|DELETE|WHERE|ON CONFLICT)\b", text):
        return
    for pattern, replacement in SQL:
        for match in re.finditer(pattern, text):
            changed = match.expand(replacement)
            edit = (start + match.start(), start + match.end(), changed)
            yield f"SQL: {match.group().strip()} -> {changed.strip() or 'nothing'}", [edit]


CHANGES = (
    _comparison,
    _condition,
    _and_or,
    _dropped_not,
    _dropped_statement,
    _constant,
    _dropped_decorator,
    _swapped_arguments,
    _weaker_query,
    _dropped_keyword,
    _dropped_slice,
    _dropped_element,
    _sql,
)


def _short(source: Source, node: ast.AST) -> str:
    return " ".join(source.segment(node).split())[:90]
