"""Names of people and groups on pages about approvals, without invisible characters."""

import re

import pytest
from django.contrib.auth.models import Group, Permission, User

from apikeys.commands import DisableApiKey
from apikeys.models import ApiKey, Customer
from approvals.models import Policy
from audit.outside import outside_command
from tests.approvals.admin_pages import LIST, ask, decide
from tests.approvals.delegating import delegated
from tests.conftest import approved, create_key

UNSEEN = "\u202e\u2066\u200b\x07\x1b"
NUMBERS = "[U+202E][U+2066][U+200B][U+0007][U+001B]"


@pytest.fixture
def odd(first_key, dana, ann, bob, iris, security, disabling_needs_two, context_of):
    """Requests among people, groups and a customer whose names have invisible characters."""
    with outside_command("By hand"):
        for name in ("dana", "ann", "bob"):
            User.objects.filter(username=name).update(username=f"{name}{UNSEEN}")
        Group.objects.filter(pk=security.pk).update(name=f"Security{UNSEEN}")
        Customer.objects.update(name=f"customer{UNSEEN}")
        ApiKey.objects.update(name=f"key{UNSEEN}")
    for person in (dana, ann, bob, security):
        person.refresh_from_db()
    names = ("view_policy", "manage_policy", "view_commandrecord", "view_group", "view_user")
    for person in (ann, bob):
        person.user_permissions.add(*Permission.objects.filter(codename__in=names))
    delegated(bob, iris, groups=[security])
    request = ask(first_key, dana, context_of, reason=f"Leaked{UNSEEN}")
    return approved(request, ann)


@pytest.fixture
def decided(odd, dana, customer, ann, context_of, browser):
    """A request that Ann has denied."""
    request = ask(create_key(dana, customer, name="second"), dana, context_of)
    decide(browser(ann), request, "deny", reason=f"No{UNSEEN}")
    return request


@pytest.fixture
def customer(acme):
    acme.refresh_from_db()
    return acme


@pytest.mark.parametrize(
    ("who", "page"),
    [
        ("bob", LIST),
        ("ann", f"{LIST}?tab=watching"),
        ("ann", f"{LIST}?tab=done"),
        ("bob", f"{LIST}{{odd}}/change/"),
        ("ann", f"{LIST}{{odd}}/change/"),
        ("ann", f"{LIST}{{decided}}/change/"),
        ("bob", f"{LIST}selected/?verb=approve&request={{odd}}"),
        ("dana", "/requests/"),
        ("dana", "/requests/{odd}/"),
        ("dana", "/requests/{decided}/"),
        ("bob", "/requests/delegations/"),
        ("bob", "/admin/approvals/policy/{policy}/change/"),
        ("bob", "/admin/approvals/policy/explain/?command_id={command}"),
        ("bob", "/admin/auth/group/{group}/change/"),
        ("bob", "/audit/cases/{command}"),
    ],
)
def test_invisible_characters_are_shown_by_their_numbers(
    odd, decided, dana, ann, bob, security, browser, who, page
):
    people = {"dana": dana, "ann": ann, "bob": bob}
    path = page.format(
        odd=odd.pk,
        decided=decided.pk,
        command=odd.command_id,
        policy=Policy.objects.get(governs=DisableApiKey.message_type).pk,
        group=security.pk,
    )

    answer = browser(people[who]).get(path)

    assert answer.status_code == 200
    content = answer.content.decode()
    assert not re.findall(r".*[\u202e\u2066\u200b\x07\x1b].*", content)
    assert NUMBERS in content
