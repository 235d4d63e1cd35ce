"""Skeletons of names: two names are confusable if they have one in common.

See Unicode TS 39, section 4. The table next to this file is generated from Unicode's data.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path

_ASCII = "".join(map(chr, range(ord("!"), ord("~") + 1)))
_TABLE = Path(__file__).with_name("confusables.txt")


def skeletons(name: str) -> tuple[str, str]:
    """Return the skeletons of a name, as it is written and in small letters.

    Names that share the first look alike: "CI" and "Cl", "rn" and "m". Those that share the second
    differ in case. Both ignore case afterwards: "0" looks like "O", which is "o".
    """
    one_spaced = " ".join(name.split())
    return _skeleton(_skeleton(one_spaced).casefold()), _skeleton(one_spaced.casefold())


def confusable_with(name: str) -> Callable[[str], bool]:
    """Return the function that is True for names that look like this one, or differ in case."""
    own = skeletons(name)
    return lambda other: any(map(str.__eq__, own, skeletons(other)))


def pattern_of(names: Iterable[str]) -> str:
    """Return a regular expression for SQL that every name confusable with one of these matches.

    It matches names of which no visible ASCII character has others in its skeleton, and so leaves
    few of many names to compare.
    """
    return f"^({'|'.join(sorted({_pattern(name) for name in names}))})$"


def _pattern(name: str) -> str:
    others = [
        character
        for character, own in _ascii_skeletons().items()
        if not any(
            set(part) <= set(whole) for part, whole in zip(own, skeletons(name), strict=True)
        )
    ]
    return f"[^{re.escape(''.join(others))}]*" if others else ".*"


@cache
def _ascii_skeletons() -> dict[str, tuple[str, str]]:
    return {character: skeletons(character) for character in _ASCII}


def _skeleton(text: str) -> str:
    decomposed = unicodedata.normalize("NFD", text)
    return unicodedata.normalize("NFD", decomposed.translate(_table()))


@cache
def _table() -> dict[int, str]:
    """Return what each confusable character stands for, read at the first use."""
    lines = _TABLE.read_text(encoding="ascii").splitlines()
    table: dict[int, str] = {}
    for target, ranges in (line.split(" ") for line in lines if not line.startswith("#")):
        skeleton = "".join(chr(int(each, 16)) for each in target.split(",") if each)
        for first, last in (each.split("-") for each in ranges.split(",")):
            table |= dict.fromkeys(range(int(first, 16), int(last, 16) + 1), skeleton)
    return table
