"""API keys and customers in the admin: to read, by those of the customer."""

from datetime import UTC, datetime

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apikeys.commands import RotateApiKey
from apikeys.models import ApiKey
from apikeys.models.tokens import Token
from audit.outside import outside_command
from tests.conftest import actor, completed, create_key

LIST = "/admin/apikeys/apikey/"


@pytest.fixture
def globex_key(gus, globex):
    """A key of Globex, which nobody of Acme may see."""
    return create_key(gus, globex, name="globex-main")


def test_people_see_the_keys_of_their_customer_only(first_key, globex_key, iris, browser):
    client = browser(iris)

    content = client.get(LIST).content.decode()

    assert "first" in content
    assert "globex-main" not in content
    assert "Globex" not in client.get("/admin/apikeys/customer/").content.decode()
    for page in ("change", "history"):
        answer = client.get(f"{LIST}{globex_key.id}/{page}/", follow=True)
        assert "globex-main" not in answer.content.decode()


def test_keys_cannot_be_added_changed_or_deleted(first_key, iris, browser):
    client = browser(iris)

    assert client.get(f"{LIST}add/").status_code == 403
    assert client.post(f"{LIST}add/", {"name": "other"}).status_code == 403
    assert client.post(f"{LIST}{first_key.id}/change/", {"name": "other"}).status_code == 403
    assert client.post(f"{LIST}{first_key.id}/delete/", {"post": "yes"}).status_code == 403
    assert ApiKey.objects.get().name == "first"


def test_no_page_shows_a_secret_or_its_digest(first_key, iris, browser):
    digest = Token(first_key.secret).digest
    client = browser(iris)

    for page in ("", f"{first_key.id}/change/", f"{first_key.id}/history/"):
        content = client.get(LIST + page).content
        assert first_key.secret.encode() not in content
        assert digest.hex().encode() not in content


def test_the_page_of_a_key_shows_what_it_may_do_from_where_and_until_when(
    dana, acme, iris, browser
):
    key = create_key(
        dana,
        acme,
        name="ci",
        scopes=("keys:read",),
        allowed_networks=("192.0.2.0/24",),
        expires_at=datetime(2030, 1, 2, tzinfo=UTC),
        metadata={"team": "shop"},
    )
    completed(RotateApiKey(api_key_id=key.id, overlap_seconds=3600))
    with outside_command("A secret that waits"):
        key.row.await_pick_up(actor(dana))

    content = browser(iris).get(f"{LIST}{key.id}/change/").content.decode()

    for shown in ("Enabled", "keys:read", "192.0.2.0/24", "2030-01-02", "shop", "Not after"):
        assert shown in content
    assert content.count("field-not_after") == 2
    assert "dana" in content[content.index("field-actor_label") :]


def test_a_key_links_to_its_history_and_its_story(first_key, iris, ann, browser):
    story = f"/audit/subjects/api-key/{first_key.id}"

    assert story in browser(iris).get(f"{LIST}{first_key.id}/change/").content.decode()
    assert story in browser(iris).get(f"{LIST}{first_key.id}/history/").content.decode()
    assert story not in browser(ann).get(f"{LIST}{first_key.id}/change/").content.decode()


def test_the_number_of_queries_does_not_depend_on_the_number_of_keys(
    first_key, dana, acme, iris, browser
):
    client = browser(iris)
    client.get(LIST)
    with CaptureQueriesContext(connection) as few:
        client.get(LIST)
    for name in ("second", "third"):
        create_key(dana, acme, name=name)

    with CaptureQueriesContext(connection) as many:
        client.get(LIST)

    assert len(many) == len(few) <= 10
