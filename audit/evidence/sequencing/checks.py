"""System check of the name and the keys of the transparency log."""

from typing import Any

from django.core.checks import CheckMessage, Error, register

from audit.evidence.sequencing import keys, logs

_HOW = "Correct LOG_ORIGIN or LOG_KEYS: docs/settings.md."


@register()
def check_signing(**_: Any) -> list[CheckMessage]:
    """Check that checkpoints can be signed under the name of the log, with each of the keys."""
    problem = _problem()
    return [Error(problem, hint=_HOW, id="audit.E025")] if problem else []


def _problem() -> str:
    try:
        signers = keys.signers(f"{logs.origin()}/1")
    except ValueError as error:
        return f"The transparency log cannot be signed: {error}."
    return "" if signers else "The transparency log has no key."
