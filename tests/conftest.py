"""The test database, and the cast."""

from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.contrib.auth.models import Group, Permission, User
from django.db import connections
from django.test import Client, TransactionTestCase
from django.test.utils import setup_databases, teardown_databases
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from psycopg.pq import TransactionStatus

from apikeys.authentication import usage
from apikeys.commands import AddMember, CreateApiKey, CreateCustomer
from apikeys.models import ApiKey, Customer
from approvals.decisions.commands import Approve
from approvals.models import ApprovalRequest, Policy, Rule
from approvals.policies.bootstrap import Bootstrap
from audit.actors.actors import SYSTEM, Actor, actor_for_user
from audit.bus.context import Context
from audit.bus.dispatch import dispatch
from audit.installation.settings import countersign
from audit.messages.outcomes import Completed, Postponed
from audit.outside import outside_command
from tests.wiping import wipe

#: The context of the system, for commands that could come from anyone; a dispatch copies it.
AS_SYSTEM = Context(actor=SYSTEM)

pytest_plugins = ["audit.testing"]

# No test depends on how fast the machine is.
hypothesis_settings.register_profile(
    "untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
hypothesis_settings.load_profile("untimed")

PASSWORD = "correct horse battery staple"

pipelined_only = pytest.mark.skipif(
    countersign().wire == "plain", reason="counts round trips or calls, which plain does not save"
)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Show in one line why browser tests were skipped, and how to run them."""
    skipped = terminalreporter.stats.get("skipped", ())
    reasons = {each.longrepr[2] for each in skipped if each.nodeid.startswith("tests/browser/")}
    for reason in sorted(reasons):
        terminalreporter.write_line(reason.removeprefix("Skipped: "), yellow=True)


@pytest.fixture(scope="session")
def django_db_setup(django_test_environment: None, django_db_blocker: Any) -> Iterator[None]:
    """Create the test database as its owner; "default" uses the same one as the application."""
    with django_db_blocker.unblock():
        databases = setup_databases(verbosity=0, interactive=False)
        _do_not_wait_for_the_disk()
    yield
    with django_db_blocker.unblock():
        connections["default"].close()
        teardown_databases(databases, verbosity=0)


def _do_not_wait_for_the_disk():
    """Let sessions from now on commit without fsync: the test database survives no crash."""
    name = connections["default"].settings_dict["NAME"]
    with connections["owner"].cursor() as cursor:
        cursor.execute(f'ALTER DATABASE "{name}" SET synchronous_commit = off')
    for each in connections.all():
        each.close()


@pytest.fixture(scope="session")
def owner(django_db_setup: None, django_db_blocker: Any) -> Iterator[psycopg.Connection]:
    """A connection as the owner of the tables, for what the application's role may not do."""
    database = settings.DATABASES["owner"]
    with _connection(user=database["USER"], password=database["PASSWORD"]) as connection:
        yield connection


@pytest.fixture(scope="session")
def superuser(django_db_setup: None, django_db_blocker: Any) -> Iterator[psycopg.Connection]:
    """A connection as the superuser of the server, for what the owner may not do."""
    with _connection(user="postgres") as connection:
        yield connection


def _connection(**account: str) -> psycopg.Connection:
    database = settings.DATABASES["owner"]
    place = {"dbname": database["NAME"], "host": database["HOST"], "port": database["PORT"]}
    return psycopg.connect(**place, **account, autocommit=True)


@pytest.fixture(scope="session", autouse=True)
def connections_stay_open() -> Iterator[None]:
    """Connections outlive a test: a new session has to read and plan everything once again."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_should_reload_connections", lambda _: False)
        yield


@pytest.fixture(autouse=True)
def clean_database(transactional_db: None, superuser: psycopg.Connection) -> Iterator[None]:
    """Real transactions in every test; all committed rows are deleted after it."""
    yield
    # Otherwise the notes would be written at process exit, when the database is gone.
    usage.flush()
    for each in connections.all(initialized_only=True):
        if each.connection and each.connection.info.transaction_status != TransactionStatus.IDLE:
            each.close()
    wipe(superuser)


@pytest.fixture
def send_mail_by(settings: Any) -> Callable[[str], None]:
    """Return a function that sets the e-mail backend, by its dotted name."""

    def use(backend: str) -> None:
        if hasattr(settings, "MAILERS"):
            settings.MAILERS = {"default": {"BACKEND": backend}}
        else:
            settings.EMAIL_BACKEND = backend

    return use


@pytest.fixture
def without_constraints(owner: psycopg.Connection, superuser: psycopg.Connection) -> Iterator[None]:
    """The tables as before their constraints on what is stored."""
    found = owner.execute(
        "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint"
        " WHERE contype = 'c' AND conname ~ '_(time|amounts|json|ids)$'"
    ).fetchall()
    for table, name, _ in found:
        owner.execute(f"ALTER TABLE {table} DROP CONSTRAINT {name}")
    yield
    wipe(superuser)
    for table, name, definition in found:
        owner.execute(f"ALTER TABLE {table} ADD CONSTRAINT {name} {definition}")


@pytest.fixture
def configure(settings: Any) -> Callable[..., None]:
    """Change names of COUNTERSIGN for one test."""

    def change(**names: Any) -> None:
        settings.COUNTERSIGN = {**settings.COUNTERSIGN, **names}

    return change


@pytest.fixture
def acme() -> Customer:
    """The customer of most tests."""
    return completed(CreateCustomer(name="Acme"))


@pytest.fixture
def globex() -> Customer:
    """Another customer, whose users must see nothing of Acme's."""
    return completed(CreateCustomer(name="Globex"))


@pytest.fixture
def dana(acme: Customer) -> User:
    """Acts for Acme, with every permission on API keys."""
    return member("dana", acme, permissions=KEY_PERMISSIONS)


@pytest.fixture
def gus(globex: Customer) -> User:
    """Acts for Globex, with the same permissions as Dana."""
    return member("gus", globex, permissions=KEY_PERMISSIONS)


@pytest.fixture
def security() -> Group:
    """The group of approvers."""
    return Group.objects.create(name="Security")


@pytest.fixture
def ann(acme: Customer, security: Group) -> User:
    """A member of Security, so may approve where a policy requires Security."""
    return new_approver("ann", acme, groups=[security])


@pytest.fixture
def bob(acme: Customer, security: Group) -> User:
    """Another member of Security."""
    return new_approver("bob", acme, groups=[security])


@pytest.fixture
def iris(acme: Customer) -> User:
    """An auditor of Acme: sees all its data and may change nothing."""
    return member("iris", acme, permissions=AUDITOR_PERMISSIONS, is_staff=True)


@pytest.fixture
def disabling_needs_two(security: Group, ann: User, bob: User) -> None:
    """The policy that two of Security approve before a key is disabled."""
    policy("apikeys.disable", group=security, quorum=2)


@pytest.fixture
def policy_owners(acme: Customer) -> list[User]:
    """Olga, Otto and Petra, the policy owners: two of them approve what could undo approvals."""
    people = [member(name, acme, is_staff=True) for name in ("olga", "otto", "petra")]
    completed(Bootstrap(owners=("olga", "otto", "petra")))
    return people


@pytest.fixture
def manager(acme: Customer) -> User:
    """Mia, who may request changes to people and policies, and approves nothing."""
    permissions = ("manage_people", "manage_policy", "view_user", "view_group")
    return member("mia", acme, permissions=permissions, is_staff=True)


@pytest.fixture
def first_key(dana: User, acme: Customer) -> "Key":
    """A key of Dana's, with its secret."""
    return create_key(dana, acme, name="first")


KEY_PERMISSIONS = (
    "view_apikey",
    "create_apikey",
    "update_apikey",
    "rotate_apikey",
    "enable_apikey",
    "disable_apikey",
    "delete_apikey",
    "verify_apikey",
)
APPROVER_PERMISSIONS = ("view_approvalrequest", "view_apikey")
AUDITOR_PERMISSIONS = (
    "view_approvalrequest",
    "view_apikey",
    "view_customer",
    "view_commandrecord",
    "view_eventrecord",
    "export_commandrecord",
)


class Key:
    """An API key with its secret, as its user has it."""

    def __init__(self, api_key: ApiKey, secret: str) -> None:
        self.id, self.row, self.secret = api_key.pk, api_key, secret
        self.headers = {"Authorization": f"Bearer {secret}"}


def completed(command: Any, *, context: Context = AS_SYSTEM) -> Any:
    """Dispatch a command that must complete, and return its result."""
    outcome = dispatch(command, context=context)
    assert isinstance(outcome, Completed)
    return outcome.result


def held(command: Any, *, context: Context = AS_SYSTEM) -> ApprovalRequest:
    """Dispatch a command that must be held, and return its approval request."""
    outcome = dispatch(command, context=context)
    assert isinstance(outcome, Postponed)
    return ApprovalRequest.objects.get(command_id=outcome.command_id)


def approved(request: ApprovalRequest, *people: User) -> ApprovalRequest:
    """Approve a request as each person in turn, and return the updated request."""
    for person in people:
        vote = Approve(approval_request_id=request.pk, digest=request.digest)
        completed(vote, context=Context(actor=actor(person)))
    return ApprovalRequest.objects.get(pk=request.pk)


def policy(governs: str, *, group: Group, quorum: int, **fields: Any) -> Policy:
    """Create a policy without the built-in policy's approval, for tests of other things."""
    fields = {"effect": "require_approval", **fields}
    with outside_command("A policy for a test"):
        made = Policy.objects.create(governs=governs, **fields)
        Rule.objects.create(policy=made, group=group, quorum=quorum)
        made.seal()
    return made


def member(
    name: str,
    customer: Customer,
    *,
    groups: list[Group] | None = None,
    permissions: tuple[str, ...] = (),
    is_staff: bool = False,
) -> User:
    """Create a user who acts for a customer."""
    user = User.objects.create_user(name, password=PASSWORD, is_staff=is_staff)
    if groups:
        user.groups.add(*groups)
    if permissions:
        found = Permission.objects.filter(codename__in=permissions).order_by()
        user.user_permissions.add(*found.values_list("pk", flat=True))
    completed(AddMember(customer_id=customer.pk, user_id=user.pk))
    return user


def new_approver(name: str, customer: Customer, *, groups: list[Group]) -> User:
    """Create a user who may approve for the groups, about the customer."""
    return member(name, customer, groups=groups, permissions=APPROVER_PERMISSIONS, is_staff=True)


def create_key(owner: User, customer: Customer, *, name: str, **fields: Any) -> Key:
    """Create a key owned by the user."""
    command = CreateApiKey(customer_id=customer.pk, owner_id=owner.pk, name=name, **fields)
    outcome = dispatch(command, context=Context(actor=actor_for_user(owner)))
    assert isinstance(outcome, Completed)
    assert outcome.secret
    return Key(outcome.result, outcome.secret)


@pytest.fixture
def context_of() -> Callable[..., Context]:
    """A function that returns a context for a user, like an entry point."""

    def make(user: User, **facts: Any) -> Context:
        return Context(actor=actor_for_user(user), **facts)

    return make


@pytest.fixture
def browser() -> Callable[[User], Client]:
    """A function that returns a client signed in as a user."""

    def sign_in(user: User) -> Client:
        client = Client()
        client.force_login(user)
        return client

    return sign_in


def actor(user: User) -> Actor:
    """Return the user's current actor."""
    return actor_for_user(User.objects.get(pk=user.pk))
