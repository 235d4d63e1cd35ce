"""Who may do what with approval requests over HTTP."""

import re
import uuid

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client

from approvals.models import ApprovalRequest
from approvals.policies.commands import CreatePolicy
from audit.bus.dispatch import dispatch
from tests.approvals.asking import (
    REQUESTS,
    address,
    decide,
    ids,
)
from tests.conftest import AS_SYSTEM, KEY_PERMISSIONS, create_key, member
from tests.http import call

ROLES = ("dana", "ann", "otto", "gus", "iris", "superuser", "key", "foreign key", "anonymous")
EXPECTED = {
    # Each in the order of ROLES.
    "list": (200, 200, 200, 200, 200, 200, 200, 200, 401),
    "detail": (200, 200, 200, 404, 200, 200, 200, 404, 401),
    "approve": (403, 200, 403, 404, 403, 403, 403, 404, 401),
    "deny": (403, 200, 403, 404, 403, 403, 403, 404, 401),
    "take-back": (409, 409, 409, 404, 409, 409, 409, 404, 401),
    "withdraw": (200, 403, 403, 404, 403, 403, 200, 404, 401),
    # It waits: there is nothing to try, or to ask for, once more.
    "retry": (409, 409, 403, 404, 403, 403, 409, 404, 401),
    "raise-again": (409, 403, 403, 404, 403, 403, 409, 404, 401),
    "policies": (403, 403, 403, 403, 403, 200, 403, 403, 401),
    "policy": (403, 403, 403, 403, 403, 200, 403, 403, 401),
}
SEEN_IN_LIST = (1, 1, 1, 0, 1, 1, 1, 0, None)


@pytest.fixture
def cast(dana, ann, otto, gus, iris, root, first_key, globex, browser):
    """Each role with a client and, for programs, the key to send along."""
    people = {"dana": dana, "ann": ann, "otto": otto, "gus": gus, "iris": iris, "superuser": root}
    senders = {role: (browser(person), None) for role, person in people.items()}
    senders["key"] = (Client(), first_key)
    senders["foreign key"] = (Client(), create_key(gus, globex, name="theirs"))
    senders["anonymous"] = (Client(), None)
    return senders


def _decides(route, role):
    """Tell whether the call ends the request, so that nobody else can be tried on it."""
    return route in ("approve", "deny", "withdraw") and EXPECTED[route][ROLES.index(role)] == 200


@pytest.mark.parametrize("route", EXPECTED)
def test_each_role_gets_the_answer_of_the_table(route, asked, cast):
    for role in ROLES:
        if not _decides(route, role):
            answer = _send(cast[role][0], route, asked, cast[role][1])
            assert (role, answer.status_code) == (role, EXPECTED[route][ROLES.index(role)])


@pytest.mark.parametrize(
    ("route", "role"),
    [(route, role) for route in EXPECTED for role in ROLES if _decides(route, role)],
)
def test_who_may_decide_does(route, role, asked, cast):
    sender, key = cast[role]

    assert _send(sender, route, asked, key).status_code == 200


def _send(sender, route, asked, key):
    match route:
        case "list":
            return call(sender, "GET", REQUESTS, key=key)
        case "detail":
            return call(sender, "GET", address(asked), key=key)
        case "policies":
            return call(sender, "GET", "/api/v2/policies", key=key)
        case "policy":
            governing = asked.requirements["policies"][0]["id"]
            return call(sender, "GET", f"/api/v2/policies/{governing}", key=key)
        case "approve":
            return decide(sender, asked, route, key=key)
        case _:
            return decide(sender, asked, route, key=key, comment="Because")


def test_each_role_lists_what_it_may_see(asked, cast):
    for role, count in zip(ROLES, SEEN_IN_LIST, strict=True):
        sender, key = cast[role]
        if count is not None:
            assert len(ids(call(sender, "GET", REQUESTS, key=key))) == count, role


def test_a_request_that_is_none_is_not_found(asked, ann, browser):
    answer = browser(ann).get(f"{REQUESTS}/{uuid.uuid4()}")
    voted = call(browser(ann), "POST", f"{REQUESTS}/{uuid.uuid4()}/approve", {"digest": "0"})

    assert (answer.status_code, voted.status_code) == (404, 404)
    assert answer["Content-Type"] == "application/problem+json"


def test_without_the_permission_a_user_sees_only_own_requests(asked, dana, acme, browser):
    colleague = member("carl", acme, permissions=KEY_PERMISSIONS)

    assert ids(browser(colleague).get(REQUESTS)) == []
    assert browser(colleague).get(address(asked)).status_code == 404
    assert browser(dana).get(address(asked)).status_code == 200


VERBS = (
    *("approve", "deny", "request-changes", "comments", "remind"),
    *("take-back", "withdraw", "retry", "raise-again"),
)
_NO_DIGEST = ("comments", "remind", "withdraw", "retry", "raise-again")


def _without_ids(answer):
    """Return what an answer says, without the ids of the request and of the call."""
    ids_or_digits = "[0-9a-f-]{32,36}"
    return answer.status_code, re.sub(ids_or_digits, "", answer.content.decode())


@pytest.mark.parametrize("verb", VERBS)
def test_a_request_that_the_caller_may_not_view_is_not_found_by_any_command(
    verb, asked, ann, acme, browser
):
    decide(browser(ann), asked, "deny", comment="CONFIDENTIAL")
    colleague = member("carl", acme, permissions=KEY_PERMISSIONS)
    callers = ((browser(colleague), None), (Client(), create_key(colleague, acme, name="carl's")))

    for sender, key in callers:
        for query, condition in (("", {}), ("?dry_run=true", {}), ("", {"If_Match": '"999"'})):
            body = {"comment": "Why"} | ({} if verb in _NO_DIGEST else {"digest": asked.digest})
            hidden = call(sender, "POST", address(asked, verb) + query, body, key=key, **condition)
            other = f"{REQUESTS}/{uuid.uuid4()}/{verb}{query}"
            missing = call(sender, "POST", other, body, key=key, **condition)

            assert b"not_found" in missing.content
            assert _without_ids(hidden) == _without_ids(missing)
            assert b"CONFIDENTIAL" not in hidden.content


def test_what_belongs_to_no_customer_is_shown_to_those_whom_it_asks(otto, acme, browser):
    owners = Group.objects.create(name="Policy owners")
    viewing = ("view_approvalrequest",)
    for name in ("olga", "omar", "oona"):
        member(name, acme, groups=[owners], permissions=(*KEY_PERMISSIONS, *viewing), is_staff=True)
    olgas_key = create_key(User.objects.get(username="olga"), acme, name="Olga's program")
    outcome = dispatch(CreatePolicy(governs="apikeys.enable", effect="forbid"), context=AS_SYSTEM)
    request = ApprovalRequest.objects.get(command_id=outcome.command_id)
    olga, omar = (browser(User.objects.get(username=name)) for name in ("olga", "omar"))

    assert browser(otto).get(address(request)).status_code == 404
    assert decide(browser(otto), request, "approve").status_code == 404
    assert call(Client(), "GET", address(request), key=olgas_key).status_code == 404
    assert ids(olga.get(f"{REQUESTS}?view=needs_my_vote")) == [str(request.pk)]
    assert decide(olga, request, "approve").status_code == 200
    assert decide(omar, request, "approve").json()["state"] == "executed"
