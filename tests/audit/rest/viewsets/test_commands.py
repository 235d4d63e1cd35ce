"""Commands over HTTP: lists of them, and where one stands."""

import uuid

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apikeys.commands import CreateApiKey, DisableApiKey, EnableApiKey, PickUpSecret
from approvals.decisions.commands import Approve, Deny
from audit.bus.context import Context
from audit.bus.dispatch import dispatch
from audit.messages.exceptions import CommandError
from audit.models.records import CommandRecord
from audit.rest import problems
from tests.conftest import actor, approved, completed, create_key, held
from tests.http import call

COMMANDS = "/api/v2/commands"


def listed(client, query="", **caller):
    answer = call(client, "GET", f"{COMMANDS}?{query}", **caller)
    assert answer.status_code == 200, answer.content
    return answer.json()["results"]


def ids(rows):
    return [row["id"] for row in rows]


def refused(command, person):
    with pytest.raises(CommandError) as refusal:
        dispatch(command, context=Context(actor=actor(person)))
    return str(refusal.value.command_id)


def test_a_command_is_listed_once_as_it_stands_newest_first(
    client, first_key, dana, disabling_needs_two, ann, bob
):
    request = held(DisableApiKey(api_key_id=first_key.id), context=Context(actor=actor(dana)))
    refusal = refused(PickUpSecret(api_key_id=first_key.id), dana)
    before = listed(client, key=first_key)
    vote = Approve(approval_request_id=request.pk, digest=request.digest)
    completed(vote, context=Context(actor=actor(ann)))
    completed(
        Deny(approval_request_id=request.pk, digest=request.digest),
        context=Context(actor=actor(bob), reason="No"),
    )

    after = listed(client, key=first_key)

    of_acme = CommandRecord.objects.filter(tenant=str(first_key.row.customer_id))
    assert ids(before)[:2] == [refusal, str(request.command_id)]
    assert [row["status"] for row in before[:2]] == ["refused", "postponed"]
    stands = {row["id"]: row["status"] for row in after}
    assert stands[str(request.command_id)] == "cancelled"
    assert len(stands) == len(after) == of_acme.filter(attempt=1).count()


def test_a_row_has_the_command_its_actor_and_its_result(client, first_key, dana):
    refusal = refused(PickUpSecret(api_key_id=first_key.id), dana)

    row, *_ = listed(client, key=first_key)

    (record,) = CommandRecord.objects.filter(command_id=refusal)
    assert list(row) == [
        "id",
        "url",
        "version",
        "status",
        "type",
        "subject",
        "actor",
        "channel",
        "reason",
        "received_at",
        "settled_at",
        "duration_us",
        "correlation_id",
        "result",
        "error",
        "decides",
        "approvers",
    ]
    assert row["url"] == f"{COMMANDS}/{refusal}"
    assert row["subject"] == {"type": "api-key", "id": str(first_key.id)}
    assert row["actor"] == {"kind": "user", "id": str(dana.pk), "label": "dana"}
    assert row["duration_us"] == record.duration_us
    assert row["error"] == {
        "type": problems.type_of("nothing_to_pick_up"),
        "title": "Nothing to pick up",
        "status": 409,
        "detail": record.error_message,
        "code": "nothing_to_pick_up",
    }


def test_filters_narrow_the_list_down(client, first_key, dana, acme, disabling_needs_two, ann):
    other = create_key(dana, acme, name="other")
    request = held(DisableApiKey(api_key_id=other.id), context=Context(actor=actor(dana)))
    refusal = refused(PickUpSecret(api_key_id=first_key.id), dana)

    def seen(query):
        return set(ids(listed(client, query, key=first_key)))

    waits = str(request.command_id)
    assert seen("status=postponed") == {waits}
    assert seen("status=refused") == {refusal}
    assert waits not in seen("status=succeeded")
    assert seen("type=apikeys.disable") == {waits}
    assert seen(f"subject=api-key:{other.id}") >= {waits}
    assert refusal not in seen(f"subject=api-key:{other.id}")
    assert seen(f"actor=user:{ann.pk}") == set()
    assert {waits, refusal} <= seen(f"actor=user:{dana.pk}")
    assert seen(f"correlation_id={waits}") == {waits}
    assert seen("channel=v1") == set()
    assert {waits, refusal} <= seen("channel=shell")
    received_at = CommandRecord.objects.get(command_id=refusal).received_at
    moment = received_at.isoformat().replace("+00:00", "Z")
    assert seen(f"received_after={moment}") == {refusal}
    assert refusal not in seen(f"received_before={moment}")
    assert waits in seen(f"received_before={moment}")


def test_what_is_rare_of_a_subject_is_found_behind_all_the_rest(client, first_key, dana):
    for _ in range(5):
        dispatch(DisableApiKey(api_key_id=first_key.id), context=Context(actor=actor(dana)))
        dispatch(EnableApiKey(api_key_id=first_key.id), context=Context(actor=actor(dana)))

    found = listed(
        client, f"subject=api-key:{first_key.id}&type=apikeys.create&limit=1", key=first_key
    )

    assert [row["type"] for row in found] == ["apikeys.create"]


@pytest.mark.parametrize("status", ["succeeded", "postponed", "failed", "refused", "cancelled"])
def test_the_status_looked_for_is_the_one_that_is_shown(
    status, client, first_key, dana, acme, disabling_needs_two, ann, bob
):
    for name in ("one", "two"):
        key = create_key(dana, acme, name=name)
        asked = held(DisableApiKey(api_key_id=key.id), context=Context(actor=actor(dana)))
        if name == "one":
            approved(asked, ann, bob)
    refused(PickUpSecret(api_key_id=first_key.id), dana)
    every = listed(client, key=first_key)

    found = listed(client, f"status={status}", key=first_key)

    assert found == [row for row in every if row["status"] == status]


def test_a_key_sees_its_customers_commands_and_no_other(client, first_key, gus, globex, acme, dana):
    theirs = create_key(gus, globex, name="theirs")

    mine, others = listed(client, key=first_key), listed(client, key=theirs)

    assert mine
    assert others
    assert not set(ids(mine)) & set(ids(others))
    tenants = CommandRecord.objects.filter(command_id__in=ids(mine)).values_list("tenant")
    assert set(tenants) == {(str(acme.pk),)}


def test_a_person_sees_its_customers_commands_and_its_own(browser, dana, gus, globex, first_key):
    lost = refused(EnableApiKey(api_key_id=uuid.uuid4()), gus)
    theirs = create_key(gus, globex, name="theirs")

    seen_by_gus, seen_by_dana = listed(browser(gus)), listed(browser(dana))

    assert lost in ids(seen_by_gus)
    assert str(theirs.id) in [(row["result"] or {}).get("id") for row in seen_by_gus]
    assert not set(ids(seen_by_gus)) & set(ids(seen_by_dana))


def test_a_key_without_a_scope_to_read_the_log_sees_what_it_did_itself(
    client, first_key, dana, acme
):
    context = Context(actor=actor(dana))
    command = CreateApiKey(
        customer_id=acme.pk, owner_id=dana.pk, name="narrow", scopes=("keys:write", "keys:read")
    )
    secret = dispatch(command, context=context).secret
    done = call(client, "POST", f"/api/v2/api-keys/{first_key.id}/enable", key=secret)
    foreign = CommandRecord.objects.filter(actor_kind="user").first().command_id

    assert ids(listed(client, key=secret)) == [done["Command-Id"]]
    assert call(client, "GET", f"{COMMANDS}/{done['Command-Id']}", key=secret).status_code == 200
    assert call(client, "GET", f"{COMMANDS}/{foreign}", key=secret).status_code == 404


def test_who_sees_every_tenant_sees_all(browser, dana, gus, globex, first_key, root):
    create_key(gus, globex, name="theirs")

    seen = listed(browser(root), "limit=100")

    assert len(seen) == CommandRecord.objects.filter(attempt=1).count()


@pytest.fixture
def root(django_user_model):
    """Sees what belongs to any customer."""
    return django_user_model.objects.create_superuser("root")


def test_pages_follow_each_other_without_gap_or_repeat_and_keep_the_filters(client, first_key):
    for _ in range(7):
        call(client, "POST", f"/api/v2/api-keys/{first_key.id}/enable", key=first_key)
    path, pages = f"{COMMANDS}?type=apikeys.enable&limit=3&fields=id,status", []

    while path:
        answer = call(client, "GET", path, key=first_key).json()
        pages.append(answer["results"])
        path = answer["next"]

    records = CommandRecord.objects.filter(message_type="apikeys.enable").order_by("-position")
    expected = [{"id": str(each.command_id), "status": "succeeded"} for each in records]
    assert [len(page) for page in pages] == [3, 3, 1]
    assert [row for page in pages for row in page] == expected


def test_a_list_takes_as_many_queries_for_many_as_for_one(client, first_key):
    def queries():
        with CaptureQueriesContext(connection) as captured:
            listed(client, "type=apikeys.enable", key=first_key)
        return len(captured)

    call(client, "POST", f"/api/v2/api-keys/{first_key.id}/enable", key=first_key)
    few = queries()
    for _ in range(9):
        call(client, "POST", f"/api/v2/api-keys/{first_key.id}/enable", key=first_key)

    assert queries() == few <= 4


def test_decisions_name_the_held_command_and_held_commands_their_approvers(
    client, first_key, dana, disabling_needs_two, ann, bob
):
    request = held(DisableApiKey(api_key_id=first_key.id), context=Context(actor=actor(dana)))
    approved(request, ann, bob)
    sentence = f"Disable {first_key.row.subject_label()}"
    caller = create_key(dana, first_key.row.customer, name="caller")

    rows = listed(client, key=caller)
    one = call(client, "GET", f"{COMMANDS}/{request.command_id}", key=caller).json()

    shown = [(row["type"], row["decides"], row["approvers"]) for row in rows[1:4]]
    assert shown == [
        ("approvals.approve", sentence, []),
        ("approvals.approve", sentence, []),
        ("apikeys.disable", None, ["ann", "bob"]),
    ]
    assert one["approvers"] == ["ann", "bob"]


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("status=done", "status"),
        ("type=apikeys.explode", "type"),
        ("type=apikeys.disabled", "type"),
        ("subject=api-key:7", "subject"),
        ("subject=api-key%00:7", "subject"),
        ("actor=dana", "actor"),
        ("actor=user:%00", "actor"),
        ("correlation_id=7", "correlation_id"),
        ("channel=%00", "channel"),
        ("received_after=yesterday", "received_after"),
        ("received_after=0001-01-01T00:00:00%2B14:00", "received_after"),
        ("received_before=9999-12-31T23:59:59-14:00", "received_before"),
        ("limit=0", "limit"),
        ("limit=1.0", "limit"),
        ("limit=٣", "limit"),
        ("limit=" + "9" * 5000, "limit"),
        ("fields=id,secret", "fields"),
        ("fields=", "fields"),
        ("order=oldest", "order"),
        ("cursor=zzz", "cursor"),
        ("format=xml", "format"),
        ("stauts=refused", "stauts"),
        ("status=refused&status=failed", "status"),
        ("a%2Fb=1", "a/b"),
    ],
)
def test_an_unknown_parameter_is_a_problem_with_its_name(query, name, client, first_key):
    answer = call(client, "GET", f"{COMMANDS}?{query}", key=first_key)

    assert (answer.status_code, answer["Content-Type"]) == (400, "application/problem+json")
    assert [error["parameter"] for error in answer.json()["errors"]] == [name]
    assert "pointer" not in answer.json()["errors"][0]
