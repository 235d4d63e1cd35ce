"""The story that Countersign was made for, told through HTTP and the admin.

Dana of Acme makes a key and wants another one disabled; Ann and Bob of Security have to approve;
Iris audits what happened.
"""

import re
from typing import Any

import pytest
from django.test import Client

from apikeys.models import ApiKey
from approvals.models import ApprovalRequest
from audit.models.records import CommandRecord
from tests.conftest import member
from tests.http import call

REQUESTS = "/admin/approvals/approvalrequest/"


class Story:
    """What the people of the story do, each in their own way."""

    def __init__(self, danas_key: Any) -> None:
        self.api, self.danas_key = Client(), danas_key

    def dana_creates_ci(self) -> None:
        answer = call(self.api, "POST", "/api/v1/api-keys", {"name": "ci"}, key=self.danas_key)
        assert answer.status_code == 201
        self.ci: dict[str, Any] = answer.json()
        self.path = f"/api/v1/api-keys/{self.ci['id']}"

    def dana_asks_to_disable_it(self) -> None:
        self.held = call(
            self.api,
            "POST",
            f"{self.path}/disable",
            key=self.danas_key,
            Audit_Reason="CI has moved",
        )
        assert self.held.status_code == 202
        self.request = ApprovalRequest.objects.get(command_id=self.held["Command-Id"])

    def ci_is_used(self) -> Any:
        return call(self.api, "GET", "/api/v2/whoami", key=self.ci["secret"])

    def status(self) -> dict[str, Any]:
        answer = call(self.api, "GET", self.held["Location"], key=self.danas_key)
        assert answer.status_code == 200
        status: dict[str, Any] = answer.json()
        return status

    def opens_the_list(self, browser: Client) -> str:
        """Open the inbox and return the page."""
        page = browser.get(REQUESTS)
        assert page.status_code == 200
        return page.content.decode()

    def decides(self, browser: Client, verb: str, *, reason: str = "") -> str:
        """Select the request, decide on what is asked once more, and return what came of it.

        Where the page offers no decision to this person, it is sent all the same.
        """
        selection = {"verb": verb, "request": str(self.request.pk)}
        page = browser.get(f"{REQUESTS}selected/", selection).content.decode()
        pk = self.request.pk
        forged = {f"digest-{pk}": self.request.digest, f"number-{pk}": "1"}
        displayed = dict(re.findall(r'type="hidden" name="(\w+-[-0-9a-f]+)" value="([^"]*)"', page))
        form = {**selection, **forged, f"effect-{pk}": "executes", **displayed, "reason": reason}
        answer = browser.post(f"{REQUESTS}selected/", form)
        assert answer.status_code == 200
        return "; ".join(feedback.message for _, feedback in answer.context["results"])


@pytest.fixture
def story(first_key, disabling_needs_two):
    told = Story(first_key)
    told.dana_creates_ci()
    return told


def test_two_approvals_disable_a_key(story, ann, bob, browser):
    assert story.ci_is_used().status_code == 200

    story.dana_asks_to_disable_it()
    assert story.held.json() == {"status": "approval_flow_initiated"}
    assert story.held["Location"] == f"/api/v2/commands/{story.held['Command-Id']}"
    assert story.ci_is_used().status_code == 200

    page = story.opens_the_list(browser(ann))
    assert "Disable API key “ci”" in page
    assert "of “Acme”" in page
    assert "1 of 2" in story.decides(browser(ann), "approve")
    status = story.status()
    assert (status["status"], status["approval"]["have"]) == ("postponed", 1)
    assert status["approval"]["needed"] == 2

    story.decides(browser(bob), "approve", reason="Agreed")
    assert story.ci_is_used().status_code == 401
    status = story.status()
    assert status["status"] == "succeeded"
    assert status["id"] == story.held["Command-Id"]
    assert [attempt["status"] for attempt in status["attempts"]] == ["postponed", "succeeded"]


def test_one_denial_changes_nothing_and_says_why(story, ann, bob, browser):
    story.dana_asks_to_disable_it()
    story.decides(browser(ann), "approve")

    story.decides(browser(bob), "deny", reason="Nightly builds still use it")

    assert story.ci_is_used().status_code == 200
    status = story.status()
    assert status["status"] == "cancelled"
    assert "Nightly builds still use it" in status["error"]["detail"]


def test_every_vote_that_does_not_count_is_refused_in_words_and_on_record(
    story, ann, bob, dana, acme, security, browser
):
    viewing = ("view_approvalrequest",)
    outsider = member("otto", acme, permissions=viewing, is_staff=True)
    root = member("root", acme, is_staff=True)
    root.is_superuser = True
    root.save()
    dana.groups.add(security)
    dana.is_staff = True
    dana.is_superuser = True
    dana.save()
    story.dana_asks_to_disable_it()
    story.decides(browser(ann), "approve")

    said = {
        "already_voted": story.decides(browser(ann), "approve"),
        "own_request": story.decides(browser(dana), "approve"),
        "not_an_approver": story.decides(browser(outsider), "approve"),
        "superuser": story.decides(browser(root), "approve"),
    }
    story.decides(browser(bob), "approve")
    said["already_decided"] = story.decides(browser(ann), "approve")

    assert "have already voted" in said["already_voted"]
    assert "You or a key of yours" in said["own_request"]
    assert "You do not belong to “Security”" in said["not_an_approver"]
    assert said["superuser"] == said["not_an_approver"]
    assert "already approved and executed" in said["already_decided"]
    refusals = CommandRecord.objects.filter(status="refused", message_type="approvals.approve")
    assert sorted(refusals.values_list("error_code", "actor_label")) == [
        ("already_decided", "ann"),
        ("already_voted", "ann"),
        ("not_an_approver", "otto"),
        ("not_an_approver", "root"),
        ("own_request", "dana"),
    ]


def test_what_needs_no_approval_is_done_at_once(story, ann, bob, browser):
    story.dana_asks_to_disable_it()
    story.decides(browser(ann), "approve")
    story.decides(browser(bob), "approve")

    enabled = call(story.api, "POST", f"{story.path}/enable", key=story.danas_key)
    again = call(story.api, "POST", f"{story.path}/enable", key=story.danas_key)

    assert (enabled.status_code, enabled.json()["enabled"]) == (200, True)
    assert (again.status_code, again.json()["code"]) == (409, "already_enabled")
    assert story.ci_is_used().status_code == 200


def test_iris_reads_the_whole_history_and_follows_the_case(story, ann, bob, iris, browser):
    story.dana_asks_to_disable_it()
    story.decides(browser(ann), "approve", reason="Fine with me")
    story.decides(browser(bob), "approve", reason="Agreed")
    call(story.api, "POST", f"{story.path}/enable", key=story.danas_key)
    auditor = browser(iris)

    page = auditor.get(f"/audit/subjects/api-key/{story.ci['id']}").content.decode()

    told = re.sub(r"<[^>]+>", " ", page)
    for word in ("dana", "ann", "bob", "v1", "admin", "CI has moved", "Fine with me", "Agreed"):
        assert word in told, word
    record = CommandRecord.objects.get(command_id=story.held["Command-Id"], attempt=1)
    assert f"/audit/cases/{record.correlation_id}" in page
    case = auditor.get(f"/audit/cases/{record.correlation_id}").content.decode()
    for command_id in CommandRecord.objects.filter(
        correlation_id=record.correlation_id
    ).values_list("command_id", flat=True):
        assert str(command_id) in case


def test_the_secret_stands_nowhere_in_the_database(story, owner):
    secret = story.ci["secret"]

    assert ApiKey.objects.get(pk=story.ci["id"]).secrets.count() == 1
    tables = owner.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
    for (table,) in tables:
        rows = owner.execute(
            f"SELECT count(*) FROM {table} AS t WHERE t::text LIKE %s", [f"%{secret}%"]
        )
        assert rows.fetchone() == (0,), table
