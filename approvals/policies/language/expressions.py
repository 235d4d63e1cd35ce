"""Output of the compiler of conditions: names, parts that exceed a limit, and errors in our words.

A compiled condition is read as a ``CheckedExpr`` of the CEL specification (cel/expr/checked.proto,
syntax.proto), by the numbers of its fields. Within the limits, a condition builds no text or list,
and goes through each named value a fixed number of times.
"""

import re
from collections import defaultdict
from collections.abc import Iterator
from typing import Any, NamedTuple

MOST_LISTS = 10
_IDENTIFIER, _CALL, _MAP, _COMPREHENSION = 4, 6, 8, 9
# The field of a comprehension with its list, which is evaluated once.
_RANGE = 2
# For each kind of expression, the fields with expressions in them; for a map, those of its entries.
_PARTS = {5: {1}, _CALL: {1, 3}, 7: {1}, _MAP: {3, 4}, _COMPREHENSION: {_RANGE, 4, 5, 6, 7}}
# Operators, except for ``in``, and comparisons of the beginning or end: they cost as little as the
# smaller of their values.
_OF_FIXED_COST = re.compile(r"_?\W+_(:_)?|_\[_\]|startsWith|endsWith|@not_strictly_false")
_TYPES = {
    "bool": "true or false",
    "bytes": "bytes",
    "double": "a number",
    "duration": "a duration",
    "dyn": "a value of unknown type",
    "int": "a whole number",
    "list": "a list",
    "map": "an object",
    "null": "null",
    "string": "a text",
    "timestamp": "a time",
    "uint": "a whole number",
}
_INVALID = "this is not valid CEL"
_OF_COMPILER = (
    (r"token recognition error at: '([=&|])", "“{0}” is not an operator: use “{0}{0}”"),
    (r"reference to '(map|filter)'", "“{}” would build a list"),
    (r"reference to '(all|exists|exists_one|has)'", "“{}” has the wrong arguments"),
    (r"reference to '([^']+)'", "“{}” is unknown"),
    (r"'_\+_' applied to '\(.*(?:string|bytes|list)", "“+” only adds numbers and times"),
    (r"overload for '([^']+)' applied to '\((.*)\)'", "“{}” does not take {}"),
    (r"type '(.+)' cannot be the operand of a select", "{1} has no members"),
    (r"variable name must be", "the first argument must be a new name"),
    (r"invalid \w+ literal", "this number is too large"),
    (r"recursion", "it is nested too deeply"),
)
_WRONG_TYPE = "a value has the wrong type"
_OF_EVALUATION = (
    (r"(?i)(divide|division|modulus) by zero", "a division by zero"),
    (r"(?i)key not found|no such key|index error|not found in map", "an entry is missing"),
    (r"(?i)overflow|out of range", "a number is too large"),
    (r"(?i)conver", "a text cannot be converted"),
    (r"regular expression", "a pattern is invalid"),
    (r"(?i)iteration", "it goes through too many entries"),
)


class Excess(NamedTuple):
    """A part of a condition that exceeds a limit: its offset in the text, and the limit."""

    offset: int
    words: str


class Tree(NamedTuple):
    """The names that a condition uses, and the parts that exceed a limit."""

    names: frozenset[str]
    excesses: list[Excess]


def read(serialized: bytes) -> Tree:
    """Return the names and excesses of a serialized condition."""
    checked = _fields(_fields(serialized)[2][0])
    offsets = dict(map(_entry, _fields(checked[5][0])[4]))
    names, excesses, lists = set(), [], []
    for expression_id, reference in map(_entry, checked[2]):
        target = _fields(reference)
        name = target[1][0].decode() if target[1] else ""
        if not target[3]:
            names.add(name)
        elif name == "_+_" and len(target[3]) > 1:
            words = "“+” only adds numbers and times, and the type of these values is unknown"
            excesses.append(Excess(offsets[expression_id], words))
    for each in _walk(checked[4][0]):
        if each.fields[_COMPREHENSION]:
            lists.append((each.offset(offsets), each.depth))
        elif each.is_repeated and (function := _reads_outside(each.fields)):
            words = (
                f"“{_operator(function)}” would go through a named value for each entry of a list"
            )
            excesses.append(Excess(each.offset(offsets), words))
    lists.sort()
    excesses += [Excess(at, "it goes through a list inside of another") for at, d in lists if d]
    too_many = f"it goes through more than {MOST_LISTS} lists"
    excesses += [Excess(at, too_many) for at, _ in lists[MOST_LISTS:]]
    return Tree(frozenset(names), sorted(excesses))


class _Node(NamedTuple):
    """An expression: the number of comprehensions around it, and if it is run for each entry."""

    fields: defaultdict[int, list[Any]]
    depth: int
    is_repeated: bool

    def offset(self, offsets: dict[int, int]) -> int:
        return offsets[self.fields[2][0]]


def _walk(expression: bytes, depth: int = 0, *, is_repeated: bool = False) -> Iterator[_Node]:
    """Yield an expression and those inside it."""
    found = _fields(expression)
    yield _Node(found, depth, is_repeated)
    is_loop = bool(found[_COMPREHENSION])
    for kind, places in _PARTS.items():
        for body in found[kind]:
            for whole in _fields(body)[2] if kind == _MAP else [body]:
                for place, parts in _fields(whole).items():
                    inside = is_repeated or (is_loop and place != _RANGE)
                    for part in parts if place in places else ():
                        yield from _walk(part, depth + is_loop, is_repeated=inside)


def _reads_outside(expression: dict[int, list[Any]]) -> str:
    """Return the function of a call whose cost depends on a value that the condition names."""
    if not expression[_CALL]:
        return ""
    call = _fields(expression[_CALL][0])
    function: str = call[2][0].decode()
    parts = (node for each in (*call[1], *call[3]) for node in _walk(each))
    identifiers = (
        _fields(node.fields[_IDENTIFIER][0]) for node in parts if node.fields[_IDENTIFIER]
    )
    # Only declared names have a dot: variables of comprehensions do not.
    is_outside = any(b"." in each[1][0] for each in identifiers)
    return function if is_outside and not _OF_FIXED_COST.fullmatch(function) else ""


def _entry(message: bytes) -> tuple[int, Any]:
    """Return the key and the value of an entry of a map; the default of both is 0."""
    found = _fields(message)
    return (found[1] or [0])[0], (found[2] or [0])[0]


def _fields(message: bytes) -> defaultdict[int, list[Any]]:
    """Return the values of each field: integers, or bytes for everything else."""
    fields: defaultdict[int, list[Any]] = defaultdict(list)
    place = 0
    value: int | bytes
    while place < len(message):
        tag, place = _integer(message, place)
        if tag & 7 == 0:
            value, place = _integer(message, place)
        else:
            length, place = (8, place) if tag & 7 == 1 else _integer(message, place)
            value, place = message[place : place + length], place + length
        fields[tag >> 3].append(value)
    return fields


def _integer(message: bytes, place: int) -> tuple[int, int]:
    """Return an integer of variable length, and the place behind it."""
    value = shift = 0
    while True:
        byte = message[place]
        value |= (byte & 0x7F) << shift
        place, shift = place + 1, shift + 7
        if not byte & 0x80:
            return value, place


def place(condition: str, offset: int) -> str:
    """Return a place in a condition: its line and column."""
    before = condition[:offset]
    return f"at {before.count(chr(10)) + 1}:{offset - before.rfind(chr(10))}"


def compiler_error(text: str) -> str:
    """Return the first of the compiler's errors in our words, with its line and column."""
    found = re.findall(r"<input>:(\d+):(\d+): (.*)", text) or [("1", "1", text)]
    line, column, error = min(found, key=lambda each: (int(each[0]), int(each[1])))
    for pattern, words in _OF_COMPILER:
        if match := re.search(pattern, error):
            name, *_, types = match.groups() * 2 or ("", "")
            return f"at {line}:{column}: {words.format(_operator(name), types_in_words(types))}"
    return f"at {line}:{column}: {_INVALID}"


def evaluation_error(text: str) -> str:
    """Return an error of evaluation in our words."""
    found = (words for pattern, words in _OF_EVALUATION if re.search(pattern, text))
    return next(found, _WRONG_TYPE)


def types_in_words(text: str) -> str:
    """Return a list of CEL's types in words."""
    text = re.sub(r"wrapper\((\w+)\)", r"\1?", text.lower().replace("google.protobuf.", ""))
    while (simpler := re.sub(r"\b(list|map|type)\([^()]*\)", r"\1", text)) != text:
        text = simpler
    return ", and ".join(
        _TYPES.get(each.removesuffix("?"), "a value") + " or null" * each.endswith("?")
        for each in text.split(", ")
    )


def _operator(name: str) -> str:
    """Return an operator or function as it is written: ``==`` for ``_==_``."""
    return name if name[:1].isalpha() else re.sub("[_@]", "", name)
