"""Setbacks: events that a subscription has set aside, and when each is retried."""

import re
from datetime import timedelta

from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from audit.messages.catalog import UnknownMessageType
from audit.messages.classes import Subject
from audit.messages.exceptions import CommandError
from audit.messages.tracebacks import message_of
from audit.models.records import EventRecord
from audit.models.subscriptions import LONGEST_ERROR, Setback
from audit.reactions.checkpoints import Slot
from audit.reactions.declarations import Subscription

MOST_SUBJECTS, MOST_EVENTS = 50, 100
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]+")


def set_aside(slot: Slot, record: EventRecord) -> Setback:
    """Set an event aside behind those of its subject that already are."""
    setback = Setback(
        name=slot.name,
        partition=slot.partition,
        subject_type=record.subject_type,
        subject_id=record.subject_id,
        number=record.number,
        event_id=record.id,
        state=Setback.State.WAITING,
    )
    setback.save(force_insert=True)
    return setback


def is_first(setback: Setback) -> bool:
    """Return True if no earlier event of the subject is set aside."""
    return not beside(setback).filter(number__lt=setback.number).exists()


def hold_back_later(setback: Setback) -> None:
    """Stop retrying later events of the subject: they wait for this one."""
    later = beside(setback).filter(number__gt=setback.number, state=Setback.State.RETRYING)
    later.update(state=Setback.State.WAITING, next_try_at=None, error_code="", error="")


def schedule(setback: Setback, *, seconds: float = 0) -> None:
    """Schedule an attempt at an event that has not failed, but had to wait."""
    setback.state = Setback.State.RETRYING
    setback.next_try_at = Now() + timedelta(seconds=seconds)
    setback.save(force_update=True)


def note_failure(setback: Setback, error: Exception, *, subscription: Subscription) -> None:
    """Schedule the next attempt at an event, or park its subject after the last one."""
    setback.attempts += 1
    setback.error_code, setback.error = _code(error), _summary(error)
    pause = subscription.pause_after(setback.attempts, error)
    if pause is None:
        setback.state, setback.next_try_at = Setback.State.PARKED, None
    else:
        setback.state = Setback.State.RETRYING
        setback.next_try_at = Now() + timedelta(seconds=pause)
    setback.save(force_update=True)


def due() -> set[tuple[str, int]]:
    """Return the names and partitions with attempts that are due."""
    return set(_due().values_list("name", "partition").distinct())


def due_subjects(slot: Slot) -> list[Subject]:
    """Return subjects of a partition whose next attempt is due."""
    found = _due().filter(name=slot.name, partition=slot.partition).order_by("next_try_at")
    subjects = found.values_list("subject_type", "subject_id")[:MOST_SUBJECTS]
    return list(dict.fromkeys(Subject(*each) for each in subjects))


def all_of(name: str, subject: Subject) -> QuerySet[Setback]:
    """Return the events of a subject that are set aside."""
    return Setback.objects.filter(name=name, subject_type=subject.type, subject_id=subject.id)


def with_error(slot: Slot, kind: type[Exception]) -> QuerySet[Setback]:
    """Return the events of a partition that are retried after an error of this class."""
    retried = Setback.objects.filter(state=Setback.State.RETRYING, error_code=kind.__name__)
    return retried.filter(name=slot.name, partition=slot.partition)


def beside(setback: Setback) -> QuerySet[Setback]:
    """Return the events of the same subject that are set aside, with the given one."""
    return all_of(setback.name, Subject(setback.subject_type, setback.subject_id))


def of_subject(name: str, subject: Subject) -> list[tuple[Setback, bool]]:
    """Return the first events of a subject that are set aside, and whether each is due."""
    is_due = Q(state=Setback.State.RETRYING, next_try_at__lte=Now())
    ordered = all_of(name, subject).annotate(is_due=is_due).order_by("number")[:MOST_EVENTS]
    return [(setback, setback.is_due) for setback in ordered]


def promote(name: str, subject: Subject) -> None:
    """Schedule the next event of a subject for now, once those before it are handled."""
    first = all_of(name, subject).order_by("number").first()
    if first and first.state == Setback.State.WAITING:
        schedule(first)


def _due() -> QuerySet[Setback]:
    return Setback.objects.filter(state=Setback.State.RETRYING, next_try_at__lte=Now())


def _code(error: Exception) -> str:
    if isinstance(error, UnknownMessageType):
        return "unloadable"
    return error.code if isinstance(error, CommandError) else type(error).__name__


def _summary(error: Exception) -> str:
    """Return one line about an error, without values that the database quotes."""
    return _CONTROL.sub(" ", message_of(error))[:LONGEST_ERROR]
