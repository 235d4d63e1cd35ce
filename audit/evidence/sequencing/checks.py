"""System checks of the name and the keys of the transparency log."""

from collections.abc import Sequence
from typing import Any

from django.core.checks import CheckMessage, Error, Tags, register

from audit.evidence.sequencing import keys, logs, writing
from audit.installation.settings import countersign
from audit.tracking.protection import is_checked, is_migrated

_HOW = "Correct LOG_ORIGIN or LOG_KEYS: docs/settings.md."
_REGISTER = (
    "Put a former key back, after the new one, and restart manage.py work. If it is lost, run"
    " manage.py migrate, which registers the new one as the owner of the tables."
)


@register()
def check_signing(**_: Any) -> list[CheckMessage]:
    """Check that checkpoints can be signed under the name of the log, with each of the keys."""
    problem = _problem()
    return [Error(problem, hint=_HOW, id="audit.E025")] if problem else []


@register(Tags.database)
def check_writing(databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    """Check that the database accepts rows of the log from a process with these keys."""
    if not is_checked(databases) or not is_migrated() or writing.is_known():
        return []
    message = "The database knows no key of LOG_KEYS, so the transparency log cannot continue."
    return [Error(message, hint=_REGISTER, id="audit.E026")]


def _problem() -> str:
    try:
        signers = keys.signers(f"{logs.origin()}/1")
    except ValueError as error:
        return f"The transparency log cannot be signed: {error}."
    if not signers:
        return "The transparency log has no key."
    is_repeated = len({bytes(each) for each in countersign().log_keys.values()}) < len(signers)
    return "The transparency log has the same key under two ids in LOG_KEYS." if is_repeated else ""
