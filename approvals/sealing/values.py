"""Current state of the subjects of held commands: their numbers, and the values that matter."""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, TypeAlias

from audit.messages.classes import Subject
from audit.models.records import StreamHead
from audit.subjects import types

#: The values of a row as JSON, by column; None where there is no row.
Values: TypeAlias = dict[str, Any] | None


class SubjectVersion(NamedTuple):
    """The current state of a subject: its number of events, and its values."""

    number: int
    values: Values


def present_values(subject: Subject | None) -> Values:
    """Return the current values of a subject, except those that its history excludes."""
    found = types.subject_type(subject.type) if subject else None
    instance = found.load(subject.id) if found and subject else None
    return _plain(types.subject_fields(found), instance) if found and instance else None


def current_versions(
    subjects: Iterable[Subject], *, rows: Mapping[Subject, Any]
) -> Mapping[Subject, SubjectVersion]:
    """Return the current state of many subjects, in two queries for each type.

    Those of ``rows`` are not read again.
    """
    identifiers: defaultdict[str, set[str]] = defaultdict(set)
    for subject in subjects:
        identifiers[subject.type].add(subject.id)
    return {
        Subject(type_name, identifier): version
        for type_name, wanted in identifiers.items()
        for identifier, version in _versions_of_type(type_name, wanted, rows).items()
    }


def _versions_of_type(
    type_name: str, wanted: set[str], given: Mapping[Subject, Any]
) -> dict[str, SubjectVersion]:
    heads = StreamHead.objects.filter(subject_type=type_name, subject_id__in=wanted)
    # The numbers are read first: a row that changes in between is newer than its number, never
    # older.
    numbers = dict(heads.values_list("subject_id", "number"))
    found, rows = types.subject_type(type_name), {}
    if found:
        fields = types.subject_fields(found)
        instances = {each: given.get(Subject(type_name, each)) for each in wanted}
        if unread := [each for each, row in instances.items() if row is None]:
            read = found.model._base_manager.filter(pk__in=unread)
            instances |= {str(each.pk): each for each in read}
        rows = {each: _plain(fields, row) for each, row in instances.items() if row}
    return {each: SubjectVersion(numbers.get(each, 0), rows.get(each)) for each in wanted}


def _plain(fields: Iterable[str], instance: Any) -> dict[str, Any]:
    return as_values({name: getattr(instance, name) for name in fields})


def as_values(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return values as JSON types, always in the same form, so that they can be compared."""
    plain: dict[str, Any] = json.loads(json.dumps(content, default=_text))
    return plain


def _text(value: Any) -> str:
    return bytes(value).hex() if isinstance(value, bytes | memoryview) else str(value)
