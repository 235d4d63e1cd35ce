"""A direct database change is in the log of every subject that it touched, and is noticed."""

from apikeys.commands import DisableApiKey
from apikeys.models import ApiKey
from approvals.models import ApprovalRequest
from approvals.requests.staleness import staleness
from audit.models.records import CommandRecord, EventRecord
from audit.outside import outside_command
from tests.conftest import approved, create_key, held
from tests.http import call


def test_etags_and_preconditions_notice_it(client, first_key, dana, acme):
    caller = create_key(dana, acme, name="caller")
    path = f"/api/v2/api-keys/{first_key.id}"
    before = call(client, "GET", path, key=caller)

    with outside_command("Renamed"):
        ApiKey.objects.filter(pk=first_key.id).update(name="renamed")

    after = call(client, "GET", path, key=caller)
    assert after.json()["version"] == before.json()["version"] + 1
    assert after["ETag"] != before["ETag"]
    refused = call(client, "POST", f"{path}/disable", key=caller, if_match=before["ETag"])
    assert refused.status_code == 412


def test_a_waiting_request_is_not_executed_as_if_nothing_had_happened(
    first_key, disabling_needs_two, dana, ann, bob, context_of
):
    request = held(DisableApiKey(api_key_id=first_key.id), context=context_of(dana))

    with outside_command("Disabled by hand"):
        ApiKey.objects.filter(pk=first_key.id).update(is_enabled=False)

    assert "no longer enabled" in staleness(ApprovalRequest.objects.get(pk=request.pk))
    approved(request, ann, bob)
    assert ApprovalRequest.objects.get(pk=request.pk).state == "refused"


def test_its_record_and_events_name_subjects_customers_and_values(first_key, acme):
    with outside_command("Renamed, ticket OPS-9"):
        ApiKey.objects.update(name="renamed")

    record = CommandRecord.objects.get(channel="outside")
    event = EventRecord.objects.get(command_id=record.command_id)
    assert record.tenant == event.tenant == str(acme.pk)
    assert record.data == {"subjects": [f"api-key:{first_key.id}"], "tenants": [str(acme.pk)]}
    assert (event.subject_type, event.subject_id) == ("api-key", str(first_key.id))
    assert event.data == {
        "outside_subject": f"api-key:{first_key.id}",
        "outside_values": {"name": "renamed"},
        "outside_deletion": False,
    }


def test_a_record_names_the_first_hundred_subjects_and_all_have_events(first_key, dana, acme):
    keys = [ApiKey(customer=acme, owner=dana, name=f"key {number}") for number in range(120)]
    with outside_command("Many"):
        ApiKey.objects.bulk_create(keys)

    record = CommandRecord.objects.get(channel="outside")
    assert len(record.data["subjects"]) == 100
    assert EventRecord.objects.filter(command_id=record.command_id).count() == 120


def test_a_change_of_nothing_tracked_has_no_event(first_key):
    with outside_command("Nothing"):
        ApiKey.objects.filter(name="missing").update(name="x")

    record = CommandRecord.objects.get(channel="outside")
    assert record.data == {"subjects": [], "tenants": []}
    assert not EventRecord.objects.filter(command_id=record.command_id).exists()
