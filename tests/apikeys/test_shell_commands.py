"""The first customer and the first key, made from a shell."""

import re

import pytest
from django.core.management import CommandError, call_command

from apikeys.models import ApiKey, Customer
from approvals.models import ApprovalRequest
from audit.models.records import CommandRecord
from tests.conftest import approved, member, policy
from tests.http import call

FULL = ("--customer", "Acme", "--owner", "dana", "--name", "first")


def test_a_customer_is_made_with_its_people(dana, capsys):
    call_command("create_customer", "Initech", "--member", "dana")

    customer = Customer.objects.get(name="Initech")
    assert capsys.readouterr().out.strip() == str(customer.pk)
    assert [str(each.user) for each in customer.membership_set.all()] == ["dana"]
    record = CommandRecord.objects.latest("position")
    assert (record.actor_kind, record.channel) == ("system", "management")


def test_an_unknown_member_is_refused_and_nothing_is_created(dana):
    with pytest.raises(CommandError, match="There is no user named “nobody”"):
        call_command("create_customer", "Initech", "--member", "dana", "--member", "nobody")

    assert not Customer.objects.filter(name="Initech").exists()


@pytest.mark.parametrize(
    ("name", "said"), [("Acme", "another name"), ("x" * 101, "100"), ("", "blank")]
)
def test_a_name_that_cannot_be_is_refused_in_words(acme, name, said):
    with pytest.raises(CommandError, match=said):
        call_command("create_customer", name)

    assert Customer.objects.count() == 1
    assert CommandRecord.objects.latest("position").status == "refused"


def test_the_secret_alone_goes_to_standard_output(client, dana, acme, capsys):
    call_command("issue_key", *FULL, "--scope", "read", "--network", "127.0.0.0/8")

    written = capsys.readouterr()
    assert re.fullmatch(r"cs_live_[0-9A-Za-z]{33}\n", written.out)
    key = ApiKey.objects.get(name="first")
    assert str(key.pk) in written.err
    assert (list(key.scopes), list(key.allowed_networks)) == (["read"], ["127.0.0.0/8"])
    answer = call(client, "GET", "/api/v2/whoami", key=written.out.strip())
    assert answer.json()["person_id"] == str(dana.pk)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--customer", "Acme"), "Missing: --owner, --name"),
        (("--customer", "Nowhere", "--owner", "dana", "--name", "x"), "no customer “Nowhere”"),
        (("--customer", "Acme", "--owner", "nobody", "--name", "x"), "no user “nobody”"),
        ((*FULL, "--network", "10.0.0.1/8"), "10.0.0.1/8|network"),
        ((*FULL, "--scope", "everything"), "scope"),
        ((*FULL, "--expires", "2020-01-01T00:00:00Z"), "expires_at"),
    ],
)
def test_what_is_missing_or_wrong_is_told(dana, acme, arguments, said):
    with pytest.raises(CommandError, match=said):
        call_command("issue_key", *arguments)

    assert not ApiKey.objects.exists()


def test_a_key_whose_owner_acts_for_somebody_else_is_refused(gus, acme):
    with pytest.raises(CommandError, match="gus"):
        call_command("issue_key", "--customer", "Acme", "--owner", "gus", "--name", "first")


def test_a_held_key_is_picked_up_once_it_is_approved(dana, acme, security, ann, bob, capsys):
    policy("apikeys.create", group=security, quorum=2)
    with pytest.raises(CommandError, match="Waiting for approval, as a policy requires"):
        call_command("issue_key", *FULL)

    request = approved(ApprovalRequest.objects.get(), ann, bob)

    call_command("issue_key", "--pick-up", request.subject_id)

    assert capsys.readouterr().out.startswith("cs_live_")


def test_a_member_may_be_named_twice(acme, dana):
    member("mia", acme)

    call_command("create_customer", "Initech", "--member", "mia", "--member", "mia")

    assert Customer.objects.get(name="Initech").membership_set.count() == 1
