"""System checks of the destinations of checkpoints."""

from collections.abc import Sequence
from typing import Any

from django.core.checks import CheckMessage, Error, Tags, Warning, register  # noqa: A004  # Django's
from django.utils import timezone

from audit.evidence.witnessing import standings
from audit.evidence.witnessing.destinations import InvalidDestination, destinations
from audit.tracking.protection import is_checked, is_migrated

_HOW = "Set LOG_DESTINATIONS, LOG_WITNESSES or LOG_DIRECTORIES: docs/evidence.md."


@register()
def check_destinations(**_: Any) -> list[CheckMessage]:
    """Check that the destinations of checkpoints are well-formed."""
    try:
        destinations()
    except InvalidDestination as error:
        return [Error(f"{error}.", hint=_HOW, id="audit.E024")]
    return []


@register(Tags.database)
def check_witnessing(databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    """Warn if no checkpoint, or none of the last hours, is outside the database."""
    if not is_checked(databases) or not is_migrated():
        return []
    if standings.is_overdue(now=timezone.now()):
        message = "The newest checkpoint that is kept outside is older than LOG_PUBLISHED_WITHIN."
        return [Warning(message, hint=_hint(), id="audit.W004")]
    return []


def _hint() -> str:
    try:
        found = standings.standings(destinations())
    except InvalidDestination:
        return _HOW
    problems = [f"{each.destination}: {each.problem}" for each in found if each.problem]
    return " ".join(problems) or ("Start manage.py work." if found else _HOW)
