"""Who may do what over HTTP: every route of the API, every method, every role.

The table is the contract. A route or method that it lacks fails the test, and so does one that is
there no more. All objects belong to Acme; ``other`` is another customer's key, and sees nothing.
"""

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils import timezone

from apikeys.commands import CreateApiKey, DisableApiKey
from apikeys.models import Customer
from approvals.models import Policy
from audit.bus.context import Context
from audit.bus.dispatch import dispatch
from tests.approvals.delegating import delegated
from tests.conftest import AS_SYSTEM, actor, create_key, held, member, policy
from tests.http import call
from tests.webhooks import create_delivery, create_endpoint

TABLE = Path(__file__).parent / "roles.txt"
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
ROLES = (
    "nobody",
    "key",  # of Dana's, with every scope
    "reading",  # of Dana's, confined to reading
    "verifying",  # of Dana's, confined to verifying
    "poor",  # its owner has no permission
    "other",  # another customer's, with every scope
    "dana",  # signed in
    "ann",  # who approves
    "iris",  # who audits
    "olga",  # who owns policies
    "guest",  # signed in, and nothing else
)


def rows() -> dict[tuple[str, str], list[str]]:
    """Read the table: route, method, and a status for each role."""
    lines = [line.split() for line in TABLE.read_text().splitlines() if line.strip()]
    assert tuple(lines[0][2:]) == ROLES
    return {(path, method): statuses for path, method, *statuses in lines[1:]}


def routes(patterns: Any, prefix: str = "/") -> dict[str, set[str]]:
    """List the routes of the API with the methods that each answers."""
    found: dict[str, set[str]] = {}
    for pattern in patterns:
        # Version 2 accepts ids in either case.
        path = (prefix + str(pattern.pattern)).replace("<any_uuid:", "<uuid:")
        if isinstance(pattern, URLResolver):
            found |= routes(pattern.url_patterns, path)
        elif isinstance(pattern, URLPattern) and path.startswith("/api/"):
            actions = getattr(pattern.callback, "actions", {"get": None})
            found[path] = {method.upper() for method in actions}
    return found


def _resource(path: str) -> str:
    return "/".join(path.split("/")[2:4])


ROWS = rows()
ROUTES = routes(get_resolver("config.urls").url_patterns)


class World:
    """The callers, and fresh objects for each call."""

    def __init__(self, dana: User, acme: Customer, callers: dict[str, Client]) -> None:
        self.dana, self.acme, self.callers = dana, acme, callers

    def send(self, method: str, route: str, *, role: str) -> Any:
        """Call a route in a role, about objects that nobody has touched yet."""
        path, body = self._about(route)
        return call(self.callers[role], method, path, None if method in _BODILESS else body)

    def _about(self, route: str) -> tuple[str, Any]:
        """Name something to call about, and what to send."""
        if "api_key_id" in route:
            target = create_key(self.dana, self.acme, name="target")
            if route.endswith("/enable"):
                dispatch(DisableApiKey(api_key_id=target.id), context=AS_SYSTEM)
            return route.replace("<uuid:api_key_id>", str(target.id)), _BODIES.get(_end(route))
        if "approval_request_id" in route:
            request = held(self._creating(environment="test"), context=self._danas())
            body = _BODIES.get(_end(route), {"digest": request.digest, "comment": "Because"})
            return route.replace("<uuid:approval_request_id>", str(request.pk)), body
        if "policy_id" in route:
            governing = Policy.objects.get(governs="apikeys.rotate")
            return route.replace("<uuid:policy_id>", str(governing.pk)), _POLICY
        if "endpoint_id" in route:
            endpoint = create_endpoint(self.acme)
            delivery = create_delivery(endpoint)
            path = route.replace("<uuid:endpoint_id>", str(endpoint.pk))
            path = path.replace("<uuid:event_id>", str(delivery.event_id))
            is_again = path.endswith("/deliveries/" + str(delivery.event_id) + "/resend")
            return path, {} if is_again else _WEBHOOK_BODIES.get(_end(route), {})
        if "command_id" in route:
            made = dispatch(self._creating(), context=self._danas())
            return route.replace("<uuid:command_id>", str(made.command_id)), None
        if "delegation_id" in route:
            people = User.objects.get(username="ann"), User.objects.get(username="bob")
            made = delegated(*people, groups=list(people[0].groups.all()))
            route = route.replace("<uuid:delegation_id>", str(made.pk))
        return route, _BODIES.get(_end(route))

    def _creating(self, **fields: Any) -> CreateApiKey:
        return CreateApiKey(customer_id=self.acme.pk, owner_id=self.dana.pk, name="made", **fields)

    def _danas(self) -> Context:
        return Context(actor=actor(self.dana), reason="To try")


def _end(route: str) -> str:
    return route.rpartition("/")[2]


_POLICY = {
    "governs": "apikeys.rotate",
    "rules": [{"group": "Security", "quorum": 1}],
    "reason": "Better so",
}
_BODIES = {
    "api-keys": {"name": "new"},
    "<uuid:api_key_id>": {"name": "renamed"},
    "rotate": {"overlap_seconds": 0},
    "verify": {"secret": "none"},
    "policies": _POLICY,
    "delegations": {
        "delegate": "bob",
        "groups": ["Security"],
        "ends_at": f"{timezone.now() + timedelta(days=1):%Y-%m-%dT%H:%M:%SZ}",
    },
    "retry": {"comment": "Because"},
    "raise-again": {"comment": "Because"},
    "comments": {"comment": "Because"},
    "remind": {},
    "webhook-endpoints": {"destination": "https://hooks.example/in"},
}
_WEBHOOK_BODIES = {
    "<uuid:endpoint_id>": {"description": "ours"},
    "rotate": {"overlap_seconds": 0},
    "resend": {"since": "2026-01-01T00:00:00Z"},
}
_BODILESS = ("GET", "DELETE")


@pytest.fixture
def world(dana, acme, gus, globex, security, ann, bob, iris, policy_owners, browser):
    every = ("read", "write", "keys:verify")
    callers = {
        "nobody": Client(),
        "key": _program(dana, acme, every),
        "reading": _program(dana, acme, ("read",)),
        "verifying": _program(dana, acme, ("keys:verify",)),
        "poor": _program(member("paul", acme), acme, every),
        "other": _program(gus, globex, every),
        "dana": browser(dana),
        "ann": browser(ann),
        "iris": browser(iris),
        "olga": browser(policy_owners[0]),
        "guest": browser(User.objects.create_user("guest")),
    }
    # Only what the calls about requests ask for: a test key; all else is carried out at once.
    policy(
        "apikeys.create",
        group=security,
        quorum=2,
        condition='command.environment == "test"',
    )
    policy("apikeys.rotate", group=security, quorum=2, condition='actor.label == "nobody at all"')
    return World(dana, acme, callers)


def _program(owner: User, customer: Customer, scopes: tuple[str, ...]) -> Client:
    command = CreateApiKey(customer_id=customer.pk, owner_id=owner.pk, name="caller", scopes=scopes)
    return Client(
        headers={"Authorization": f"Bearer {dispatch(command, context=AS_SYSTEM).secret}"}
    )


@pytest.mark.sweep
@pytest.mark.parametrize("resource", sorted({_resource(path) for path, _ in ROWS}))
def test_every_role_gets_what_the_table_says(world, resource):
    for (route, method), statuses in ROWS.items():
        if _resource(route) == resource:
            answers = {role: world.send(method, route, role=role) for role in ROLES}
            got = [str(answers[role].status_code) for role in ROLES]
            assert (route, method, got) == (route, method, statuses)
            for role in ("other", "guest"):
                assert str(world.acme.pk) not in answers[role].content.decode()


def test_the_table_has_every_route_and_every_method():
    assert {path for path, _ in ROWS} == set(ROUTES)
    for path, answered in ROUTES.items():
        listed = {method for known, method in ROWS if known == path}
        assert answered <= listed, path


def test_a_method_that_the_table_lacks_is_405_and_says_which_there_are(client, first_key):
    for route in ROUTES:
        path = re.sub("<uuid:[a-z_]+>", str(first_key.id), route)
        for method in METHODS:
            if (route, method) not in ROWS:
                answer = call(client, method, path, key=first_key)
                assert (answer.status_code, answer.has_header("Allow")) == (405, True), path
