"""manage.py commands: the table of contents of the system."""

from io import StringIO

from django.core.management import call_command

from approvals.models import Rule
from audit.outside import outside_command


def test_every_command_is_listed_with_its_handler_permission_subject_and_policy(
    disabling_needs_two,
):
    out = StringIO()

    call_command("commands", stdout=out)

    lines = {line.split()[0]: line.split() for line in out.getvalue().splitlines()}
    assert lines["apikeys.disable"] == [
        "apikeys.disable",
        "apikeys.handlers.disable_api_key",
        "apikeys.disable_apikey",
        "api-key",
        "2",
        "of",
        "“Security”",
    ]
    assert lines["apikeys.enable"][-1] == "-"
    assert {"apikeys.create", "approvals.approve", "audit.begin_epoch"} <= lines.keys()


def test_commands_are_listed_before_there_are_any_tables(owner):
    owner.execute("ALTER TABLE approvals_policy RENAME TO approvals_policy_later")
    out = StringIO()

    try:
        call_command("commands", stdout=out)
    finally:
        owner.execute("ALTER TABLE approvals_policy_later RENAME TO approvals_policy")

    lines = {line.split()[0]: line.split() for line in out.getvalue().splitlines()}
    assert lines["apikeys.disable"][-1] == "-"


def test_a_rule_that_an_edit_dropped_is_listed_no_more(disabling_needs_two):
    with outside_command("Drop the rule, as an edit does"):
        Rule.objects.update(is_dropped=True)
    out = StringIO()

    call_command("commands", stdout=out)

    assert "Security" not in out.getvalue()
