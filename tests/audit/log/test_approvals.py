"""Votes in the audit log: what they decided, who approved, and in which colors."""

import csv
import io
import json

import pytest

from approvals.decisions.commands import Deny
from audit.models.records import CommandRecord
from tests.audit.reading import story_of
from tests.conftest import completed, member

HELD = "isable API key “first”"


@pytest.fixture
def denied(asked, bob, context_of):
    """The request after Bob denied it."""
    context = context_of(bob, channel="admin", reason="Still in use")
    completed(Deny(approval_request_id=asked.pk, digest=asked.digest), context=context)
    return asked


@pytest.fixture
def export(iris, browser):
    """A function that exports the log as Iris."""
    client = browser(iris)

    def text(format_name):
        form = {"format": format_name, "reason": "Audit"}
        return b"".join(client.post("/audit/export", form).streaming_content).decode()

    return text


@pytest.mark.parametrize(
    "page", ["/audit/", "/audit/actors/user/{ann}", "/admin/audit/commandrecord/"]
)
def test_lists_label_a_vote_with_what_it_decided(page, disabled, ann, read):
    content = read(page.format(ann=ann.pk))

    assert f"Approve: d{HELD}" in content


@pytest.mark.parametrize("page", ["/audit/", "/admin/audit/commandrecord/"])
def test_lists_show_the_approvers_next_to_each_held_command(page, disabled, read):
    # The attempt that was held, and the one that was executed.
    assert read(page).count("approved by ann, bob") == 2


def test_a_history_shows_the_approvers_of_each_change(disabled, first_key, read):
    content = read(f"/admin/apikeys/apikey/{first_key.id}/history/")

    assert content.count("approved by ann, bob") == 1


def test_a_timeline_names_who_denied_in_red_and_the_cancelled_command_in_gray(
    denied,
    first_key,
    read,
):
    content = read(story_of(first_key.id))
    denial, cancelled = content.split('<article class="line is-')[-2:]

    assert denial.startswith("denied")
    assert HELD in denial
    assert cancelled.startswith("cancelled")
    assert ">bob</a>" in cancelled.split("via ")[0]
    assert "requested by" in cancelled


def test_exports_label_votes_and_name_the_approvers(disabled, export):
    held = {each.command_id for each in CommandRecord.objects.filter(status="postponed")}
    lines = [json.loads(line) for line in export("jsonl").splitlines()]
    table = list(csv.DictReader(io.StringIO(export("csv"))))
    batch = json.loads(export("cloudevents"))

    for rows in (lines, [each["data"] for each in batch if "label" in each["data"]]):
        votes = [each for each in rows if each["message_type"] == "approvals.approve"]
        assert [each["label"].startswith(f"Approve: d{HELD}") for each in votes] == [True, True]
        of_held = [each for each in rows if each["command_id"] in {str(key) for key in held}]
        assert [each["approvers"] for each in of_held] == [["ann", "bob"]] * 2
    approvers = [each["approvers"] for each in table if each["approvers"]]
    assert approvers == ["ann, bob"] * 2
    labels = [each["label"] for each in table if each["message_type"] == "approvals.approve"]
    assert all(f"Approve: d{HELD}" in each for each in labels)
    assert len(labels) == 2


def test_a_reader_of_another_customer_does_not_see_what_a_vote_decided(
    disabled,
    globex,
    browser,
):
    other = member("olaf", globex, permissions=("view_commandrecord",))

    assert HELD not in browser(other).get("/audit/").content.decode()
