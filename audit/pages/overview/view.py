"""The overview page: figures of the last thirty days, each with a link to what it counts."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, NamedTuple

from django.db.models import Exists, OuterRef, QuerySet, TextField, Value
from django.db.models.functions import Cast
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from audit.actors.actors import Actor
from audit.log import feed
from audit.log.commands import ChangeOutsideCommand
from audit.log.search.activity import MOST, activity
from audit.log.search.criteria import Criteria
from audit.log.search.fragments import Fragment
from audit.log.search.reading import read_page
from audit.log.search.scans import through_time
from audit.log.search.time_ranges import TimeRange
from audit.messages.classes import Subject
from audit.models.records import CommandRecord, Status
from audit.pages.access import check_parameters, for_auditors, rendered
from audit.pages.changes import history_of
from audit.pages.charts.bars import BarChart, Count, Frame, LinksTo, bar_chart, rank_bars
from audit.pages.charts.heat import HOURS, HeatMap, heat_map
from audit.pages.charts.scales import TimeScale, days
from audit.pages.evidence.progress import log_progress
from audit.pages.labels import span
from audit.pages.lines import bare_lines
from audit.pages.linked_rows import search_url
from audit.pages.local_times import reader_zone
from audit.pages.overview.approval_times import held
from audit.pages.overview.drift import last_drift
from audit.pages.times import written
from audit.subjects import types
from audit.subjects.names import labels
from audit.subjects.types import SubjectType
from audit.tracking.parts import parts_of

DAYS = 30
_USUAL_AGE = timedelta(seconds=5)
_MOST_BY_ACTORS = 1_000
_MOST_ACTORS = 8
_MOST_OUTSIDE, _MOST_OUTSIDE_READ = 5, 50
_MOST_REVISIONS = 1_000


class UnloggedChange(NamedTuple):
    """A change of a subject that no logged command made."""

    subject: Subject
    label: str
    at: datetime


@for_auditors
def overview(request: HttpRequest, actor: Actor) -> HttpResponse:
    """Show charts of the last thirty days, and their numbers."""
    check_parameters(request, ())
    return rendered(
        request,
        "audit/overview.html",
        section="overview",
        title="Overview",
        page=_figures(actor, zone=reader_zone(request)),
        days=DAYS,
        most_counted=f"{MOST:,}",
    )


def _figures(reader: Actor, *, zone: tzinfo) -> dict[str, Any]:
    midnights = days(timezone.now().astimezone(zone), number=DAYS)
    criteria = Criteria.seen_by(reader, since=midnights[0])
    return {
        "heat": _heat(criteria, midnights),
        "refused": _by_day(criteria, midnights, Status.REFUSED),
        "failed": _by_day(criteria, midnights, Status.FAILED),
        "held": held(
            replace(criteria, status=Status.POSTPONED), links_to=_links_to(status=Status.POSTPONED)
        ),
        "held_url": _url(since=criteria.since, status=Status.POSTPONED),
        "most_active": _most_active(criteria),
        "outside": _outside(criteria, reader=reader),
        "drift": last_drift(reader),
        "log": log_progress(reader),
        "writers": [] if reader.is_confined else _slow_writers(),
    }


def _slow_writers() -> list[dict[str, Any]]:
    """Return the transactions that hold back the readers of the log for longer than usual."""
    return [
        {**writer._asdict(), "age": span(writer.age) if writer.age else ""}
        for writer in feed.writers()
        if writer.age is None or writer.age > _USUAL_AGE
    ]


def _heat(criteria: Criteria, midnights: list[datetime]) -> HeatMap | None:
    hours = [midnights[0] + timedelta(hours=each) for each in range(DAYS * HOURS + 1)]
    # Where clocks are set forward, the time of an hour that does not exist is after the next one.
    numbers = activity(criteria, sorted(hour.astimezone(UTC) for hour in hours))
    frame = Frame("hours", f"Commands per hour, last {DAYS} days", _links_to())
    return None if numbers is None else heat_map(numbers, midnights, frame)


def _by_day(criteria: Criteria, midnights: list[datetime], status: Status) -> BarChart | None:
    numbers = activity(replace(criteria, status=status), midnights)
    frame = Frame(status, status.label, _links_to(status=status), mark="chart-bad")
    return None if numbers is None else bar_chart(numbers, TimeScale(midnights, "%d %b"), frame)


def _most_active(criteria: Criteria) -> dict[str, Any]:
    """Return the actors of most of the newest commands, and since when these were sent."""
    rows = _newest_by_actor(criteria)
    counts = [
        Count(label, number, _url(since=since, actor=f"{kind}:{identifier}"))
        for kind, identifier, label, number, _, since in rows
    ]
    total, since = rows[0][-2:] if rows else (0, None)
    return {"bars": rank_bars(counts), "number": f"{total:,}", "since": since}


def _newest_by_actor(criteria: Criteria) -> list[tuple[Any, ...]]:
    columns = "received_at, position, actor_kind, actor_id, actor_label"
    scan = through_time(criteria)
    found = TimeRange(criteria).first(scan, columns=columns, most=_MOST_BY_ACTORS)
    sql = f"""
        WITH newest AS MATERIALIZED ({found.sql})
        SELECT actor_kind, actor_id, max(actor_label), count(*),
            (SELECT count(*) FROM newest), (SELECT min(received_at) FROM newest)
        FROM newest GROUP BY actor_kind, actor_id ORDER BY count(*) DESC, 3 LIMIT %s
    """  # noqa: S608  # put together from conditions of our own
    return Fragment(sql, (*found.params, _MOST_ACTORS)).fetch()


def _outside(criteria: Criteria, *, reader: Actor) -> dict[str, Any]:
    """Return the direct database changes, logged and unlogged."""
    message_type = ChangeOutsideCommand.message_type
    page = read_page(replace(criteria, message_type=message_type), size=_MOST_OUTSIDE_READ)
    # One that changed rows of several tenants has a record for each of them.
    changes = {each.causation_id or each.command_id: each for each in reversed(page.records)}
    newest = sorted(changes.values(), key=lambda each: each.position, reverse=True)
    return {
        "lines": bare_lines(newest[:_MOST_OUTSIDE], actor=reader),
        "url": _url(since=criteria.since, message_type=message_type),
        "unlogged": _unlogged(reader),
        "is_partial": reader.is_confined,
        "newest": f"{_MOST_REVISIONS:,}",
    }


def _unlogged(reader: Actor) -> list[UnloggedChange]:
    """Return unlogged changes among the newest ones of subjects and of their parts: one query."""
    rows = [rows for each in types.subject_types() for rows in _unlogged_rows(each, reader)]
    # Without order_by(), Django 6.1 sorts the whole by the ordering of the first model.
    read = rows[0].union(*rows[1:], all=True).order_by() if rows else []
    found = [(Subject(name, key), at) for name, key, at in read]
    names = labels((subject for subject, _ in found), actor=reader)
    unlogged = [UnloggedChange(subject, names[subject], at) for subject, at in found]
    return sorted(unlogged, key=lambda change: change.at, reverse=True)


def _unlogged_rows(subject_type: SubjectType, reader: Actor) -> Iterator[QuerySet[Any, Any]]:
    model, field = subject_type.model, subject_type.tenant_field
    if field is None and reader.is_confined:
        return
    history = history_of(model)
    if history is not None:
        rows = reader.confine(history, field) if field else history
        yield _unlogged_of(rows, subject_type.name, model._meta.pk.attname)
    for part in parts_of(model):
        rows = part.history._default_manager.all()
        if field and reader.is_confined:
            owners = reader.confine(model._base_manager.all(), field)
            rows = rows.filter(**{f"{part.owner.attname}__in": owners.values("pk")})
        yield _unlogged_of(rows, subject_type.name, part.owner.attname)


def _unlogged_of(rows: QuerySet[Any], type_name: str, owner: str) -> QuerySet[Any, Any]:
    history = rows.model._default_manager
    newest = history.order_by("-history_id").values("history_id")[:_MOST_REVISIONS]
    logged = CommandRecord.objects.filter(command_id=OuterRef("history_command_id"))
    unlogged = rows.filter(history_id__in=newest).exclude(Exists(logged))
    named = {"of": Value(type_name), "key": Cast(owner, TextField())}
    found = unlogged.annotate(**named).order_by("-history_id")
    listed: QuerySet[Any, Any] = found.values_list("of", "key", "history_date")
    return listed[:_MOST_OUTSIDE]


def _links_to(**asked: str) -> LinksTo:
    return lambda since, until: _url(since=since, until=until, **asked)


def _url(*, since: datetime | None, until: datetime | None = None, **asked: str) -> str:
    ends = {"since": since, "until": until}
    given = {name: written(at) for name, at in ends.items() if at}
    return search_url(**given, **asked)
