"""Text as it may be stored: without characters that PostgreSQL or a terminal cannot handle."""

import unicodedata

_LINE_CHARACTERS = "\n\t"


def clean_text(value: str, *, longest: int) -> str:
    """Drop what PostgreSQL or a terminal cannot bear, and cut to the longest length in characters.

    Dropped are lone surrogates and control characters, NUL among them; line breaks and tabs stay.
    """
    if value.isprintable():
        # As nearly everything is: one look, in place of one at each character.
        return value.strip()[:longest]
    kept = [
        character
        for character in value.replace("\r\n", "\n").strip()
        if character in _LINE_CHARACTERS or unicodedata.category(character) not in ("Cc", "Cs")
    ]
    return "".join(kept)[:longest]


def header_text(value: str) -> str:
    """Read as UTF-8 what WSGI hands over as Latin-1, unless it is not UTF-8 (PEP 3333)."""
    try:
        return value.encode("latin-1").decode()
    except UnicodeError:
        return value
