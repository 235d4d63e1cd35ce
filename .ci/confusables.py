#!/usr/bin/env python3
"""Write the table of confusable characters, from the data of Unicode in ICU.

Run it with the Python of an environment that has ICU: pip install icukit-pyicu==78.3.1.
"""

from collections import defaultdict
from pathlib import Path

import icu

TABLE = Path(__file__).parent.parent / "audit/messages/confusables.txt"
_SURROGATES = range(0xD800, 0xE000)
_HEAD = """\
# Ranges of characters, after the text that they look like: the skeletons of Unicode TS 39.
# Made by .ci/confusables.py from Unicode {version}. License: UNICODE-LICENSE.txt.
"""


def main() -> None:
    """Group the characters by their skeletons, except those that are their own."""
    checker, confusable = icu.SpoofChecker(), defaultdict(list)
    for code in range(0x110000):
        if code in _SURROGATES:
            continue
        character = chr(code)
        decomposed = icu.Normalizer2.getNFDInstance().normalize(character)
        skeleton = checker.getSkeleton(1, character)
        # Decomposed first, a character with a decomposition is never looked up.
        if decomposed == character != skeleton:
            confusable[skeleton].append(character)
    lines = [f"{_written(target)} {_ranges(each)}" for target, each in confusable.items()]
    head = _HEAD.format(version=icu.UNICODE_VERSION)
    TABLE.write_text(head + "\n".join(sorted(lines)) + "\n", encoding="ascii")


def _written(text: str) -> str:
    return ",".join(f"{ord(each):X}" for each in text)


def _ranges(characters: list[str]) -> str:
    """Return the numbers of characters, of which those in succession by the first and last."""
    codes = sorted(map(ord, characters))
    first = [code for code in codes if code - 1 not in codes]
    last = [code for code in codes if code + 1 not in codes]
    return ",".join(f"{one:X}-{two:X}" for one, two in zip(first, last, strict=True))


if __name__ == "__main__":
    main()
