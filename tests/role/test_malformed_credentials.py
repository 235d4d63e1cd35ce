"""No session, key or secret that the application's role can insert breaks signing in or calling."""

from contextlib import suppress

import pytest
from django.db import Error, connection, transaction
from django.test import Client

from apikeys.models.tokens import Token
from tests.role.conftest import attempt
from tests.role.extremes import EXTREMES, insert_extremes


def test_no_session_that_the_role_can_insert_breaks_a_page(rows, reading):
    failures, inserted = [], list(insert_extremes("django_session"))
    for each in inserted:
        cookie = f"sessionid={each.row['session_key']}".encode().decode("latin-1")
        client = Client(headers={"Cookie": cookie})
        failures += [f"{each.column} {found}" for found in attempt(client, "/admin/", {})[0]]

    assert inserted
    assert not failures, "\n".join(failures)


def test_no_key_that_the_role_can_insert_breaks_its_authentication(rows, reading):
    tokens = {
        f"{each.column} = {each.value[:40]}": with_secret(each.row["id"])
        for each in insert_extremes("apikeys_apikey")
    }

    assert tokens
    assert_authenticates(tokens)


def test_a_key_whose_networks_are_malformed_may_be_used_from_nowhere(rows, reading):
    tokens = {
        each.value: with_secret(each.row["id"])
        for each in insert_extremes("apikeys_apikey")
        if each.column == "allowed_networks" and each.value != "{}"
    }

    statuses = {
        value: Client(headers={"Authorization": f"Bearer {text}"}).get("/api/v2/whoami").status_code
        for value, text in tokens.items()
    }

    assert len(statuses) >= 4
    assert statuses == dict.fromkeys(statuses, 401)


@pytest.mark.parametrize("column", ["created_at", "not_after"])
def test_no_secret_that_the_role_can_insert_breaks_its_authentication(
    rows, reading, first_key, column
):
    tokens = {}
    for value in EXTREMES["timestamp with time zone"]:
        with suppress(Error), transaction.atomic():
            tokens[value] = with_secret(first_key.id, **{column: value})

    assert tokens
    assert_authenticates(tokens)


def with_secret(api_key_id, created_at="2026-01-01+00", not_after="2100-01-01+00"):
    """Insert a secret of a key, and return it."""
    token = Token.generate()
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT set_config('audit.command_id', gen_random_uuid()::text, true)")
        cursor.execute(
            "INSERT INTO apikeys_apikeysecret (id, digest, created_at, not_after, api_key_id)"
            " VALUES (gen_random_uuid(), %s, %s, %s, %s)",
            [token.digest, created_at, not_after, api_key_id],
        )
    return token.text


def assert_authenticates(tokens):
    """Call the API with each secret, and fail if any of these calls ends in an error of ours."""
    failures = []
    for row, text in tokens.items():
        client = Client(headers={"Authorization": f"Bearer {text}"})
        for address in ("/api/v2/whoami", "/api/v2/api-keys", "/api/v1/api-keys"):
            failures += [f"{row} {found}" for found in attempt(client, address, {})[0]]

    assert not failures, "\n".join(failures)
