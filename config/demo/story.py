"""The demo story's cast: made once, through the bus where that is possible."""

import json
import os
import secrets
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth.models import Permission, User

from apikeys.commands import AddMember, CreateApiKey, CreateCustomer
from approvals.people.commands import AddToGroup, CreateGroup
from approvals.policies.bootstrap import Bootstrap
from audit.actors.actors import actor_for_user
from audit.bus.context import Context
from audit.bus.dispatch import dispatch
from audit.messages.classes import Command
from audit.messages.outcomes import Completed

_NAMES = ("dana", "ann", "bob", "iris", "olga")
_OWNERS = ("ann", "bob", "olga")
_DANA = (
    "view_apikey",
    "create_apikey",
    "update_apikey",
    "rotate_apikey",
    "enable_apikey",
    "disable_apikey",
    "delete_apikey",
    "verify_apikey",
)
_APPROVER = ("view_approvalrequest", "view_apikey")
_AUDITOR = (
    "view_apikey",
    "view_customer",
    "view_membership",
    "view_policy",
    "view_approvalrequest",
    "view_commandrecord",
    "view_eventrecord",
    "export_commandrecord",
)


def demo_file() -> Path:
    """Where scripts find the demo's address, logins and API key."""
    return Path(settings.DATA_DIR) / "demo.json"


def is_loaded() -> bool:
    """Tell whether the cast is there already."""
    return User.objects.filter(username="dana").exists() and demo_file().exists()


def load() -> None:
    """Make the cast of the story, with random passwords, and write down how to sign in.

    Acme's Dana may handle API keys; Ann and Bob of Security approve; Iris audits; Ann, Bob and
    Olga own the policies.
    """
    security = _carry_out(CreateGroup(group_name="Security"))
    acme = _carry_out(CreateCustomer(name="Acme")).pk
    passwords = {name: secrets.token_urlsafe(12) for name in _NAMES}
    people = {
        "dana": _person("dana", passwords, _DANA),
        "ann": _person("ann", passwords, _APPROVER, is_staff=True),
        "bob": _person("bob", passwords, _APPROVER, is_staff=True),
        "iris": _person("iris", passwords, _AUDITOR, is_staff=True),
        "olga": _person("olga", passwords, _APPROVER, is_staff=True),
    }
    for name in ("ann", "bob"):
        _carry_out(AddToGroup(user_id=people[name].pk, group_id=security.pk))
    for person in people.values():
        _carry_out(AddMember(customer_id=acme, user_id=person.pk))
    _carry_out(Bootstrap(owners=_OWNERS, policies=("apikeys.disable:Security:2",)))
    _write_down(passwords, _first_key(people["dana"], acme))


def refresh_address() -> None:
    """Write the address that is served now into the demo file."""
    facts = json.loads(demo_file().read_text())
    _write({**facts, "base_url": settings.BASE_URL})


def _person(
    name: str, passwords: dict[str, str], permissions: tuple[str, ...], *, is_staff: bool = False
) -> User:
    user = User.objects.create_user(
        name, f"{name}@countersign.example", passwords[name], is_staff=is_staff
    )
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    return user


def _first_key(owner: User, customer_id: Any) -> str:
    command = CreateApiKey(customer_id=customer_id, owner_id=owner.pk, name="first")
    context = Context(actor=actor_for_user(owner), channel="demo", reason="To try Countersign")
    outcome = dispatch(command, context=context)
    if not isinstance(outcome, Completed) or outcome.secret is None:
        message = "the demo's first key was not created: does a policy govern its creation?"
        raise RuntimeError(message)
    return outcome.secret


def _carry_out(command: Command) -> Any:
    outcome = dispatch(command, context=Context(channel="demo", reason="To try Countersign"))
    return outcome.result if isinstance(outcome, Completed) else None


def _write_down(passwords: dict[str, str], api_key: str) -> None:
    users = {name: {"username": name, "password": word} for name, word in passwords.items()}
    _write({"base_url": settings.BASE_URL, "users": users, "api_key": api_key})


def _write(facts: dict[str, Any]) -> None:
    path = demo_file()
    path.parent.mkdir(parents=True, exist_ok=True)
    # Made for its owner only from the first byte on: it holds passwords.
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(facts, file, indent=2)
        file.write("\n")
