"""The bypass matrix: whoever sends whatever to any address, nothing gated happens without votes."""

import re
from uuid import uuid4

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client
from django.urls import get_resolver

from apikeys.commands import DisableApiKey
from apikeys.models import ApiKey, ApiKeySecret, Customer, Membership
from approvals.models import ApprovalRequest, Policy, Rule
from approvals.pages.people.verbs import GROUP_VERBS, USER_VERBS
from tests.approvals.people_pages import sent
from tests.conftest import actor, create_key, held, new_approver, policy
from tests.http import call
from tests.test_no_way_around import addresses
from tests.test_roles import routes

ROLES = ("key", "dana", "mia", "ann", "iris", "olga", "root", "gus", "nobody")
DECISIONS = ("approve", "deny", "take_back", "retry", "withdraw", "break_glass", "execute")
EFFECTS = ("executes", "ends_request", "takes_back_vote", "needs_1_more")


def snapshot():
    """Everything that gated commands change. Who signed in when is no concern of theirs."""
    people = [field.attname for field in User._meta.concrete_fields if field.name != "last_login"]
    rows = {"User": list(User.objects.order_by("pk").values_list(*people))}
    links = (User.groups.through, User.user_permissions.through, Group.permissions.through)
    tables = (ApiKey, ApiKeySecret, Customer, Membership, Policy, Rule, Group, *links)
    for model in tables:
        rows[model.__name__] = list(model._default_manager.order_by("pk").values_list())
    return rows


@pytest.fixture
def second_key(dana, acme):
    """Another key of Dana's, made while nothing was gated."""
    return create_key(dana, acme, name="second")


@pytest.fixture
def root(acme):
    """A superuser: has every permission, and no vote."""
    return User.objects.create_superuser("root")


@pytest.fixture
def cast(first_key, dana, manager, ann, iris, policy_owners, root, gus):
    """Each role with a client and, for programs, the key to send along."""
    people = [dana, manager, ann, iris, policy_owners[0], root, gus]
    senders = {"key": (Client(), first_key), "nobody": (Client(), None)}
    for person in people:
        client = Client(raise_request_exception=False)
        client.force_login(person)
        senders[person.username] = (client, None)
    return senders


@pytest.fixture
def gate(cast, second_key, globex, security, ann, bob):
    """The policy on every command about keys and customers, once everybody is there."""
    for name in ("gil", "gia"):
        new_approver(name, globex, groups=[security])
    return policy("apikeys.*", group=security, quorum=2)


@pytest.fixture
def waiting(gate, second_key, dana, context_of):
    """Dana has asked to disable her second key."""
    return held(DisableApiKey(api_key_id=second_key.id), context=context_of(dana))


def api_calls(request, *, key, governed):
    """Every call of the API that anybody might think of: method, address, body."""
    ids = {"api_key_id": key.id, "policy_id": governed, "command_id": request.command_id}
    ids |= {"approval_request_id": request.pk, "endpoint_id": uuid4(), "event_id": uuid4()}
    ids |= {"delegation_id": uuid4()}
    said = {"governs": "apikeys.*", "effect": "allow"}
    bodies = {
        "POST": [
            {},
            {"name": "stolen"},
            {"name": "stolen", "is_enabled": False, "status": "executed"},
            {"digest": request.digest},
            {"digest": request.digest, "comment": "So be it"},
            {"governs": "notes.*", "effect": "forbid"},
        ],
        "PUT": [{}, said, {"is_enabled": False}],
        "PATCH": [said, {"state": "executed"}, {"is_enabled": False}],
        "DELETE": [{}],
    }
    for route, answered in routes(get_resolver("config.urls").url_patterns).items():
        path = re.sub(r"<uuid:(\w+)>", lambda found: str(ids[found[1]]), route)
        for method, contents in bodies.items():
            # A method that a route does not answer is 405 whatever the body: one will do.
            tried = contents if method in answered else contents[:1]
            yield from ((method, path, content) for content in tried)


@pytest.mark.sweep
@pytest.mark.parametrize("role", ROLES)
def test_no_address_of_the_api_does_what_is_gated(role, cast, waiting, first_key, gate):
    sender, key = cast[role]
    before = snapshot()

    answers = [
        call(sender, method, path, body, key=key)
        for method, path, body in api_calls(waiting, key=first_key, governed=gate.pk)
    ]

    assert snapshot() == before
    assert all(answer.status_code < 500 for answer in answers)
    was_held = any(answer.status_code == 202 for answer in answers)
    assert was_held == (role in ("key", "dana", "gus", "mia", "root", "olga"))


@pytest.mark.sweep
def test_without_the_policy_the_same_calls_do_it(cast, waiting, first_key, gate):
    """So the matrix could fail."""
    sender, key = cast["key"]
    before = snapshot()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("approvals.models.policies.PolicyManager.governing", lambda *_, **__: [])
        for method, path, body in api_calls(waiting, key=first_key, governed=gate.pk):
            call(sender, method, path, body, key=key)

    after = snapshot()

    assert after["ApiKey"] != before["ApiKey"]
    assert not ApiKey.objects.get(pk=first_key.id).is_enabled


def forms(request, *, people, groups, outsider):
    """Every form of the admin that asks for something, for whom it would matter."""
    users, lists = "/admin/auth/user/", "/admin/approvals/approvalrequest/"
    own = {"permission": "approvals.break_glass", "name": "Policy owners", "reason": "Please"}
    for person in people:
        for verb in USER_VERBS:
            for group in groups:
                form = own | {"verb": verb, "group": group.pk}
                yield f"{users}{person.pk}/ask/", form
    for verb in ("join", "grant", "superuser"):
        form = own | {"verb": verb, "group": groups[0].pk}
        yield f"{users}{outsider.pk}/ask/", form
    for group in groups:
        for verb in GROUP_VERBS:
            form = own | {"verb": verb, "user": outsider.pk, "name": "Another"}
            yield f"/admin/auth/group/{group.pk}/ask/", form
    yield "/admin/auth/group/create/", own
    new = {"username": "erin", "email": "erin@example.com", "group": groups[0].pk}
    yield f"{users}new-approver/", own | new
    selected = [str(person.pk) for person in people]
    for action in ("activate", "deactivate", "reset", "delete"):
        yield users, own | {"action": f"{action}_selected", "_selected_action": selected}
    yield from forms_of_the_inbox(request, lists)
    yield f"{lists}{request.pk}/try/", own
    for decision in DECISIONS:
        form = {"decision": decision, "digest": request.digest, "reason": "Please", "ticket": "T-1"}
        for effect in EFFECTS:
            seen = {"number": "1", f"effect-{decision}": effect}
            yield f"{lists}{request.pk}/decide/", form | seen


def forms_of_the_inbox(request, lists):
    """What decides on several, and what the stock list would take."""
    seen = {f"digest-{request.pk}": request.digest, "reason": "Please"}
    for verb in ("approve", "deny", "delete", "break_glass"):
        for effect in EFFECTS:
            form = seen | {f"number-{request.pk}": "1", f"effect-{request.pk}": effect}
            yield f"{lists}selected/", form | {"verb": verb, "request": [str(request.pk)]}
        stock = {"action": f"{verb}_selected", "_selected_action": [str(request.pk)]}
        yield lists, seen | stock


@pytest.mark.sweep
@pytest.mark.parametrize("role", ROLES[1:])
def test_no_form_of_the_admin_does_what_is_gated(
    role, cast, waiting, ann, bob, policy_owners, security, dana
):
    sender, _ = cast[role]
    owners = Group.objects.get(name="Policy owners")
    chosen = {"people": [ann, policy_owners[1]], "groups": [security, owners], "outsider": dana}
    before, asked = snapshot(), ApprovalRequest.objects.count()

    answers = [sent(sender, path, form) for path, form in forms(waiting, **chosen)]

    assert snapshot() == before
    assert all(answer.status_code < 500 for answer in answers)
    assert (ApprovalRequest.objects.count() > asked + 20) == (role in ("mia", "olga", "root"))


@pytest.mark.sweep
def test_without_the_built_in_policy_the_same_forms_succeed(
    cast, waiting, ann, policy_owners, security, dana, monkeypatch
):
    """So this part of the matrix could fail."""
    sender, _ = cast["mia"]
    chosen = {"people": [ann, policy_owners[1]], "groups": [security], "outsider": dana}
    before = snapshot()

    monkeypatch.setattr("approvals.policies.evaluation.built_in_requirements", lambda _: None)
    for path, form in forms(waiting, **chosen):
        sent(sender, path, form)

    after = snapshot()
    changed = {name for name in after if after[name] != before[name]}
    assert changed >= {"User", "Group", "User_groups", "User_user_permissions"}


@pytest.mark.sweep
@pytest.mark.parametrize("role", ["mia", "ann", "olga", "root"])
def test_no_other_page_of_the_admin_does_either(role, cast, waiting, ann, gate, first_key):
    sender, _ = cast[role]
    ids = {"auth/user": ann.pk, "auth/group": ann.groups.get().pk, "approvals/policy": gate.pk}
    ids |= {"approvals/approvalrequest": waiting.pk}
    form = {
        "username": "ann",
        "is_active": "",
        "is_superuser": "on",
        "name": "changed",
        "governs": "notes.*",
        "effect": "allow",
        "is_enabled": "",
        "rules-TOTAL_FORMS": "0",
        "rules-INITIAL_FORMS": "0",
        "old_password": "wrong",
        "new_password1": "a new one of mine",
        "new_password2": "a new one of mine",
        "password1": "a new one of mine",
        "password2": "a new one of mine",
        "post": "yes",
    }
    before = snapshot()

    for route in addresses():
        if not route.startswith(("/admin/", "/audit/", "/set-password/")) or "logout" in route:
            continue
        # Making a group that has no say in anything is not gated.
        if route.endswith("/create/"):
            continue
        name = re.search(r"/admin/(\w+/\w+)/", route)
        identifier = str(ids.get(name[1], first_key.id) if name else first_key.id)
        path = re.sub(r"<[^>]+>|\([^)]*\)", identifier, re.sub(r"[\^$]|\\Z", "", route))
        for method in ("post", "put", "patch", "delete"):
            assert getattr(sender, method)(path, form).status_code < 500, (method, path)

    assert snapshot() == before
    assert actor(ann).label == "ann"
