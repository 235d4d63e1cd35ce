"""Checks of new names: every character of a name can be seen."""

from audit.messages.characters import MOST_MARKS, is_unseen, visible
from audit.messages.exceptions import FieldError, Invalid

_UNSEEN = "must not contain U+{:04X} at character {}, which cannot be seen there"
_SPACES = "must not begin or end with a space, or have two in a row"
_MARKS = f"must not have more than {MOST_MARKS} marks on one letter"


def check_name(name: str, *, field: str = "name") -> None:
    """Check that every character of a name can be seen.

    :raises Invalid: naming the first character that cannot, by its number in Unicode.
    """
    problem = _problem(name)
    if problem:
        raise Invalid(errors=[FieldError(field, "misleading", problem)])


def _problem(name: str) -> str:
    if name != name.strip(" ") or "  " in name:
        return _SPACES
    for place, (former, character) in enumerate(zip(f" {name}", name, strict=False), 1):
        if is_unseen(character, former=former):
            return _UNSEEN.format(ord(character), place)
    return "" if visible(name) == name else _MARKS
