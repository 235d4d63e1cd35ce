"""Text from users, written so that it cannot pass for ours.

A name may hold characters that turn the direction of what follows, that nobody sees, or that pile
up over the lines around it. Here each of them is shown as its number, and what is long is folded.
"""

import unicodedata

_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_MOST_MARKS = 3


def one_line(text: str, *, longest: int) -> str:
    """Write text on one line of that many characters at most."""
    written = many_lines(" ".join(text.split()))
    return written if len(written) <= longest else f"{written[: longest - 1]}…"


def many_lines(text: str) -> str:
    """Write text with its line breaks, and every character that would not be seen as its number."""
    written, marks = [], 0
    for character in text.replace("\r\n", "\n"):
        category = unicodedata.category(character)
        marks = marks + 1 if category in ("Mn", "Me") else 0
        is_hidden = category in _UNSEEN and character not in "\n\t"
        is_seen = not is_hidden and marks <= _MOST_MARKS
        written.append(character if is_seen else f"[U+{ord(character):04X}]")
    return "".join(written)
