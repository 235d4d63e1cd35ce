"""The cast: customers, the people and services that act for them, and one more approver."""

from django.contrib.auth.models import User

from apikeys.commands import AddMember, CreateCustomer
from apikeys.models import ApiKey, Customer
from approvals.people.commands import AddToGroup, CreateUser, GrantPermission, SetStaff
from audit.messages.outcomes import Completed
from config.demo import story
from config.demo.busy import texts
from config.demo.busy.decisions import ask_and_decide
from config.demo.busy.stage import THE_SYSTEM, Firm, Stage

_APPROVER = (
    "apikeys.view_apikey",
    "approvals.view_approvalrequest",
    "audit.view_every_tenant",
)
_NEW = "A new customer has signed up"


def is_there() -> bool:
    """Return True if the month was played, or started."""
    return Customer.objects.filter(name="Globex").exists()


def gather(stage: Stage) -> None:
    """Add the customers, Acme first, with their people and services."""
    for name in texts.PEOPLE:
        stage.firms[name] = _firm(stage, name)
    iris = User.objects.get(username="iris")
    for name in ("Globex", "Harbor Logistics"):
        _join(stage, stage.firms[name], iris)


def hire_carol(stage: Stage) -> None:
    """Add Carol to Security, as Olga; the policy owners have to approve it."""
    olga = stage.approvers["olga"]
    carol = _account(stage, "carol")
    stage.send(SetStaff(user_id=carol.pk, is_staff=True), by=olga, reason="Carol starts on Monday")
    for permission in _APPROVER:
        grant = GrantPermission(user_id=carol.pk, permission=permission)
        ask_and_decide(stage, grant, by=olga, reason="Carol will approve in Security")
    join = AddToGroup(user_id=carol.pk, group_id=stage.security)
    ask_and_decide(stage, join, by=olga, reason="Two approvers are too few during the holidays")
    stage.approvers["carol"] = stage.person("carol", "admin")


def hire(stage: Stage, firm: Firm, username: str) -> None:
    """Create an account for a person who acts for a customer."""
    user = _account(stage, username)
    _join(stage, firm, user)
    for codename in story.JUNIOR if username in texts.JUNIORS else story.SENIOR:
        grant = GrantPermission(user_id=user.pk, permission=f"apikeys.{codename}")
        stage.send(grant, by=stage.approvers["olga"], reason="Handles the keys of the customer")


def _firm(stage: Stage, name: str) -> Firm:
    firm = Firm(customer=_customer(stage, name))
    for username in texts.PEOPLE[name]:
        if not User.objects.filter(username=username).exists():
            hire(stage, firm, username)
        speaker = stage.person(username, "v2")
        firm.people[username] = speaker
        if username in texts.JUNIORS:
            firm.juniors.append(speaker)
    _make_robots(stage, firm)
    return firm


def _customer(stage: Stage, name: str) -> Customer:
    if not Customer.objects.filter(name=name).exists():
        stage.send(CreateCustomer(name=name), by=THE_SYSTEM, reason=_NEW)
    return Customer.objects.get(name=name)


def _account(stage: Stage, username: str) -> User:
    email = f"{username}@countersign.example"
    stage.send(CreateUser(username=username, email=email), by=stage.approvers["olga"], reason=_NEW)
    return User.objects.get(username=username)


def _join(stage: Stage, firm: Firm, user: User) -> None:
    join = AddMember(customer_id=firm.customer.pk, user_id=user.pk)
    stage.send(join, by=THE_SYSTEM, reason=f"Works with {firm.customer}")


def _make_robots(stage: Stage, firm: Firm) -> None:
    owner = firm.seniors[0]
    for number, name in enumerate(texts.ROBOTS[firm.customer.name]):
        command = firm.new_key(name, by=owner)
        outcome = stage.send(command, by=owner, reason="For the service of that name")
        if isinstance(outcome, Completed):
            firm.robots.append(stage.robot(command.api_key_id, "v2" if number else "v1"))
    # The key that the banner of `make run` shows.
    first = ApiKey.objects.filter(customer=firm.customer, name="first").first()
    if first:
        firm.robots.append(stage.robot(first.pk, "v1"))
