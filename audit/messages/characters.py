"""Characters that mislead in names: without a glyph, or like the quotation marks around a name."""

import re
import unicodedata
from functools import lru_cache

_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_ENCLOSING = frozenset({"Mn", "Me"})
#: Marks on one letter; more would cover the lines around it.
MOST_MARKS = 3
# Letters, marks and symbols by category, but without a glyph: the rest of Unicode's
# Default_Ignorable_Code_Point, the blank of Braille, and placeholders.
_BLANK_RANGES = (
    (0x034F, 0x034F),
    (0x115F, 0x1160),
    (0x17B4, 0x17B5),
    (0x180B, 0x180F),
    (0x2800, 0x2800),
    (0x3164, 0x3164),
    (0xFE00, 0xFE0F),
    (0xFFA0, 0xFFA0),
    (0xFFFC, 0xFFFC),
    (0x16FE4, 0x16FE4),
    (0x1D159, 0x1D159),
    (0xE0100, 0xE01EF),
)
_BLANK = frozenset(chr(code) for first, last in _BLANK_RANGES for code in range(first, last + 1))
# Confusable with “ or ” by Unicode TS 39, or almost. The straight mark of keyboards is not here.
_DOUBLE_MARKS = frozenset(
    "\u02ba\u02dd\u02ee\u02f5\u02f6\u05f2\u05f4\u1cd3\u201c\u201d\u201e\u201f\u2033\u2034\u2036"
    "\u2037\u2057\u275d\u275e\u2e42\u3003\u301d\u301e\u301f\uff02\U0001f676\U0001f677\U0001f678"
)
# Two of these are, too.
_SINGLE_MARKS = frozenset(
    "\u0060\u00b4\u02b9\u02bb\u02bc\u02bd\u02be\u02c8\u02ca\u02cb\u02f4\u0374\u0384\u055a\u055d"
    "\u05d9\u05f3\u07f4\u07f5\u144a\u16cc\u1fbd\u1fbf\u1fef\u1ffd\u1ffe\u2018\u2019\u201b\u2032"
    "\u2035\u275b\u275c\ua78c\uff07\uff40\U00016f51\U00016f52"
)


_IDENTIFIER = re.compile(r"[A-Za-z0-9_.@+:/*-]+")
# The labels of actors that this product makes: a username, alone or with the name of a key.
_ACTOR = re.compile(r"[\w.@+-]+(, with [^“”]* “[^“”]*” \(\w*…\))?")


def number(character: str) -> str:
    """Return a character as its number in Unicode: [U+200B]."""
    return f"[U+{ord(character):04X}]"


def is_blank(character: str) -> bool:
    """Return True if a character has no glyph and is no space."""
    return unicodedata.category(character) in _UNSEEN or character in _BLANK


def visible(text: str) -> str:
    """Return text with its line breaks, and each character without a glyph as its number.

    Marks that pile up on one letter are shown as their numbers, too.
    """
    if text.isascii() and text.isprintable():
        # The common case: one check instead of one for each character.
        return text
    written, marks = [], 0
    for character in text.replace("\r\n", "\n"):
        marks = marks + 1 if unicodedata.category(character) in _ENCLOSING else 0
        is_seen = character in "\n\t" or not is_blank(character)
        written.append(character if is_seen and marks <= MOST_MARKS else number(character))
    return "".join(written)


# Each request of a key needs the same label: the text decides alone, so no result is outdated.
@lru_cache(maxsize=1000)
def quoted(text: str, *, longest: int = 150) -> str:
    """Return text from a user in curly quotation marks, for a sentence of ours.

    It cannot end the quotation: what looks like these marks is shown as its number, a straight
    mark as a single one, and what cannot be seen as its number, too.
    """
    shown = text if _is_plain(text) else _numbered(text)
    return f"“{shown if len(shown) <= longest else f'{shown[: longest - 1]}…'}”"


def quoted_text(text: str) -> str:
    """Return a reason or comment on one line and in quotation marks, for a sentence of ours."""
    return quoted(" ".join(text.split()), longest=1000)


def identifier(text: str) -> str:
    """Return an identifier as it is; anything else in quotation marks."""
    return text if _IDENTIFIER.fullmatch(text) else quoted(text)


def actor_name(label: str) -> str:
    """Return the label of an actor for a sentence of ours: a name of several words as quoted."""
    return visible(label) if _ACTOR.fullmatch(label) else quoted(label)


def is_unseen(character: str, *, former: str) -> bool:
    """Return True if a character after the former one cannot be seen in a name, or not on its own.

    A name begins after a space: of two spaces, only one can be seen, and marks need a letter.
    """
    if former == " ":
        return character == " " or unicodedata.category(character)[0] == "M" or is_blank(character)
    return character != " " and (character.isspace() or is_blank(character))


def _is_plain(text: str) -> bool:
    """Return True for the common case, with one check instead of one for each character."""
    is_ordinary = text.isascii() and text.isprintable() and text == text.strip()
    return is_ordinary and not any(each in text for each in ("  ", "``", '"'))


def _numbered(text: str) -> str:
    shown = [
        number(each) if _ends_quotation(each, former) or is_unseen(each, former=former) else each
        for former, each in zip(f" {text}", text, strict=False)
    ]
    if shown and shown[-1] == " ":
        shown[-1] = number(" ")
    return visible("".join(shown)).replace('"', "'")


def _ends_quotation(character: str, former: str) -> bool:
    is_pair = character in _SINGLE_MARKS and former in _SINGLE_MARKS
    return is_pair or character in _DOUBLE_MARKS
