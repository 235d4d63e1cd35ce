"""Sending a request to a view as a command: the view runs inside the bus."""

from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from django.core.exceptions import ObjectDoesNotExist
from django.db import transaction
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from rest_framework.request import Request

from audit.actors.actors import Actor
from audit.adoption import replaying
from audit.adoption.commands import RefusedByView, SentRequest
from audit.bus.context import Context
from audit.bus.dispatch import dispatch, refuse_input
from audit.entry.requests import LONGEST_REASON
from audit.messages.classes import Subject
from audit.messages.exceptions import CommandError, Crashed, FieldError, Forbidden, Invalid, Place
from audit.messages.outcomes import Outcome
from audit.messages.text import header_text
from audit.rest import problems
from audit.rest.references import status_url
from audit.rest.viewsets.outcomes import idempotency_key


@dataclass
class Sending:
    """One request to a view: the function that runs the view, and its latest response.

    ``tries_first``: before the command is held, the view is run and rolled back.
    """

    run: Callable[[SentRequest], HttpResponseBase]
    tries_first: bool = True
    response: HttpResponseBase | None = None


class AnonymousCaller(Forbidden):
    """This needs approval, so sign in before you request it."""

    remedy = "Send the request with credentials."


_current: ContextVar[Sending | None] = ContextVar("audit_sending", default=None)


def send(sending: Sending, command: SentRequest, *, context: Context) -> Outcome:
    """Dispatch a request; once it has succeeded, ``sending`` has the response of the view.

    :raises RefusedByView: with the response of the view, if the view refused it.
    :raises CommandError: as `dispatch` does.
    """
    token = _current.set(sending)
    try:
        return dispatch(command, context=context)
    finally:
        _current.reset(token)


def checked_key(
    request: HttpRequest | Request, command_class: type[SentRequest], *, context: Context
) -> str | None:
    """Return the Idempotency-Key of a request; None for anonymous callers, who would share keys.

    :raises Invalid: if it is malformed, or the request is for a dry run; this is recorded.
    """
    try:
        _refuse_dry_run(request)
        key = idempotency_key(request)
    except Invalid as error:
        refuse_input(command_class, error, context=context)
    return key if _is_known(context.actor) else None


def reason_of(request: HttpRequest | Request) -> str:
    """Return the reason that the caller gave in the header Audit-Reason."""
    return header_text(request.headers.get("Audit-Reason", ""), longest=LONGEST_REASON)


def repeat_of(outcome: Outcome) -> dict[str, Any]:
    """Return the body of the response to the repeat of a request that has succeeded."""
    reference = {"id": str(outcome.command_id), "url": status_url(outcome.command_id)}
    return {"status": "succeeded", "command": reference}


def status_of(error: CommandError) -> HTTPStatus:
    """Return the status of a refusal; of one by the view, that of the view."""
    return error.status if isinstance(error, RefusedByView) else problems.status_of(type(error))


def execute(command: SentRequest, context: Context) -> Any:
    """Run the view: the handler of every request. Nothing is kept if it answers with an error.

    :raises RefusedByView: if the view answers with an error.
    """
    response = replaying.response(command, context) if context.is_replay else _run(command)
    if not command.has_succeeded(response):
        raise RefusedByView(response=response)
    _find_subject(command, context, response)


def try_first(command: SentRequest, context: Context) -> None:
    """Run the view and roll it back, before the request is held: the precondition.

    :raises RefusedByView: if the view answers with an error, so that no one approves in vain.
    """
    sending = _current.get()
    if sending is None or not sending.tries_first:
        return
    with transaction.atomic():
        response = _run(command)
        transaction.set_rollback(True)
    if not command.may_be_held(response):
        raise RefusedByView(response=response)
    if not _is_known(context.actor):
        raise AnonymousCaller


def _refuse_dry_run(request: HttpRequest | Request) -> None:
    if "dry_run" in request.GET:
        message = "is not supported here; nothing was done"
        raise Invalid(errors=[FieldError("dry_run", "unsupported", message, Place.PARAMETER)])


def _is_known(actor: Actor) -> bool:
    return actor.person_id.isdecimal()


def _run(command: SentRequest) -> HttpResponseBase:
    sending = _current.get()
    if sending is None:
        message = f"{command.message_type} is a request: send it to its view"
        raise TypeError(message)
    # Other requests, sent inside the view, are sent on their own.
    token = _current.set(None)
    try:
        sending.response = sending.run(command)
    except ObjectDoesNotExist as error:
        # The bus would take it for the subject of the command, and the response would be 404.
        raise Crashed from error
    finally:
        _current.reset(token)
    return sending.response


def _find_subject(command: SentRequest, context: Context, response: HttpResponseBase) -> None:
    """Set the subject that the response names, if the request names none."""
    declared = command.declared
    if context.subject or not declared.subject_from:
        return
    value: Any = getattr(response, "data", None)
    for name in declared.subject_from.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    if value is not None:
        context.subject = Subject(declared.subject, str(value))
