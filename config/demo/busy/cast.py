"""The cast: customers, the people and services that act for them, and one more approver."""

import secrets

from django.contrib.auth.models import User

from apikeys.commands import AddMember, CreateCustomer
from apikeys.models import ApiKey, Customer
from approvals.people.commands import AddToGroup, CreateUser, GrantPermission, SetAdminAccess
from audit.sessions.commands import ChangePassword
from config.demo import story
from config.demo.busy import texts
from config.demo.busy.stage import APPROVED, Stage

_APPROVER = ("apikeys.view_apikey", "approvals.view_approvalrequest", "audit.view_every_tenant")
_NEW = "A new customer has signed up"


def is_there() -> bool:
    """Return True if the month was played, or started."""
    return Customer.objects.filter(name="Globex").exists()


def gather(stage: Stage) -> None:
    """Add the approvers, and the customers with their people and services."""
    for user in User.objects.filter(username__in=("ann", "bob", "olga")).order_by("username"):
        stage.add_sender(user.username, "user", user.pk, channel="admin")
    for name, staff in texts.STAFF.items():
        if not Customer.objects.filter(name=name).exists():
            customer = CreateCustomer(name=name, confirm_similar_name=True)
            stage.send(customer, by="system", reason=_NEW)
        stage.customers[name] = Customer.objects.get(name=name).pk
        for username in staff.seniors:
            hire(stage, name, username, permissions=story.SENIOR)
        for username in staff.juniors:
            hire(stage, name, username, permissions=story.JUNIOR)
        for service, channel in staff.services.items():
            _install(stage, name, service, channel=channel)
    for name in ("Globex", "Harbor Logistics"):
        _join(stage, name, User.objects.get(username="iris"))


def hire(stage: Stage, customer: str, username: str, *, permissions: tuple[str, ...]) -> None:
    """Add a person who acts for a customer; create the account unless it exists."""
    user = User.objects.filter(username=username).first()
    if user is None:
        user = _create_account(stage, username)
        _join(stage, customer, user)
        for permission in permissions:
            grant = GrantPermission(user_id=user.pk, permission=permission)
            stage.send(grant, by="olga", reason="Handles the keys of the customer")
    stage.add_sender(username, "user", user.pk, channel="v2")


def hire_carol(stage: Stage) -> None:
    """Add Carol to Security, as Olga; the policy owners have to approve it."""
    account = _create_account(stage, "carol")
    carol = account.pk
    stage.add_sender("carol", "user", carol, channel="admin")
    password = ChangePassword(
        user_id=carol, password=secrets.token_urlsafe(16), former_hash=account.password
    )
    stage.send(password, by="system", reason="")
    stage.send(
        SetAdminAccess(user_id=carol, is_staff=True), by="olga", reason="Carol starts on Monday"
    )
    for permission in _APPROVER:
        grant = GrantPermission(user_id=carol, permission=permission)
        stage.attempt(grant, by="olga", reason="Carol will approve in Security", ending=APPROVED)
    join, reason = AddToGroup(user_id=carol, group_id=stage.security), "Two approvers are too few"
    stage.attempt(join, by="olga", reason=reason, ending=APPROVED)


def _create_account(stage: Stage, username: str) -> User:
    email = f"{username}@countersign.example"
    account = CreateUser(username=username, email=email, confirm_similar_name=True)
    stage.send(account, by="olga", reason=_NEW)
    return User.objects.get(username=username)


def _join(stage: Stage, customer: str, user: User) -> None:
    join = AddMember(customer_id=stage.customers[customer], user_id=user.pk)
    stage.send(join, by="system", reason=f"Works with {customer}")


def _install(stage: Stage, customer: str, service: str, *, channel: str) -> None:
    """Add a service with its key; create the key if the customer has no key of that name."""
    owner = texts.STAFF[customer].seniors[0]
    command = stage.new_key(customer, service, by=owner)
    existing = ApiKey.objects.filter(customer=command.customer_id, name=service).first()
    if existing is None:
        stage.send(command, by=owner, reason="For the service of that name")
    pk = existing.pk if existing else command.api_key_id
    stage.add_sender(service, "api_key", pk, channel=channel)
