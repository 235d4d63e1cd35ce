"""Nobody hands out, through a key, more than they have themselves."""

import pytest

from apikeys.commands import CreateApiKey, PickUpSecret, RotateApiKey, UpdateApiKey
from apikeys.models import ApiKey, ApiKeySecret
from apikeys.models.refusals import NotAMember
from apikeys.rights import BeyondOwnRights, NotInYourName
from approvals.models import ApprovalRequest
from audit.actors.actors import Actor
from audit.bus.context import Context
from audit.models.records import CommandRecord
from tests.books import all_but_records
from tests.conftest import KEY_PERMISSIONS, actor, approved, create_key, member, policy
from tests.http import call

KEYS = "/api/v2/api-keys"


@pytest.fixture
def boss(acme):
    """Bea may do more than Dana: she also sees the log."""
    permissions = (*KEY_PERMISSIONS, "view_commandrecord")
    return member("bea", acme, permissions=permissions)


@pytest.fixture
def boss_key(boss, acme):
    """A key of Bea's, which may do all that she may."""
    return create_key(boss, acme, name="boss")


@pytest.fixture
def narrow(dana, acme):
    """A key of Dana's that may handle keys and nothing else."""
    return create_key(dana, acme, name="narrow", scopes=("keys:read", "keys:write"))


def as_key(key) -> Context:
    """The context that a request with a key has."""
    owner = actor(key.row.owner)
    return Context(
        actor=Actor(
            kind="api_key",
            id=str(key.id),
            label="a key",
            person_id=owner.person_id,
            tenants=owner.tenants,
            permissions=owner.permissions,
            scopes=frozenset(key.row.scopes),
        )
    )


@pytest.mark.parametrize(
    "wanted",
    [["read"], ["write"], ["keys:read", "approvals:write"], ["keys:verify"], ["read", "write"]],
)
def test_a_key_cannot_make_one_with_wider_scopes(client, narrow, wanted, assert_recorded):
    answer = call(client, "POST", KEYS, {"name": "wide", "scopes": wanted}, key=narrow)

    assert (answer.status_code, answer.json()["code"]) == (403, "beyond_own_rights")
    assert_recorded(CreateApiKey, status="refused", error_code="beyond_own_rights")
    assert not ApiKey.objects.filter(name="wide").exists()


def test_the_usual_scopes_are_too_much_for_a_narrow_key(client, narrow):
    assert call(client, "POST", KEYS, {"name": "wide"}, key=narrow).status_code == 403
    assert call(client, "POST", "/api/v1/api-keys", {"name": "w"}, key=narrow).status_code == 403


def test_a_key_can_make_one_that_may_as_much(client, narrow):
    body = {"name": "twin", "scopes": ["keys:write"]}

    assert call(client, "POST", KEYS, body, key=narrow).status_code == 201


@pytest.mark.parametrize("body", [{"scopes": ["read"]}, {"name": "taken over"}])
def test_a_key_can_neither_widen_nor_touch_what_may_do_more(client, narrow, first_key, body):
    before = all_but_records()

    answer = call(client, "PATCH", f"{KEYS}/{first_key.id}", body, key=narrow)
    own = call(client, "PATCH", f"{KEYS}/{narrow.id}", {"scopes": ["read"]}, key=narrow)

    assert [answer.status_code, own.status_code] == [403, 403]
    assert answer.json()["code"] == own.json()["code"] == "beyond_own_rights"
    assert all_but_records() == before


def test_the_secret_of_a_key_with_more_rights_is_refused(
    given, boss_key, dana, context_of, assert_recorded
):
    rotation = RotateApiKey(api_key_id=boss_key.id, overlap_seconds=60)

    given().when(rotation, context=context_of(dana)).then_refused(BeyondOwnRights)

    assert "audit.view_commandrecord" in assert_recorded(RotateApiKey).error_message
    assert ApiKeySecret.objects.filter(api_key=boss_key.id).count() == 1


def test_an_owner_who_is_away_counts_as_if_back(given, boss, boss_key, dana, context_of):
    boss.is_active = False
    boss.save()
    rotation = RotateApiKey(api_key_id=boss_key.id, overlap_seconds=60)

    given().when(rotation, context=context_of(dana)).then_refused(BeyondOwnRights)


def test_scopes_that_the_rights_of_the_owner_do_not_reach_do_not_count(
    given, boss_key, dana, context_of
):
    narrowed = UpdateApiKey(api_key_id=boss_key.id, scopes=("keys:read", "keys:write"))
    rename = UpdateApiKey(api_key_id=boss_key.id, name="shared")

    given(narrowed).when(rename, context=context_of(dana))

    assert ApiKey.objects.get(pk=boss_key.id).name == "shared"


def test_who_may_do_more_may_rotate_a_colleagues_key(given, first_key, boss, context_of):
    rotation = RotateApiKey(api_key_id=first_key.id, overlap_seconds=60)

    scenario = given().when(rotation, context=context_of(boss))

    assert scenario.outcome.secret


def test_a_key_is_made_in_ones_own_name(given, acme, dana, boss, context_of):
    command = CreateApiKey(customer_id=acme.pk, owner_id=dana.pk, name="dana's")

    given().when(command, context=context_of(boss)).then_refused(NotInYourName)

    assert not ApiKey.objects.exists()


def test_an_owner_acts_for_the_customer(given, acme, gus):
    command = CreateApiKey(customer_id=acme.pk, owner_id=gus.pk, name="gus's")

    given().when(command).then_refused(NotAMember)


def test_what_would_be_refused_is_not_even_held(
    given, narrow, boss_key, acme, dana, security, ann, bob
):
    policy("apikeys.*", group=security, quorum=2)
    beyond = [
        CreateApiKey(customer_id=acme.pk, owner_id=dana.pk, name="wide"),
        UpdateApiKey(api_key_id=narrow.id, scopes=("write",)),
        UpdateApiKey(api_key_id=boss_key.id, name="taken over"),
        RotateApiKey(api_key_id=boss_key.id, overlap_seconds=0),
    ]

    for command in beyond:
        given().when(command, context=as_key(narrow)).then_refused(BeyondOwnRights)

    assert not ApprovalRequest.objects.exists()


def test_rights_that_are_lost_meanwhile_refuse_what_was_approved(
    client, first_key, dana, acme, boss_key, boss, security, ann, bob, context_of, given
):
    policy("apikeys.rotate", group=security, quorum=2)
    rotation = RotateApiKey(api_key_id=boss_key.id, overlap_seconds=0)
    given().when(rotation, context=context_of(boss)).then_postponed()
    boss.user_permissions.remove(boss.user_permissions.get(codename="rotate_apikey"))

    request = approved(ApprovalRequest.objects.get(), ann, bob)

    assert (request.state, request.outcome_code) == ("refused", "forbidden")


def test_who_may_do_less_by_now_picks_nothing_up(given, client, first_key, dana, acme, security,
                                                 ann, bob, context_of):  # fmt: skip
    policy("apikeys.create", group=security, quorum=2)
    held = call(client, "POST", KEYS, {"name": "ci"}, key=first_key)
    approved(ApprovalRequest.objects.get(), ann, bob)
    key_id = held.json()["resource"]["id"]
    given(UpdateApiKey(api_key_id=first_key.id, scopes=("keys:read", "keys:write")))

    answer = call(client, "POST", f"{KEYS}/{key_id}/secret", key=first_key)

    assert (answer.status_code, answer.json()["code"]) == (403, "beyond_own_rights")
    record = CommandRecord.objects.get(message_type=PickUpSecret.message_type)
    assert record.status == "refused"
    assert not ApiKeySecret.objects.filter(api_key=key_id).exists()
