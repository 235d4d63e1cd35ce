"""Text from users, safe to show: it cannot pass for text of this product.

A name may contain characters that reverse the text after them, that are invisible, or that pile up
over the lines around them. Each of these is shown as its number, and long text is cut.
"""

import unicodedata

_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_MOST_MARKS = 3


def one_line(text: str, *, longest: int) -> str:
    """Return text on one line of at most ``longest`` characters."""
    written = many_lines(" ".join(text.split()))
    return written if len(written) <= longest else f"{written[: longest - 1]}…"


def many_lines(text: str) -> str:
    """Return text with its line breaks, and each invisible character as its number."""
    written, marks = [], 0
    for character in text.replace("\r\n", "\n"):
        category = unicodedata.category(character)
        marks = marks + 1 if category in ("Mn", "Me") else 0
        is_hidden = category in _UNSEEN and character not in "\n\t"
        is_seen = not is_hidden and marks <= _MOST_MARKS
        written.append(character if is_seen else f"[U+{ord(character):04X}]")
    return "".join(written)
