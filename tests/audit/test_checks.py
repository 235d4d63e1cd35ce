"""System checks: the program does not start on what would break its promises."""

from dataclasses import dataclass
from uuid import UUID

import pytest
from django.core.checks import run_checks
from django.db import connection

from apikeys.models import ApiKey
from approvals.models import Policy
from audit.bus import handling
from audit.checks import check_role
from audit.messages import classes
from audit.messages.classes import Command, SubjectOf
from audit.outside import outside_command
from audit.tracking.checks import check_triggers


def problems(**options):
    return {problem.id for problem in run_checks(databases=["default"], **options)}


def test_all_is_well():
    assert problems(include_deployment_checks=False) == set()


def test_a_transaction_is_refused_around_a_view_that_does_not_leave_it(settings):
    settings.DATABASES["default"]["ATOMIC_REQUESTS"] = True

    try:
        found = [each.msg for each in run_checks() if each.id == "audit.E001"]
        assert any("set-password" in each for each in found)
        ours = ("/api/", "/audit/", "approvals/")
        assert not any(part in each for each in found for part in ours)
    finally:
        settings.DATABASES["default"]["ATOMIC_REQUESTS"] = False


def test_middleware_that_cannot_be_imported_is_refused(configure):
    configure(MIDDLEWARE=["audit.bus.middleware.no_such_thing"])

    assert "audit.E002" in problems()


def test_a_field_that_is_no_plain_value_is_refused():
    @dataclass(frozen=True, kw_only=True)
    class Bad(Command):
        message_type = "test.bad_field"
        anything: object

    try:
        assert "audit.E003" in problems()
    finally:
        del classes.declared_messages["test.bad_field"]


@pytest.mark.parametrize(
    ("permission", "problem"),
    [
        ("apikeys.enable_apikey", None),
        ("apikeys.view_apikey", None),
        ("approvals.bootstrap", None),
        ("apikeys.no_such_permission", "audit.E008"),
        ("nowhere.enable_apikey", "audit.E008"),
        ("enable_apikey", "audit.E004"),
    ],
)
def test_a_permission_that_no_model_declares_is_refused(permission, problem):
    @dataclass(frozen=True, kw_only=True)
    class Guarded(Command):
        message_type = "test.guarded"
        required_permission = permission

    @handling.handles(Guarded)
    def keep_guard(command, context):
        """Do nothing."""

    try:
        assert problems() == ({problem} if problem else set())
    finally:
        del classes.declared_messages["test.guarded"]
        del handling._handlers[Guarded]


@pytest.mark.parametrize(
    ("declared", "problem"),
    [
        (SubjectOf("api-key", "row_id"), None),
        (SubjectOf("policy", "row_id"), "audit.E009"),
        (SubjectOf("nothing", "row_id"), "audit.E009"),
        (None, "audit.E009"),
    ],
)
def test_a_lock_on_another_model_than_that_of_the_subject_is_refused(declared, problem):
    @dataclass(frozen=True, kw_only=True)
    class Locking(Command):
        message_type = "test.locking"
        subject = declared

        row_id: UUID

    @handling.handles(Locking, locks=ApiKey)
    def lock(command, context):
        """Do nothing."""

    try:
        assert problems() == ({problem} if problem else set())
    finally:
        del classes.declared_messages["test.locking"]
        del handling._handlers[Locking]
        del handling.locked_models[Locking]


@pytest.mark.parametrize(
    ("about", "names", "problem"),
    [
        (SubjectOf("api-key", "row_id"), ("is_enabled", "customer_id"), None),
        (SubjectOf("api-key", "row_id"), (), None),
        (SubjectOf("api-key", "row_id"), ("no_such_value",), "audit.E015"),
        (SubjectOf("user", "row_id"), ("password",), "audit.E015"),
        (None, ("is_enabled",), "audit.E015"),
    ],
)
def test_a_dependency_on_what_is_no_value_of_the_subject_is_refused(about, names, problem):
    @dataclass(frozen=True, kw_only=True)
    class Dependent(Command):
        message_type = "test.dependent"
        subject = about
        depends_on = names

        row_id: UUID

    @handling.handles(Dependent)
    def depend(command, context):
        """Do nothing."""

    try:
        assert problems() == ({problem} if problem else set())
    finally:
        del classes.declared_messages["test.dependent"]
        del handling._handlers[Dependent]


@pytest.mark.parametrize("table", ["apikeys_apikey", "audit_commandrecord"])
def test_a_table_without_its_trigger_is_refused(table, owner):
    owner.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")

    try:
        assert {each.id for each in check_triggers(databases=["default"])} == {"audit.E005"}
    finally:
        owner.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")


def test_serving_as_the_owner_of_the_records_is_refused(owner, monkeypatch):
    assert check_role(databases=["default"]) == []

    connection.close()
    monkeypatch.setitem(connection.settings_dict, "USER", owner.info.user)
    try:
        assert [each.id for each in check_role(databases=["default"])] == ["audit.E006"]
    finally:
        connection.close()


def test_a_policy_on_an_unknown_type_is_refused():
    with outside_command("As if the command had been dropped"):
        Policy.objects.create(governs="apikeys.no_such_command", effect="forbid").seal()

    assert problems() == {"approvals.E001"}
