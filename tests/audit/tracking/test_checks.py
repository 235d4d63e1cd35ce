"""System checks of history."""

from django.apps import apps

from audit.tracking import checks
from audit.tracking.checks import check_direct_history, check_history
from audit.tracking.guards import Guard, guard_of
from tests.boards.models import Board, Card, Label
from tests.role.test_forbidden_statements import protect_again


def ids(messages):
    return [each.id for each in messages]


def test_all_is_well():
    assert check_history() == []
    assert check_direct_history(databases=["default"]) == []


def test_links_without_a_history_are_reported(monkeypatch):
    known = checks.history_model
    links = Board.labels.through
    monkeypatch.setattr(
        checks, "history_model", lambda model: None if model is links else known(model)
    )

    (error,) = [each for each in check_history() if each.id == "audit.E016"]

    assert "track_links(Board.labels" in error.hint


def test_a_history_of_simple_history_is_left_alone_unless_it_is_named(monkeypatch, settings):
    monkeypatch.setattr(Label._meta, "simple_history_manager_attribute", "history", raising=False)
    monkeypatch.setattr(Label, "history", apps.get_model("auth.Group").objects, raising=False)
    assert (guard_of(Label), ids(check_history())) == (Guard.OFF, [])

    settings.COUNTERSIGN = settings.COUNTERSIGN | {"GUARDS": {"boards.Label": "report"}}

    assert (guard_of(Label), ids(check_history())) == (Guard.REPORT, ["audit.W003"])


def test_a_part_of_a_model_that_is_no_subject_is_reported(monkeypatch):
    monkeypatch.setattr(checks, "subject_of", lambda model: None if model is Card else "known")

    (error,) = check_history()

    assert (error.id, error.msg) == (
        "audit.E020",
        "boards.Card is a part of Board, which is no type of subject.",
    )


def test_the_right_to_write_history_is_reported(owner):
    tables = [
        table
        for (table,) in owner.execute(
            "SELECT tgrelid::regclass::text FROM pg_trigger WHERE tgname = 'audit_direct'"
        )
    ]
    for table in tables:
        owner.execute(
            f"CREATE OR REPLACE TRIGGER audit_direct BEFORE INSERT ON {table} FOR EACH ROW"
            " WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION audit_drop_direct_history()"
        )
    try:
        assert ids(check_direct_history(databases=["default"])) == ["audit.W002"]
    finally:
        protect_again()

    assert check_direct_history(databases=["default"]) == []
