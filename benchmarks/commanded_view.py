"""One PUT to a view of REST framework, as it is and as a command.

    python -m benchmarks.commanded_view [rounds]

The two take turns in one run, so what else the machine does meets both alike.
"""

import base64
import json
import os
import statistics
import sys
import time

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")

from benchmarks import scratch

_WARM_UP = 30


def main(rounds: int = 300) -> None:
    """Measure and print."""
    with scratch.database("countersign_commanded_view"):
        found = _measured(rounds)
    for name, times in found.items():
        kept = times[_WARM_UP:]
        quantiles = statistics.quantiles(kept, n=100)
        sys.stdout.write(
            f"{name:12}{statistics.median(kept):8.1f} ms{quantiles[98]:10.1f} ms p99\n"
        )


def _measured(rounds: int) -> dict[str, list[float]]:
    # Models can be imported once Django is set up.
    from django.contrib.auth.models import User  # noqa: PLC0415
    from django.test import Client  # noqa: PLC0415
    from django.test.utils import setup_test_environment  # noqa: PLC0415

    from tests.articles.models import Article  # noqa: PLC0415

    # It allows the host of the client.
    setup_test_environment()
    author = User.objects.create_user("author", password="author")  # noqa: S106  # as any
    Article.objects.create(slug="one", title="One", author=author)
    client = Client(
        headers={"authorization": f"Basic {base64.b64encode(b'author:author').decode()}"}
    )
    found: dict[str, list[float]] = {"plain": [], "commanded": []}
    for number in range(rounds + _WARM_UP):
        for name, times in found.items():
            body = json.dumps({"slug": "one", "title": f"{name} {number}"})
            started = time.perf_counter()
            response = client.put(f"/{name}/articles/one/", body, "application/json")
            times.append((time.perf_counter() - started) * 1000)
            if response.status_code != 200:  # noqa: PLR2004
                raise AssertionError(response.content)
    return found


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
