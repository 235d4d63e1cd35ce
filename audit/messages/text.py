"""Storable text: without characters that PostgreSQL or a terminal cannot handle."""

import unicodedata
from http import HTTPStatus

# Python 3.13 has other phrases; documents and records keep these.
_RENAMED = {
    413: "Request Entity Too Large",
    414: "Request-URI Too Long",
    416: "Requested Range Not Satisfiable",
    422: "Unprocessable Entity",
}
_LINE_CHARACTERS = "\n\t"


def clean_text(value: str, *, longest: int) -> str:
    """Drop characters that PostgreSQL or a terminal cannot handle; truncate to ``longest``.

    These are lone surrogates and control characters, including NUL; line breaks and tabs stay.
    """
    if value.isprintable():
        # The common case: one check instead of one for each character.
        return value.strip()[:longest]
    kept = [
        character
        for character in value.replace("\r\n", "\n").strip()
        if character in _LINE_CHARACTERS or unicodedata.category(character) not in ("Cc", "Cs")
    ]
    return "".join(kept)[:longest]


def header_text(value: str, *, longest: int) -> str:
    """Return the text of a header, which WSGI decodes as Latin-1 (PEP 3333).

    It is decoded as UTF-8 instead, if it is valid UTF-8, and cleaned.
    """
    return clean_text(_decoded(value), longest=longest)


def header_line(value: str, *, longest: int) -> str:
    """Return the text of a header on one line, with single spaces."""
    return clean_text(" ".join(_decoded(value).split()), longest=longest)


def _decoded(value: str) -> str:
    try:
        return value.encode("latin-1").decode()
    except UnicodeError:
        return value


def phrase_of(status: int) -> str:
    """Return the reason phrase of an HTTP status, the same in every version of Python."""
    return _RENAMED.get(status) or HTTPStatus(status).phrase
