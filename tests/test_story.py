"""The story that Countersign was made for, told through HTTP and the admin."""

import json
from typing import Any

from django.test import Client

from audit.models import CommandRecord


def call(
    client: Client, method: str, path: str, body: Any = None, *, key: Any = None, **headers: str
) -> Any:
    """Call the API as a program does."""
    if key is not None:
        headers["Authorization"] = f"Bearer {key if isinstance(key, str) else key.secret}"
    return client.generic(
        method,
        path,
        json.dumps(body) if body is not None else "",
        content_type="application/json",
        headers=headers,
    )


def test_dana_creates_a_key_and_its_secret_opens_the_api(client, first_key):
    created = call(client, "POST", "/api/v1/api-keys", {"name": "ci"}, key=first_key)
    assert created.status_code == 201, created.content
    body = created.json()
    assert list(body) == ["id", "name", "enabled", "prefix", "created_at", "secret"]
    assert created["Command-Id"]

    whoami = call(client, "GET", "/api/v2/whoami", key=body["secret"])
    assert whoami.status_code == 200
    assert whoami.json()["id"] == body["id"]


def test_a_governed_disable_is_held(client, first_key, disabling_needs_two):
    held = call(client, "POST", f"/api/v1/api-keys/{first_key.id}/disable", key=first_key)

    assert held.status_code == 202
    assert held.json() == {"status": "approval_flow_initiated"}
    status = call(client, "GET", held["Location"], key=first_key)
    assert status.status_code == 200, status.content
    assert status.json()["status"] == "postponed"
    assert status.json()["approval"]["needed"] == 2
    print(status.json())


def test_bad_secrets_get_one_answer(client, first_key):
    answers = {
        (r.status_code, r.content)
        for r in (
            call(client, "GET", "/api/v2/whoami"),
            call(client, "GET", "/api/v2/whoami", key="cs_live_x"),
            call(client, "GET", "/api/v2/whoami", key="cs_live_" + "0" * 33),
        )
    }
    assert len(answers) == 1, answers
    bad = call(client, "POST", "/api/v2/api-keys", {"nam\u0000e": "x"}, key=first_key)
    print(bad.status_code, bad.json())
    raw = client.generic(
        "POST",
        "/api/v2/api-keys",
        b"\xff{",
        content_type="application/json",
        headers=first_key.headers,
    )
    print(raw.status_code, raw.json())
    raw = client.generic(
        "POST", "/api/v2/api-keys", b"{}", content_type="text/xml", headers=first_key.headers
    )
    print(raw.status_code, raw.json())
    for r in CommandRecord.objects.filter(status="refused"):
        print(r, r.data, r.error_code, r.error_message)
    again = [
        call(
            client,
            "POST",
            "/api/v1/api-keys",
            {"name": "ci"},
            key=first_key,
            **{"Idempotency-Key": "k"},
        )
        for _ in "ab"
    ]
    print([a.content for a in again], again[1].headers)
    other = call(
        client,
        "POST",
        "/api/v1/api-keys",
        {"name": "other"},
        key=first_key,
        **{"Idempotency-Key": "k"},
    )
    print(other.status_code, other.content)
