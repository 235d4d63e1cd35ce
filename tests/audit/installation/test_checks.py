"""System checks of the project: each message, and when it is shown."""

import re

import pytest
from django.db import connections, router

from apikeys.models import ApiKey
from audit.installation import checks
from audit.rest.viewsets.checks import check_admin, check_routes
from audit.tracking.checks import check_history
from tests.structure import product_files

_ID = re.compile(r"""\bid="([a-z]+\.[EW]\d{3})\"""")


def test_a_project_without_our_routes_is_told_what_to_add(settings):
    assert check_routes() == []

    settings.ROOT_URLCONF = "tests.articles.urls"

    (error,) = check_routes()
    assert error.id == "countersign.E002"
    assert 'include("approvals.urls")' in error.hint


def test_a_project_without_the_admin_is_warned(settings):
    assert check_admin() == []

    settings.ROOT_URLCONF = "approvals.urls"

    (warning,) = check_admin()
    assert warning.id == "countersign.W007"
    assert "django.contrib.admin" in warning.hint


def test_a_database_that_is_not_postgresql_is_an_error(monkeypatch):
    assert checks.check_engine() == []

    monkeypatch.setattr(connections["default"], "vendor", "sqlite")

    (error,) = checks.check_engine()
    assert (error.id, error.msg) == (
        "countersign.E003",
        "The default database is sqlite. Countersign needs PostgreSQL 15 or later.",
    )


def test_a_user_model_without_permissions_is_an_error(monkeypatch):
    assert checks.check_user_model() == []

    monkeypatch.setattr(checks.users, "field_or_none", lambda name: name != "groups")

    (error,) = checks.check_user_model()
    assert (error.id, error.msg) == (
        "countersign.E004",
        "The user model auth.User lacks the fields groups.",
    )


def test_a_tracked_model_on_another_alias_is_an_error(monkeypatch):
    monkeypatch.setattr(
        router, "db_for_write", lambda model, **_: "other" if model is ApiKey else "default"
    )

    (error,) = check_history()

    assert (error.id, error.msg) == (
        "countersign.E005",
        "apikeys.ApiKey is written to the database 'other', not that of the log.",
    )


def test_webhooks_to_private_addresses_are_an_error(configure):
    assert checks.check_private_webhooks() == []

    configure(WEBHOOK_ALLOW_PRIVATE=True)

    (error,) = checks.check_private_webhooks()
    assert (error.id, error.msg) == (
        "countersign.E007",
        "WEBHOOK_ALLOW_PRIVATE lets customers send requests to your own network.",
    )


def test_each_check_has_an_id_of_its_own():
    found = [each for path in product_files() for each in _ID.findall(path.read_text())]

    assert {"audit.E005", "countersign.E006", "countersign.E007"} <= set(found)
    assert sorted(found) == sorted(set(found))


@pytest.mark.parametrize(("name", "found"), [("another", ["countersign.W002"]), (None, [])])
def test_another_database_is_no_part_of_a_command(settings, monkeypatch, name, found):
    default = settings.DATABASES["default"]
    other = default | {"NAME": name or default["NAME"]}
    monkeypatch.setitem(settings.DATABASES, "other", other)

    warnings = checks.check_other_databases()

    assert [each.id for each in warnings] == found
    assert all("'other'" in each.msg for each in warnings)
