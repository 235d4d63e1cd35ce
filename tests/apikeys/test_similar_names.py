"""Names of keys that are easily confused with others of the customer."""

from uuid import UUID

import pytest
from django.contrib.auth.models import Permission
from django.db import ProgrammingError

from apikeys.commands import CreateCustomer, DeleteApiKey
from apikeys.models import KeyName
from approvals.models import ApprovalRequest
from audit.models.records import CommandRecord
from audit.subjects.likeness import SimilarName
from tests.approvals.admin_pages import listed, page
from tests.conftest import completed, create_key, policy
from tests.http import call

KEYS = "/api/v2/api-keys"
CYRILLIC = "f\u0456rst"


def create(client, key, name, **fields):
    return call(client, "POST", KEYS, {"name": name, **fields}, key=key)


@pytest.mark.parametrize("name", [CYRILLIC, "FIRST", "f1rst".replace("1", "\u0269")])
def test_a_key_with_a_similar_name_is_created_only_if_that_is_confirmed(client, first_key, name):
    refused = create(client, first_key, name)
    confirmed = create(client, first_key, name, confirm_similar_name=True)

    assert (refused.status_code, refused.json()["code"]) == (409, "similar_name")
    assert f"easily confused with {first_key.row}" in refused.json()["detail"]
    assert confirmed.status_code == 201


def test_several_keys_may_have_the_same_name_and_other_names_are_free(client, first_key):
    assert create(client, first_key, "first").status_code == 201
    assert create(client, first_key, "third").status_code == 201


def test_the_same_name_does_not_hide_a_similar_one(client, first_key):
    for _ in range(12):
        assert create(client, first_key, CYRILLIC, confirm_similar_name=True).status_code == 201

    assert create(client, first_key, CYRILLIC).status_code == 409


def test_names_of_other_customers_and_of_deleted_keys_do_not_count(client, first_key, gus, globex):
    other = create_key(gus, globex, name="second")
    doomed = create_key(first_key.row.owner, first_key.row.customer, name="doomed")
    completed(DeleteApiKey(api_key_id=doomed.id))

    assert create(client, first_key, "SECOND").status_code == 201
    assert create(client, first_key, "DOOMED").status_code == 201
    assert create(client, other, CYRILLIC).status_code == 201


def test_a_rename_to_a_similar_name_is_confirmed_and_the_new_name_counts(client, first_key):
    second = create(client, first_key, "second").json()["id"]

    refused = call(client, "PATCH", f"{KEYS}/{second}", {"name": CYRILLIC}, key=first_key)
    body = {"name": CYRILLIC, "confirm_similar_name": True}
    confirmed = call(client, "PATCH", f"{KEYS}/{second}", body, key=first_key)
    unchanged = call(client, "PATCH", f"{KEYS}/{second}", {"description": "x"}, key=first_key)

    assert (refused.status_code, refused.json()["code"]) == (409, "similar_name")
    assert (confirmed.status_code, unchanged.status_code) == (200, 200)
    assert create(client, first_key, "SECOND").status_code == 201
    assert create(client, first_key, "first").status_code == 409


def test_version_1_needs_no_confirmation(client, first_key):
    path = "/api/v1/api-keys"
    created = call(client, "POST", path, {"name": CYRILLIC}, key=first_key)
    renamed = call(client, "PATCH", f"{path}/{first_key.id}", {"name": "First"}, key=first_key)

    assert (created.status_code, renamed.status_code) == (201, 200)


def test_approvers_see_that_a_name_is_similar(client, first_key, security, ann, bob, browser):
    policy("apikeys.create", group=security, quorum=1)

    answer = call(client, "POST", "/api/v1/api-keys", {"name": CYRILLIC}, key=first_key)
    same = call(client, "POST", "/api/v1/api-keys", {"name": "first"}, key=first_key)

    assert (answer.status_code, same.status_code) == (202, 202)
    warning = f"The name is easily confused with {first_key.row}."
    for request in ApprovalRequest.objects.all():
        assert warning in page(browser(ann), request)
        shown = browser(ann).get(f"/api/v2/approval-requests/{request.pk}").json()
        assert warning in shown["warnings"]
    assert listed(browser(ann)).count(warning) == 2


def test_only_the_change_to_a_similar_name_is_marked(
    client, first_key, security, ann, bob, browser
):
    names = ("second", "other", "quiet")
    second, other, quiet = (create(client, first_key, name).json()["id"] for name in names)
    policy("apikeys.update", group=security, quorum=1)
    confirmed = {"name": CYRILLIC, "confirm_similar_name": True}
    for key, change in ((second, confirmed), (other, {"name": "x"}), (quiet, {"description": "x"})):
        assert call(client, "PATCH", f"{KEYS}/{key}", change, key=first_key).status_code == 202

    assert listed(browser(ann)).count("The name is easily confused with") == 1


def test_a_held_creation_needs_the_confirmation_too(client, first_key, security, ann, bob):
    policy("apikeys.create", group=security, quorum=1)

    assert create(client, first_key, CYRILLIC).status_code == 409
    assert not ApprovalRequest.objects.exists()


def test_what_was_confirmed_is_in_the_record_and_not_in_the_key(client, first_key):
    created = create(client, first_key, CYRILLIC, confirm_similar_name=True)

    record = CommandRecord.objects.get(command_id=created["Command-Id"])
    assert record.data["confirm_similar_name"] is True
    assert "confirm_similar_name" not in created.json()


def test_a_customer_with_a_similar_name_is_confirmed(acme):
    with pytest.raises(SimilarName, match="Acme"):
        completed(CreateCustomer(name="Acrne"))
    completed(CreateCustomer(name="Acrne", confirm_similar_name=True))


def test_only_names_of_customers_that_the_actor_may_see_are_compared(dana, globex, context_of):
    dana.user_permissions.add(Permission.objects.get(codename="create_customer"))

    completed(CreateCustomer(name="Gl0bex"), context=context_of(dana))


@pytest.fixture
def outside(owner):
    """Return a function that executes a statement of an operator, outside of every command."""

    def execute(statement, *values):
        with owner.transaction():
            owner.execute("SELECT set_config('audit.command_id', gen_random_uuid()::text, true)")
            owner.execute(statement, values)

    return execute


def test_a_name_that_was_changed_outside_of_commands_counts(client, first_key, outside):
    second = create(client, first_key, "second").json()["id"]
    outside("UPDATE apikeys_apikey SET name = 'third' WHERE id = %s", second)

    assert create(client, first_key, "SECOND").status_code == 201
    refused = create(client, first_key, "THIRD")
    assert (refused.status_code, refused.json()["code"]) == (409, "similar_name")
    assert "third" in refused.json()["detail"]

    call(client, "PATCH", f"{KEYS}/{second}", {"name": "fourth"}, key=first_key)
    assert create(client, first_key, "FOURTH").status_code == 409
    assert create(client, first_key, "THIRD").status_code == 201


def test_a_key_that_was_inserted_outside_of_commands_counts(client, first_key, outside):
    outside(
        """INSERT INTO apikeys_apikey SELECT (jsonb_populate_record(key,
            jsonb_build_object('id', gen_random_uuid(), 'name', 'inserted'))).*
        FROM apikeys_apikey AS key WHERE id = %s""",
        first_key.id,
    )

    assert create(client, first_key, "INSERTED").status_code == 409
    assert create(client, first_key, "other").status_code == 201


def test_the_serving_role_deletes_no_skeletons(first_key):
    with pytest.raises(ProgrammingError, match="permission denied"):
        KeyName.objects.all().delete()

    assert KeyName.objects.filter(api_key=first_key.id).exists()


def test_the_skeletons_of_a_command_are_known(client, first_key):
    create(client, first_key, "second")

    assert not KeyName.objects.filter(as_written=UUID(int=0)).exists()
    assert not KeyName.objects.filter(in_small_letters=UUID(int=0)).exists()
