"""The public API for the pages of an app: admin classes, and texts that are safe to show."""

from audit.pages.admin import HistoryAdmin, ReadOnlyAdmin, ReadOnlyInline
from audit.pages.labels import fields, shown, words
from audit.pages.linked_rows import LinkedRows
from audit.pages.list_parameters import RelatedFilter
from audit.pages.safe_text import many_lines, one_line

__all__ = [
    "HistoryAdmin",
    "LinkedRows",
    "ReadOnlyAdmin",
    "ReadOnlyInline",
    "RelatedFilter",
    "fields",
    "many_lines",
    "one_line",
    "shown",
    "words",
]
