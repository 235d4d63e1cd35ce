"""Comments of the requester and of approvers: recorded, shown and sent, without an effect."""

import pytest
from django.contrib.auth.models import User

from approvals.decisions.commands import Approve, Comment
from audit.messages.exceptions import Forbidden, Invalid
from audit.models.records import CommandRecord, EventRecord
from tests import mails
from tests.approvals.admin_pages import page, said, send
from tests.approvals.asking import address
from tests.conftest import PASSWORD, approved, completed
from tests.http import call

TEXT = "Why <b>now</b>?"


@pytest.fixture
def comment(context_of):
    """A function that comments on a request as a user."""
    return lambda request, person, text=TEXT: completed(
        Comment(approval_request_id=request.pk), context=context_of(person, reason=text)
    )


@pytest.mark.parametrize("username", ["dana", "ann"])
def test_a_comment_is_an_event_and_no_state(username, waiting, comment, ann, dana):
    request = comment(waiting, User.objects.get(username=username))

    assert (request.state, waiting.votes.count()) == ("pending", 0)
    event = EventRecord.objects.get(message_type="approvals.commented")
    assert (event.subject_id, event.number) == (str(waiting.pk), 2)
    assert event.data == {"approval_request_id": str(waiting.pk), "comment": TEXT}
    record = CommandRecord.objects.get(message_type="approvals.comment")
    assert (record.actor_label, record.reason) == (username, TEXT)
    assert record.correlation_id == waiting.held_record.correlation_id


def test_only_the_requester_and_approvers_comment(waiting, comment, otto):
    with pytest.raises(Forbidden):
        comment(waiting, otto)

    assert CommandRecord.objects.get(message_type="approvals.comment").status == "refused"
    assert not EventRecord.objects.filter(message_type="approvals.commented").exists()


def test_a_comment_has_a_text(waiting, comment, ann):
    with pytest.raises(Invalid, match="write the comment"):
        comment(waiting, ann, "  ")


def test_a_decided_request_can_be_commented_on(waiting, comment, deny, ann, dana):
    deny(waiting, ann)

    assert comment(waiting, dana).state == "denied"


def test_a_comment_does_not_stop_a_vote_on_what_was_displayed(waiting, comment, ann, context_of):
    comment(waiting, ann)
    seen = {"digest": waiting.digest, "number": 1, "expected_effect": "needs_1_more"}

    request = completed(Approve(approval_request_id=waiting.pk, **seen), context=context_of(ann))

    assert (request.state, waiting.votes.count()) == ("pending", 1)


def test_comments_are_sent_to_the_others_who_take_part(waiting, comment, ann, bob, dana):
    for person in (ann, bob, dana):
        User.objects.filter(pk=person.pk).update(email=f"{person.username}@example.com")
    mails.forget()

    comment(waiting, dana)
    assert sorted(each.to[0] for each in mails.sent()) == ["ann@example.com", "bob@example.com"]
    assert mails.sent()[0].subject.startswith("[Countersign] Comment: Disable API key")
    assert f"Comment by dana: “{TEXT}”" in mails.sent()[0].body

    mails.forget()
    comment(waiting, ann)
    assert [each.to[0] for each in mails.sent()] == ["dana@example.com"]

    approved(waiting, bob)
    mails.forget()
    comment(waiting, ann)
    assert sorted(each.to[0] for each in mails.sent()) == ["bob@example.com", "dana@example.com"]


def test_the_page_takes_and_shows_comments(waiting, ann, browser):
    client = browser(ann)

    answer = send(client, waiting, {"decision": "comment", "reason": TEXT})

    assert said(answer)[0].startswith("Comment added: Disable API key")
    shown = page(client, waiting)
    assert "Commented" in shown
    assert "Why &lt;b&gt;now&lt;/b&gt;?" in shown


def test_an_empty_comment_is_not_recorded(waiting, ann, browser):
    answer = send(browser(ann), waiting, {"decision": "comment", "reason": " "})

    assert "Write a comment" in said(answer)[0]
    assert not CommandRecord.objects.filter(message_type="approvals.comment").exists()


def test_readers_without_a_part_have_no_form(waiting, otto, browser):
    User.objects.filter(pk=otto.pk).update(is_staff=True)

    assert 'value="comment"' not in page(browser(otto), waiting)


def test_the_api_takes_and_returns_comments(asked, ann, browser):
    answer = call(browser(ann), "POST", address(asked, "comments"), {"comment": TEXT})

    assert answer.status_code == 200
    (shown,) = answer.json()["comments"]
    assert (shown["author"], shown["comment"]) == ("ann", TEXT)
    assert answer.json()["number"] == 2


def test_a_key_of_the_requester_comments(client, asked, first_key):
    answer = call(client, "POST", address(asked, "comments"), {"comment": TEXT}, key=first_key)

    assert (answer.status_code, len(answer.json()["comments"])) == (200, 1)


@pytest.mark.parametrize("body", [{}, {"comment": ""}, {"comment": "x" * 1001}])
def test_the_api_refuses_missing_and_long_comments(body, asked, ann, browser):
    answer = call(browser(ann), "POST", address(asked, "comments"), body)

    assert answer.status_code == 400
    assert answer.json()["errors"][0]["pointer"] == "/comment"


def test_a_stranger_gets_no_answer_about_a_request(asked, browser):
    stranger = User.objects.create_user("stranger", password=PASSWORD)

    answer = call(browser(stranger), "POST", address(asked, "comments"), {"comment": TEXT})

    assert answer.status_code == 404
