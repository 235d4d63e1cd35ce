"""CPU time per request, and requests per second, of the web server and of granian in WSGI mode.

    python -m benchmarks.servers [rounds] [requests per round]

Both run on one database at the same time, and each gets the same requests in alternation, so what
else the machine does affects both alike. Eight clients send their next request after each response.
"""

import os
import statistics
import sys
import time
from contextlib import ExitStack
from typing import Any, NamedTuple

os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"

from benchmarks import clients, scratch, serving

_SERVERS = ("granian", "ours")
_SETTINGS = {"DJANGO_SETTINGS_MODULE": "config.settings", "RATE_LIMIT_PER_KEY": "none"}
_KEYS = 48


class Round(NamedTuple):
    """The figures of one server in one round."""

    milliseconds: float
    per_second: float


def main(rounds: int = 10, requests: int = 1000) -> None:
    """Measure and print."""
    with scratch.database(), ExitStack() as stack:
        secrets, keys, database = _prepared()
        found = {
            name: stack.enter_context(serving.running(database, server=name, **_SETTINGS))
            for name in _SERVERS
        }
        time.sleep(5)
        for kind, reads in (("GET", 2 * (rounds + 1) * requests), ("POST", 0)):
            workload = clients.Workload(secrets, keys, reads=reads)
            results: dict[str, list[Round]] = {name: [] for name in _SERVERS}
            for _ in range(rounds + 1):
                for name, server in found.items():
                    results[name].append(_round(server, workload, requests))
            _tell(kind, {name: of[1:] for name, of in results.items()})


def _round(server: serving.Server, workload: clients.Workload, requests: int) -> Round:
    cpu, started = server.cpu_seconds(), time.perf_counter()
    answered = clients.send(server.address, workload, requests=requests)
    took, used = time.perf_counter() - started, server.cpu_seconds() - cpu
    if answered.errors:
        sys.exit(f"{len(answered.errors)} errors, such as {answered.errors[0]}")
    return Round(used / requests * 1000, requests / took)


def _tell(kind: str, results: dict[str, list[Round]]) -> None:
    for name, rounds in results.items():
        cpu = statistics.median(each.milliseconds for each in rounds)
        rate = statistics.median(each.per_second for each in rounds)
        sys.stdout.write(f"{kind:5}{name:8} {cpu:6.2f} ms of CPU a request, {rate:5.0f} a second\n")
    pairs = list(zip(results["ours"], results["granian"], strict=True))
    cpu = sum(ours.milliseconds for ours, _ in pairs) / sum(old.milliseconds for _, old in pairs)
    rate = statistics.median(ours.per_second / old.per_second for ours, old in pairs)
    sys.stdout.write(f"{kind:5}ours / granian: CPU {cpu:.2f}, rate {rate:.2f}\n")


def _prepared() -> tuple[list[str], list[str], str]:
    """Create callers and keys; return secrets, key ids and the name of the database."""
    # Models can be imported once Django is set up.
    from django.db import connection  # noqa: PLC0415

    from apikeys.commands import CreateApiKey  # noqa: PLC0415
    from apikeys.models import ApiKey  # noqa: PLC0415
    from audit.entry.shell import carry_out  # noqa: PLC0415
    from benchmarks.keyring import Keyring  # noqa: PLC0415

    ring = Keyring("callers", known=8)
    owner_id = ApiKey.objects.get(pk=ring.model_id).owner_id
    keys = []
    for _ in range(_KEYS):
        command = CreateApiKey(customer_id=ring.customer_id, owner_id=owner_id, name="measured")
        made: Any = carry_out(command, reason="for a benchmark")
        keys.append(str(made.result.pk))
    return ring.secrets, keys, str(connection.settings_dict["NAME"])


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
