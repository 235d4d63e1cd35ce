"""Exported text without characters that act on the program that shows it.

Escape sequences act on terminals, and characters without a glyph or for the direction of text
change what a reader sees. JSON has an escape for each character, so nothing is lost.
"""

import json
import re
from collections.abc import Sequence
from itertools import cycle

from audit.messages.characters import is_blank, number

#: The characters that begin a formula in a spreadsheet (OWASP, CSV injection), also in full width,
#: and the spaces that a spreadsheet may remove before them.
FORMULA = "\t\n\r +-=@−＋－＝＠﹢﹣﹦﹫\u00a0\u3000"  # noqa: RUF001
_PRINTABLE = rb"[\x20-\x7e\t\r\n]"
_ALL_PRINTABLE = re.compile(rb"%s*" % _PRINTABLE)
_CELL = re.compile(r'("(?:[^"]|"")*"|[^,\n]*)([,\n])')
_OTHERS = re.compile(r"[^\x20-\x7e\t\r\n]")


def in_json(text: bytes) -> bytes:
    """Return JSON with these characters as escapes. Outside of its strings it has none."""
    return text if _ALL_PRINTABLE.fullmatch(text) else _escaped(text.decode()).encode()


def in_csv(text: bytes, *, is_json: Sequence[bool]) -> bytes:
    """Return CSV with these characters as their numbers in Unicode, as pages show them.

    Columns of JSON have them as escapes.
    """
    # The common case: one scan of the bytes.
    if _ALL_PRINTABLE.fullmatch(text):
        return text
    columns = cycle(is_json)

    def cell(match: re.Match[str]) -> str:
        return (_escaped if next(columns) else _numbered)(match[1]) + match[2]

    return _CELL.sub(cell, text.decode()).encode()


def _escaped(text: str) -> str:
    return _OTHERS.sub(lambda match: _escape(match[0]) if is_blank(match[0]) else match[0], text)


def _numbered(text: str) -> str:
    return _OTHERS.sub(lambda match: number(match[0]) if is_blank(match[0]) else match[0], text)


def _escape(character: str) -> str:
    return f"\\u{ord(character):04x}" if character.isascii() else json.dumps(character)[1:-1]
