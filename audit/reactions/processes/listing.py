"""Lists of process instances and timers, for the people who look after them."""

from collections.abc import Iterable
from typing import NamedTuple
from uuid import UUID

from django.db.models import Exists, OuterRef, QuerySet

from audit.log.orders import Key, Order, Values
from audit.models.processes import ProcessInstance, ProcessTimer
from audit.models.records import CommandRecord
from audit.reactions.processes.declarations import processes

ORDER = Order("processes", Key("process", str), Key("key", str), is_ascending=True)


class Page(NamedTuple):
    """Instances by process and key; the cursor of the next page is empty after the last one."""

    instances: list[ProcessInstance]
    next: str


def instances(
    *, process: str = "", key: str = "", has_failures: bool = False, after: Values | None, size: int
) -> Page:
    """Return a page of the instances that match: by process, by key, or with failed timers.

    A key without a process is one of any process that an app declares.
    """
    found = ProcessInstance.objects.order_by(*ORDER.sorting())
    if process:
        found = found.filter(process=process)
    if key:
        # The index begins with the process.
        names = [process] if process else [each.name for each in processes()]
        found = found.filter(process__in=names, key=key)
    if has_failures:
        found = found.filter(Exists(failed().filter(instance=OuterRef("pk"))))
    if after:
        found = found.filter(ORDER.behind(after))
    rows = list(found[: size + 1])
    return Page(rows[:size], ORDER.cursor(rows[size - 1]) if len(rows) > size else "")


def timers_of(found: Iterable[ProcessInstance]) -> QuerySet[ProcessTimer]:
    """Return the timers of some instances, the next one first."""
    return ProcessTimer.objects.filter(instance__in=list(found)).order_by("due_at", "pk")


def upcoming(*, limit: int) -> list[ProcessTimer]:
    """Return the timers that are due next, with their instances."""
    return list(_with_instances(ProcessTimer.objects.all())[:limit])


def failing(*, limit: int) -> list[ProcessTimer]:
    """Return the timers whose last attempt has failed, with their instances."""
    return list(_with_instances(failed())[:limit])


def failed() -> QuerySet[ProcessTimer]:
    """Return the timers whose last attempt has failed."""
    return ProcessTimer.objects.filter(failures__gt=0)


def cases_of(timers: Iterable[ProcessTimer]) -> dict[UUID, UUID]:
    """Return the cases of the commands that set timers, by command."""
    ids = {each.command_id for each in timers if each.command_id}
    found = CommandRecord.objects.filter(command_id__in=ids)
    return dict(found.values_list("command_id", "correlation_id"))


def _with_instances(timers: QuerySet[ProcessTimer]) -> QuerySet[ProcessTimer]:
    return timers.select_related("instance").order_by("due_at", "pk")
