"""What a page of the log does not show, and the filters that it offers."""

import re
from html import unescape
from urllib.parse import unquote_plus

import pytest
from django.contrib.auth.models import Permission, User

from apikeys.commands import AddMember, CreateApiKey, CreateCustomer
from approvals.models import ApprovalRequest, Policy
from audit.models.records import CommandRecord
from tests.audit.reading import story_of
from tests.audit.records import record
from tests.conftest import completed, member

EVERY = "You see Acme. Not shown: other customers, and what belongs to no customer ("


@pytest.fixture
def pages(disabled, ann):
    """The addresses of all pages of the log."""
    return [
        "/audit/",
        "/audit/overview",
        "/audit/export",
        story_of(disabled.subject_id),
        f"/audit/cases/{disabled.command_id}",
        f"/audit/commands/{disabled.command_id}",
        f"/audit/actors/user/{ann.pk}",
        "/admin/audit/commandrecord/",
        "/admin/audit/eventrecord/",
    ]


def test_each_page_states_what_its_reader_cannot_see(pages, iris, browser):
    client = browser(iris)

    for page in pages:
        content = unescape(client.get(page).content.decode())
        assert content.count(EVERY) == 1, page
        assert "policies" in content.split(EVERY)[1].split(")")[0]


def test_a_reader_of_everything_sees_no_such_statement(pages, iris, browser):
    iris.user_permissions.add(Permission.objects.get(codename="view_every_tenant"))
    client = browser(iris)

    for page in pages:
        assert "Not shown:" not in client.get(page).content.decode(), page


def test_several_customers_are_named(globex, acme, browser):
    completed(CreateCustomer(name="Harbor Logistics"))
    reader = member("olaf", acme, permissions=("view_commandrecord",))
    completed(AddMember(customer_id=globex.pk, user_id=reader.pk))

    content = browser(reader).get("/audit/").content.decode()

    assert "You see Acme and Globex. Not shown:" in content


def offered(content, name):
    select = re.search(rf'<select name="{name}".*?</select>', content, re.DOTALL)[0]
    return re.findall(r'<option value="(.*?)"', select)


def channels_of(tenant):
    found = CommandRecord.objects.filter(tenant=str(tenant.pk))
    return set(found.values_list("channel", flat=True))


def test_only_filters_that_can_match_are_offered(disabled, policy_owners, acme, read):
    content = read("/audit/")

    assert "apikeys.disable" in offered(content, "message_type")
    assert "approvals.approve" in offered(content, "message_type")
    # Policies belong to no customer, and nothing failed.
    assert "approvals.create_policy" not in offered(content, "message_type")
    assert "failed" not in offered(content, "status")
    assert "succeeded" in offered(content, "status")
    assert "v9" not in offered(content, "channel")
    channels = channels_of(acme)
    assert offered(content, "channel") == ["", *sorted(channels)]
    assert offered(read("/audit/?channel=v9"), "channel") == ["", *sorted({*channels, "v9"})]


def test_only_customers_with_commands_are_offered(disabled, acme, globex, iris, browser):
    iris.user_permissions.add(Permission.objects.get(codename="view_every_tenant"))
    client = browser(iris)

    assert offered(client.get("/audit/").content.decode(), "customer") == ["", str(acme.pk)]
    record(tenant=str(globex.pk))
    assert str(globex.pk) in offered(client.get("/audit/").content.decode(), "customer")


def test_the_list_of_records_offers_only_filters_that_can_match(disabled, acme, iris, browser):
    record(tenant="other", channel="v9", status="failed")
    client, path = browser(iris), "/admin/audit/commandrecord/"

    content = unescape(client.get(path).content.decode())

    assert {
        unquote_plus(each) for each in re.findall(r'\?channel=([^"&]+)', content)
    } == channels_of(acme)
    assert "status__exact=succeeded" in content
    assert "status__exact=failed" not in content
    chosen = client.get(f"{path}?channel=v9&status__exact=failed").content.decode()
    assert ">v9</a>" in chosen
    assert ">failed</a>" in chosen


def test_pages_call_a_tenant_what_the_project_calls_it(pages, disabled, browser):
    client = browser(User.objects.create_superuser("root", password="x"))
    request = ApprovalRequest.objects.get(command_id=disabled.command_id)
    (policy,) = Policy.objects.all()
    shown = [
        *(
            f"/admin/approvals/approvalrequest/{request.pk}/{page}/"
            for page in ("change", "history")
        ),
        *(f"/admin/approvals/policy/{policy.pk}/{page}/" for page in ("change", "history")),
    ]
    responses = [
        *map(client.get, [*pages, *shown]),
        client.post(f"/case-files/subject/api-key/{disabled.subject_id}"),
    ]

    for response in responses:
        text = re.sub(r"<[^>]*>", " ", response.content.decode())
        assert response.status_code == 200, response.request["PATH_INFO"]
        assert not re.search(r"\btenants?\b", text, re.IGNORECASE), response.request["PATH_INFO"]


def test_a_filter_in_a_link_stays_chosen(disabled, read):
    content = read("/audit/", {"message_type": "approvals.create_policy", "status": "failed"})

    assert "approvals.create_policy" in offered(content, "message_type")
    assert "failed" in offered(content, "status")
    assert "Nothing was searched" not in content


def test_filters_of_other_customers_are_not_offered(gus, globex, disabled, read, context_of):
    command = CreateApiKey(customer_id=globex.pk, owner_id=gus.pk, name="theirs")
    completed(command, context=context_of(gus))

    assert "apikeys.create" in offered(read("/audit/"), "message_type")
    assert "approvals.bootstrap" not in offered(read("/audit/"), "message_type")
