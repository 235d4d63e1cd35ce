"""Versions of a row for the admin: its history rows, their changes and their commands."""

from collections.abc import Iterable
from typing import Any

from django.db.models import Model
from django.http import Http404

from audit.actors.actors import Actor
from audit.log.approvals import approvers
from audit.log.visibility import VIEW_LOG
from audit.models.records import CommandRecord
from audit.pages.changes import history_of, revisions

_MOST_DIGITS = 18
_COLUMNS = ("command_id", "attempt", "status")


def find(row: Model, version_id: str) -> Any:
    """Return a version of a row, with its neighbors as ``older`` and ``newer``.

    :raises Http404: if it is not a version of this row.
    """
    history = history_of(type(row))
    if history is None or not version_id.isdecimal() or len(version_id) > _MOST_DIGITS:
        raise Http404
    versions = history.filter(**{type(row)._meta.pk.attname: row.pk})
    version = versions.filter(history_id=version_id).first()
    if version is None:
        raise Http404
    version.older = versions.filter(history_id__lt=version.pk).order_by("-history_id").first()
    version.newer = versions.filter(history_id__gt=version.pk).order_by("history_id").first()
    return version


def describe(versions: Iterable[Any], *, actor: Actor) -> None:
    """Add to each version, newest first, its changes and approvers.

    Also whether the actor sees its command; of other commands, no approvers are shown.
    """
    newest_first = list(versions)
    for revision in revisions(newest_first[::-1]):
        revision.row.revision = revision
    ids = {version.history_command_id for version in newest_first if version.history_command_id}
    records = actor.confine(CommandRecord.objects.filter(command_id__in=ids))
    seen = list(records.only(*_COLUMNS)) if actor.may(VIEW_LOG) else []
    seen_ids, approved_by = {each.command_id for each in seen}, approvers(seen)
    for version in newest_first:
        version.is_command_seen = version.history_command_id in seen_ids
        version.approvers = approved_by.get(version.history_command_id, ())
