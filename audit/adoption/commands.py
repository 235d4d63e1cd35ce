"""Requests to views as commands: their declaration, and what is recorded of one."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, ClassVar, Self

from django.db.models import Model
from django.http.response import HttpResponseBase
from rest_framework import status

from audit.messages.characters import quoted
from audit.messages.classes import Command, Subject, generated
from audit.messages.exceptions import Refused
from audit.messages.text import phrase_of


@dataclass(frozen=True, kw_only=True)
class ViewCommand:
    """The command that requests to a view are.

    ``name`` is its stored name. ``sentence`` is what approvers read: {subject} stands for the label
    of the subject, and the name of a field of the body for its value. ``subject`` is the type of
    the subject, which the URL names by the model's field ``by``. ``subject_from`` is the field of
    the response with the id of what was created, such as "id" or "article.id"; ``reserves`` is the
    model whose next id the view takes from ``self.new_id`` instead, so that a held command knows
    it. ``masks`` are names of values that are not recorded, beyond those that are named like
    secrets and the write-only fields of the serializer; ``shows`` are exceptions from that.
    """

    name: str = field(kw_only=False)
    sentence: str = ""
    subject: str = ""
    by: str = ""
    subject_from: str = ""
    reserves: type[Model] | None = None
    masks: tuple[str, ...] = ()
    shows: tuple[str, ...] = ()


class RefusedByView(Refused):
    """The view refused the request."""

    remedy = "Read the response to the original request, and fix the request."

    def __init__(self, message: str = "", *, response: HttpResponseBase | None = None) -> None:
        if response is not None:
            message = f"The view returned {_worded_status(HTTPStatus(response.status_code))}."
        super().__init__(message)
        self.response = response

    @classmethod
    def with_status(cls, found: HTTPStatus) -> Self:
        """Return the refusal of a view that raised an error which stands for this status."""
        return cls(f"The view returned {_worded_status(found)}.")

    @property
    def status(self) -> HTTPStatus:
        """The status that the view returned."""
        found = re.search(r" (\d{3}) ", self.message)
        return HTTPStatus(int(found[1])) if found else HTTPStatus.CONFLICT


@dataclass(frozen=True, kw_only=True)
class SentRequest(Command):
    """A request to change something, as it was sent."""

    declared: ClassVar[ViewCommand]
    #: The names of values that every such request has and that are not stored, of any view.
    always_masked: ClassVar[list[Callable[[], tuple[str, ...]]]]

    method: str
    path: str
    content_type: str = ""
    body: Any = None
    withheld: tuple[str, ...] = ()
    digest: str = ""
    # What follows is no part of the fingerprint: a repeat of the request may find other values.
    subject_id: str | None = generated(type(None))
    origin: str = generated(str)
    new_id: int | None = generated(type(None))

    @classmethod
    def creates_subject(cls) -> bool:
        """Return True if an id is reserved for what the request creates."""
        return cls.declared.reserves is not None

    @classmethod
    def always_withheld(cls) -> frozenset[str]:
        """Return the names of values that every such request has and that are not stored."""
        return frozenset(name for names in cls.always_masked for name in names())

    def withheld_names(self) -> frozenset[str]:
        """Return the names of masked values and of files."""
        return frozenset(self.withheld)

    def subject_reference(self) -> Subject | None:
        """Return the subject, or None if the request does not name one."""
        is_named = self.subject_id is not None or self.new_id is not None
        return super().subject_reference() if is_named else None

    def describe(self, subject_label: str) -> str:
        """Return the declared sentence, or else the method, the URL and the body."""
        if self.sentence:
            values = self.body if isinstance(self.body, dict) else {}
            texts = {name: _worded(value) for name, value in values.items()}
            return self.sentence.format_map(_Texts(texts | {"subject": subject_label}))
        request = f"{self.method} {quoted(self.path)}"
        return request if self.body is None else f"{request}: {_worded(self.as_json()['body'])}"

    @classmethod
    def has_succeeded(cls, response: HttpResponseBase) -> bool:
        """Return True if the effects of the view are to be kept."""
        return status.is_success(response.status_code)

    @classmethod
    def may_be_held(cls, response: HttpResponseBase) -> bool:
        """Return True if the response to a trial shows that the request would succeed."""
        return cls.has_succeeded(response)


class _Texts(dict[str, str]):
    def __missing__(self, name: str) -> str:
        return "—"


def _worded(value: Any) -> str:
    return quoted(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def _worded_status(found: HTTPStatus) -> str:
    return f"{found.value} {phrase_of(found.value)}"
