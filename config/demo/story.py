"""The people, keys and policies of the demo: created once, through the bus where possible."""

import json
import secrets
from pathlib import Path

from django.conf import settings
from django.contrib.auth.models import Permission, User

from apikeys.commands import AddMember, CreateApiKey, CreateCustomer
from approvals.people.commands import AddToGroup, CreateGroup
from approvals.policies.bootstrap import Bootstrap
from audit.actors.actors import SYSTEM, Actor, actor_for_user
from audit.bus.context import Context
from audit.bus.dispatch import dispatch
from audit.messages.classes import Command
from audit.messages.outcomes import Completed
from config.first_run.banner import Demo

_WEBHOOKS = ("view_webhookendpoint", "manage_webhookendpoint", "resend_webhookdelivery")
# Permissions for working with keys and webhooks; a junior is granted only the first ones.
JUNIOR = ("apikeys.view_apikey", "apikeys.create_apikey")
SENIOR = (
    *JUNIOR,
    *(f"apikeys.{each}_apikey" for each in ("update", "rotate", "enable", "disable", "delete")),
    *(f"audit.{each}" for each in _WEBHOOKS),
)
_DANA = (*(each.partition(".")[2] for each in SENIOR), "verify_apikey")
_APPROVER = ("view_approvalrequest", "view_apikey")
_AUDITOR = (
    *(*_APPROVER, "view_customer", "view_membership", "view_policy"),
    *("view_commandrecord", "view_eventrecord", "export_commandrecord", "view_every_tenant"),
)
_CAST = {"dana": _DANA, "ann": _APPROVER, "bob": _APPROVER, "iris": _AUDITOR, "olga": _APPROVER}


def demo_file() -> Path:
    """Return the path of the file with the demo's URL, logins and API key."""
    return Path(settings.DATA_DIR) / "demo.json"


def is_loaded() -> bool:
    """Return True if the demo's people exist."""
    return User.objects.filter(username="dana").exists() and demo_file().exists()


def load() -> None:
    """Create the demo's people with random passwords, and write their logins to the demo file.

    Dana manages API keys and webhook endpoints of Acme; Ann and Bob of Security approve; Iris
    audits; Ann, Bob and Olga own the policies.
    """
    security = _execute(CreateGroup(group_name="Security")).result
    acme = _execute(CreateCustomer(name="Acme")).result.pk
    passwords = {name: secrets.token_urlsafe(12) for name in _CAST}
    people = {name: _person(name, password) for name, password in passwords.items()}
    for name in ("ann", "bob"):
        _execute(AddToGroup(user_id=people[name].pk, group_id=security.pk))
    for person in people.values():
        _execute(AddMember(customer_id=acme, user_id=person.pk))
    _execute(Bootstrap(owners=("ann", "bob", "olga"), policies=("apikeys.disable:Security:2",)))
    logins = {name: {"username": name, "password": word} for name, word in passwords.items()}
    first = CreateApiKey(customer_id=acme, owner_id=people["dana"].pk, name="first")
    api_key = _execute(first, actor=actor_for_user(people["dana"])).secret or ""
    _write({"base_url": settings.BASE_URL, "users": logins, "api_key": api_key})


def refresh_address() -> Demo:
    """Write the current URL to the demo file, and return its contents."""
    demo: Demo = json.loads(demo_file().read_text())
    demo["base_url"] = settings.BASE_URL
    _write(demo)
    return demo


def _person(name: str, password: str) -> User:
    email = f"{name}@countersign.example"
    user = User.objects.create_user(name, email, password, is_staff=name != "dana")
    user.user_permissions.set(Permission.objects.filter(codename__in=_CAST[name]))
    return user


def _execute(command: Command, *, actor: Actor = SYSTEM) -> Completed:
    context = Context(actor=actor, channel="demo", reason="To try Countersign")
    outcome = dispatch(command, context=context)
    if isinstance(outcome, Completed):
        return outcome
    raise RuntimeError("the demo's first key was not created: does a policy govern its creation?")


def _write(demo: Demo) -> None:
    path = demo_file()
    path.parent.mkdir(parents=True, exist_ok=True)
    # Private to its owner from the first byte on: it contains passwords.
    path.touch(mode=0o600)
    path.write_text(f"{json.dumps(demo, indent=2)}\n")
