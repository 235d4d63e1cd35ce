"""One search field: what its text may mean, and to whom."""

import re
from html import unescape
from urllib.parse import parse_qs

import pytest
from django.contrib.auth.models import Permission

from apikeys.commands import DisableApiKey
from approvals.models import ApprovalRequest
from audit.models.records import CommandRecord, EventRecord
from audit.subjects.types import label_of
from tests.audit.records import record
from tests.conftest import create_key, held, member


@pytest.fixture
def interpreted(read):
    """A function that searches for a text as Iris; returns the meanings, the applied one first."""

    def ask(text):
        content = unescape(read("/audit/", {"q": text}))
        line = re.search(r'class="interpretation".*?</p>', content, re.DOTALL)
        found = re.findall(r"<(strong|a href=[^>]*)>(.*?)</(?:strong|a)>", line[0]) if line else []
        return [label for _, label in found]

    return ask


@pytest.fixture
def found(read):
    """A function that searches for a text as Iris; returns the ids of the commands found."""

    def ask(text):
        content = read("/audit/", {"q": text})
        return set(
            re.findall(
                r'<th scope="row" data-label="Command"><a href="/audit/commands/(.*?)"', content
            )
        )

    return ask


def ids(**columns):
    return {
        str(each)
        for each in CommandRecord.objects.filter(**columns).values_list("command_id", flat=True)
    }


def test_the_name_of_a_key_finds_its_commands(disabled, first_key, interpreted, found):
    (label, *_) = interpreted("FIRST")

    assert label == str(first_key.row.subject_label())
    assert found("first") == ids(subject_type="api-key", subject_id=str(first_key.id))


def test_the_names_of_customers_and_groups_find_their_commands(
    acme, security, iris, interpreted, found
):
    assert not [each for each in interpreted("secur") if "Security" in each]
    iris.user_permissions.add(Permission.objects.get(codename="view_every_tenant"))
    about = record(subject_type="group", subject_id=str(security.pk))

    assert interpreted("ACME")[0] == str(label_of(acme))
    assert found("acme") == ids(subject_type="customer", subject_id=str(acme.pk))
    assert label_of(security) in interpreted("secur")
    assert found("Security") == {str(about.command_id)}


def test_the_prefix_of_a_key_finds_its_commands(first_key, interpreted):
    prefix = first_key.row.prefix

    for text in (prefix, prefix[:-1]):
        assert interpreted(text)[0] == str(first_key.row.subject_label())


def test_the_name_of_a_person_finds_what_the_person_did(disabled, dana, found, interpreted):
    assert interpreted("dana")[0] == "people and keys named “dana”"
    assert found("dana") == ids(actor_label__startswith="dana")


def test_words_of_a_reason_are_found(disabled, interpreted, found):
    assert interpreted("leaked")[0] == "words of a reason: “leaked”"
    assert found("leaked") == ids(reason="Leaked")


def test_ids_of_all_kinds_are_found(disabled, first_key, interpreted, found):
    vote = CommandRecord.objects.filter(message_type="approvals.approve").first()
    event = EventRecord.objects.filter(message_type="approvals.approved").first()

    assert interpreted(str(disabled.command_id))[:2] == [
        f"case {disabled.command_id}",
        f"command {disabled.command_id}",
    ]
    assert found(str(vote.command_id)) == {str(vote.command_id)}
    assert interpreted(str(first_key.id))[0] == str(first_key.row.subject_label())
    assert interpreted(str(disabled.pk))[0] == f"approval request {disabled.pk}"
    assert found(str(event.id)) == {str(event.command_id)}
    assert interpreted(f"api-key:{first_key.id}")[0] == str(first_key.row.subject_label())
    assert interpreted(f"user:{vote.actor_id}")[0] == f"actor “user:{vote.actor_id}”"


def test_the_id_of_a_request_without_votes_finds_the_command_that_it_holds(
    first_key, dana, disabling_needs_two, context_of, found, interpreted
):
    held(DisableApiKey(api_key_id=first_key.id), context=context_of(dana))
    waiting = ApprovalRequest.objects.get()

    assert interpreted(str(waiting.pk))[0] == f"command held by approval request {waiting.pk}"
    assert found(str(waiting.pk)) == {str(waiting.command_id)}


def test_request_ids_and_addresses_are_found(acme, found, interpreted):
    tenant = str(acme.pk)
    by_id = record(tenant=tenant, request_id="01a22c63-f3c1-4abc-8367-284d8254c0ba")
    by_text = record(tenant=tenant, request_id="trace-77")
    by_digits = record(tenant=tenant, request_id="4BF92F3577B34DA6A3CE929D0E0E4736")
    by_address = record(tenant=tenant, client_address="2001:db8::7")

    assert found(by_id.request_id) == {str(by_id.command_id)}
    assert found(by_digits.request_id) == {str(by_digits.command_id)}
    assert interpreted("trace-77")[-1] == "request id “trace-77”"
    assert found("2001:DB8:0::7") == {str(by_address.command_id)}
    assert by_text.command_id


def test_alternatives_are_searches_of_their_own(disabled, dana, acme, read):
    create_key(dana, acme, name="dana-ci")
    content = unescape(read("/audit/", {"q": "dana", "status": "succeeded"}))

    line = re.search(r'class="interpretation".*?</p>', content, re.DOTALL)[0]
    links = [parse_qs(each) for each in re.findall(r'<a href="\?(.*?)">', line)]
    assert {"reason": ["dana"], "status": ["succeeded"]} in links
    assert any("subject" in each and "actor" not in each for each in links)


def test_links_have_the_meaning_and_not_the_text(disabled, first_key, read):
    content = unescape(read("/audit/", {"q": "first"}))

    export = re.search(r'href="/audit/export\?(.*?)"', content)[1]
    assert parse_qs(export) == {"subject": [f"api-key:{first_key.id}"]}


def test_the_export_of_a_text_logs_its_meaning(disabled, first_key, iris, browser):
    form = {"format": "jsonl", "reason": "Audit"}
    response = browser(iris).post("/audit/export?q=first", form)
    b"".join(response.streaming_content)

    record = CommandRecord.objects.get(message_type="audit.export")
    assert parse_qs(record.data["search"]) == {"subject": [f"api-key:{first_key.id}"]}


@pytest.mark.parametrize("what", ["name", "id", "person"])
def test_nothing_of_other_customers_is_offered(what, first_key, globex, disabled, browser):
    other = member("olaf", globex, permissions=("view_commandrecord", "export_commandrecord"))
    text = {"name": "first", "id": str(first_key.id), "person": "dana"}[what]

    content = unescape(browser(other).get("/audit/", {"q": text}).content.decode())

    assert "API key “first”" not in content
    assert "people and keys named" not in content


@pytest.mark.parametrize(
    "page",
    [
        "/audit/?x=1",
        "/audit/export?Reason=x",
        "/audit/overview?q=first",
        "/audit/cases/{case}?before=1",
        "/audit/subjects/api-key/{key}?q=1",
        "/audit/commands/{case}?attempt=1",
        "/audit/actors/user/{ann}?at=now",
    ],
)
def test_unknown_parameters_are_rejected(page, disabled, ann, iris, browser):
    address = page.format(case=disabled.command_id, key=disabled.subject_id, ann=ann.pk)

    assert browser(iris).get(address).status_code == 400


@pytest.mark.parametrize("text", ["%", "\\", ":", "a:b", "“x”", "\u202e", "x" * 200, "1", "::1"])
def test_any_text_has_a_meaning(text, disabled, iris, browser):
    assert browser(iris).get("/audit/", {"q": text}).status_code == 200
