"""System checks of relays: their brokers, and the adapters of these."""

from collections.abc import Iterator
from itertools import groupby
from typing import Any

from django.core.checks import CheckMessage, Error, register
from django.utils.module_loading import import_string

from audit.installation.settings import countersign
from audit.reactions.declarations import subscriptions
from audit.reactions.relays.subscriptions import Relay


@register()
def check_brokers(**_: Any) -> list[CheckMessage]:
    """Check that each relay has a broker of its own, whose adapter is installed."""
    relays = [each for each in subscriptions() if isinstance(each, Relay)]
    relays.sort(key=lambda each: each.broker)
    return [
        problem
        for broker, group in groupby(relays, key=lambda each: each.broker)
        for problem in _problems(broker, names=[each.name for each in group])
    ]


def _problems(broker: str, *, names: list[str]) -> Iterator[CheckMessage]:
    configured = countersign().brokers.get(broker)
    if configured is None:
        yield Error(
            f"The relay {names[0]} publishes to {broker!r}, which is not set.",
            hint="Add it to BROKERS in COUNTERSIGN: docs/settings.md.",
            id="audit.E021",
        )
    elif problem := _import_problem(configured.get("BACKEND", "")):
        yield Error(problem, hint="Install it, or correct BACKEND.", id="audit.E022")
    if len(names) > 1:
        yield Error(
            f"The relays {', '.join(names)} publish to the same broker {broker!r}.",
            hint="Declare one relay for the events of both, or another broker with another stream.",
            id="audit.E023",
        )


def _import_problem(adapter: str) -> str | None:
    try:
        import_string(adapter)
    except ImportError as error:
        return f"The adapter {adapter!r} cannot be imported: {error}."
    return None
