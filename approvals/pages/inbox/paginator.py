"""Keyset pagination behind the interface of Django's paginator."""

from functools import cached_property
from typing import Any

from django.core.paginator import EmptyPage, Page, Paginator

from approvals.models import ApprovalRequest
from approvals.pages.inbox.filter import COUNTED


class KeysetPaginator(Paginator):
    """The first page of a query, which begins after the last row of the page before.

    The rows are counted up to a limit, by the one query that reads them.
    """

    @cached_property
    def rows(self) -> list[ApprovalRequest]:
        """The first rows: those of the page, and those that are counted."""
        return list(self.object_list[:COUNTED])

    @cached_property
    def count(self) -> int:
        return len(self.rows)

    def page(self, number: int | str) -> Page[Any]:
        if number != 1:
            message = "Other pages are reached by their links."
            raise EmptyPage(message)
        return Page(self.rows[: self.per_page], 1, self)
