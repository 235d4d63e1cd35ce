"""The requests a second that the real server sustains, and a check of its records afterwards.

    python -m benchmarks.load [--seconds 5] [--server ours] [--workers 2] [--threads 4]

Requests are sent on a plan, whether those before are answered or not, and the time of each counts
from the moment that it was due. A rate is held while 99 of 100 are answered within 50 ms and none
with an error. The rate is doubled until it is not held, and then halved in between. The clients
run on the same machine. In the end, every write that was acknowledged has to be in the books.
"""

import argparse
import logging
import os
import sys
import warnings
from typing import NamedTuple

os.environ["DJANGO_SETTINGS_MODULE"] = "benchmarks.rivals.settings"

import django

from benchmarks import clients, serving
from benchmarks.suite import stage
from config.first_run import preparing

_MOST_MS = 50.0
_FIRST_RATE, _FEWEST_RATE, _HALVINGS = 50.0, 5.0, 4
# Of fewer, one in a hundred would be the slowest of all.
_FEWEST_REQUESTS = 100
# Requests that come before the workers have their connections and plans.
_WARM_UP = 200
# For each kind of load, how many reads there are to a write.
_LOADS = {"writes": 0, "nine reads to a write": 9}


class Held(NamedTuple):
    """The highest rate that was held, with its p99."""

    rate: float
    p99_ms: float


def main() -> None:
    """Measure, print, and look at the books."""
    asked = _arguments()
    preparing.prepare()
    warnings.filterwarnings("ignore", message="No directory at")
    django.setup()
    with stage.staged() as on:
        logging.disable()
        server = {name: getattr(asked, name) for name in ("server", "workers", "threads")}
        with serving.running(on.database, **server) as running:
            for name, reads in _LOADS.items():
                _measure(name, running, on, reads=reads, seconds=asked.seconds)


def _measure(
    name: str, running: serving.Server, on: stage.Stage, *, reads: int, seconds: float
) -> None:
    keys = [key for each in on.keys for key in each]
    workload = clients.Workload(on.secrets, _all_enabled(keys), reads=reads)
    sent = [clients.send(running.address, workload, requests=_WARM_UP)]
    held = _search(running, workload, sent, seconds=seconds)
    acknowledged = [each for answered in sent for each in answered.command_ids]
    missing = _missing_from_the_books(acknowledged)
    sys.stdout.write(
        f"{name}: {held.rate:.0f} requests a second held, p99 {held.p99_ms:.1f} ms\n"
        f"  {len(acknowledged):,} writes acknowledged, {missing} of them not in the books\n"
    )
    if missing:
        sys.exit(1)


def _search(
    running: serving.Server,
    workload: clients.Workload,
    sent: list[clients.Answered],
    *,
    seconds: float,
) -> Held:
    """Double the rate until it is not held, then look in between."""
    best, rate, too_much = Held(0.0, 0.0), _FIRST_RATE, None
    halvings = 0
    while halvings < _HALVINGS and rate >= _FEWEST_RATE:
        enough = max(seconds, _FEWEST_REQUESTS / rate)
        answered = clients.send_at(running.address, workload, rate=rate, seconds=enough)
        sent.append(answered)
        p99, is_held = answered.p99(), answered.p99() < _MOST_MS and not answered.errors
        _tell(rate, answered)
        if is_held:
            best = Held(rate, p99)
        else:
            too_much = rate
        halvings += too_much is not None
        rate = (best.rate + too_much) / 2 if too_much is not None else rate * 2
    return best


def _tell(rate: float, answered: clients.Answered) -> None:
    errors = f", {len(answered.errors)} errors ({answered.errors[0]} …)" if answered.errors else ""
    sys.stderr.write(f"  {rate:6.0f} a second: p99 {answered.p99():8.1f} ms{errors}\n")


def _all_enabled(keys: list[str]) -> list[str]:
    """Enable the keys that an earlier load left disabled."""
    # Models can be imported once Django is set up.
    from apikeys.commands import EnableApiKey  # noqa: PLC0415
    from apikeys.models import ApiKey  # noqa: PLC0415
    from audit.entry.shell import carry_out  # noqa: PLC0415

    for key in ApiKey.objects.filter(pk__in=keys, is_enabled=False):
        carry_out(EnableApiKey(api_key_id=key.pk), reason="for a benchmark")
    return keys


def _missing_from_the_books(acknowledged: list[str]) -> int:
    """Count the acknowledged commands that lack their record, their event or their history row."""
    from django.db import connection  # noqa: PLC0415  # as above

    with connection.cursor() as cursor:
        cursor.execute(_MISSING, [acknowledged])
        (missing,) = cursor.fetchone()
    return int(missing)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0, help="how long each rate is tried")
    parser.add_argument("--server", choices=[*serving.SERVERS], default="ours")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--threads", type=int, default=4)
    return parser.parse_args()


_MISSING = """
    SELECT count(*) FROM unnest(%s::uuid[]) AS acknowledged (id)
    WHERE NOT EXISTS (SELECT FROM audit_commandrecord
            WHERE command_id = acknowledged.id AND status = 'succeeded')
        OR NOT EXISTS (SELECT FROM audit_eventrecord WHERE command_id = acknowledged.id)
        OR NOT EXISTS (SELECT FROM apikeys_historicalapikey
            WHERE history_command_id = acknowledged.id)
"""

if __name__ == "__main__":
    main()
