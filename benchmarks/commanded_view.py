"""The duration of a PUT to a view, as it is and as a command, in one run and in turn.

Run it with the settings of the tests, against the test database of a running suite or its own:

    .venv/bin/python -m pytest -n0 -q -s benchmarks/commanded_view.py
"""

import json
import statistics
import time

import pytest
from django.test import Client

from tests.articles.models import Article
from tests.audit.adoption.conftest import credentials, rita

__all__ = ["rita"]

ROUNDS = 200


@pytest.mark.usefixtures("acme")
def test_the_duration_of_a_put(rita, capsys):
    Article.objects.create(slug="one", title="One", author=rita)
    durations = {"plain": [], "commanded": []}
    client, headers = Client(), credentials(rita)

    for number in range(ROUNDS + 20):
        for prefix, found in durations.items():
            body = json.dumps({"slug": "one", "title": f"{prefix} {number}"})
            started = time.perf_counter()
            response = client.put(
                f"/{prefix}/articles/one/", body, "application/json", headers=headers
            )
            found.append((time.perf_counter() - started) * 1000)
            assert response.status_code == 200

    medians = {name: statistics.median(found[20:]) for name, found in durations.items()}
    with capsys.disabled():
        print({name: f"{median:.1f} ms" for name, median in medians.items()})
