"""A decision has the effect that was displayed, or none."""

import pytest
from django.contrib.auth.models import User

from apikeys.models import ApiKey
from approvals.decisions.commands import Approve, Withdraw
from approvals.models import ApprovalRequest
from approvals.models.refusals import EffectChanged, SeenAnother
from approvals.requests.presentation import Ballot, present
from audit.actors.actors import actor_for_user
from audit.messages.exceptions import Conflict
from audit.models.records import CommandRecord
from tests.approvals.admin_pages import (
    SELECTED,
    decide,
    form,
    page,
    results,
    said,
    select,
    selection,
    send,
)
from tests.approvals.asking import address
from tests.approvals.asking import decide as decide_by_api
from tests.books import assert_balanced, attempts
from tests.conftest import approved, completed
from tests.http import call
from tests.tampering import let_time_pass

EFFECTS = ("", "executes", "needs_0_more", "needs_-1_more", "needs_1_more\n", "ends_request ", "x")


def effects(request, person):
    (presented,) = present([request], actor=actor_for_user(person))
    return Ballot(presented, actor=actor_for_user(person)).effects


def vote(request, *, effect, number=1, kind=Approve):
    return kind(
        approval_request_id=request.pk,
        digest=request.digest,
        number=number,
        expected_effect=effect,
    )


def is_enabled():
    return ApiKey.objects.get().is_enabled


def test_the_same_number_is_displayed_and_checked(waiting, ann, bob, context_of):
    ends = {"deny": "ends_request", "request_changes": "ends_request"}
    assert effects(waiting, ann) == {"approve": "needs_1_more", **ends}

    completed(vote(waiting, effect="needs_1_more"), context=context_of(ann))

    waiting = ApprovalRequest.objects.get()
    assert effects(waiting, bob) == {"approve": "executes", **ends}
    assert effects(waiting, ann) == {"take_back": "takes_back_vote"}


def test_a_vote_that_would_now_execute_decides_nothing(waiting, ann, bob, context_of):
    approved(waiting, bob)

    with pytest.raises(EffectChanged) as refused:
        completed(vote(waiting, effect="needs_1_more"), context=context_of(ann))

    assert refused.value.message == (
        "bob approved meanwhile. Your vote would now execute it. Nothing was decided."
    )
    assert waiting.votes.count() == 1
    assert is_enabled()
    record = CommandRecord.objects.get(error_code="effect_changed")
    assert (record.status, record.actor_label) == ("refused", "ann")
    assert record.data["expected_effect"] == "needs_1_more"

    assert completed(vote(waiting, effect="executes", number=2), context=context_of(ann))
    assert not is_enabled()


def test_a_vote_that_would_no_longer_execute_decides_nothing(
    waiting, ann, bob, context_of, take_back
):
    approved(waiting, bob)
    take_back(waiting, bob)

    with pytest.raises(
        EffectChanged, match=r"bob took back a vote meanwhile\. .* leave 1 more approval needed"
    ):
        completed(vote(waiting, effect="executes", number=2), context=context_of(ann))

    assert waiting.votes.count() == 2


def test_an_approver_who_left_changes_the_effect_without_an_event(
    waiting, ann, bob, security, context_of
):
    approved(waiting, bob)
    security.user_set.remove(bob)

    with pytest.raises(EffectChanged, match="What the request needs has changed"):
        completed(vote(waiting, effect="executes", number=2), context=context_of(ann))


def test_events_that_leave_the_effect_as_it_was_stop_nothing(
    waiting, ann, bob, context_of, take_back
):
    approved(waiting, bob)
    take_back(waiting, bob)

    request = completed(vote(waiting, effect="needs_1_more", number=1), context=context_of(ann))

    assert (request.state, waiting.votes.count()) == ("pending", 3)


def test_other_content_is_refused_as_such(waiting, ann, context_of):
    command = Approve(
        approval_request_id=waiting.pk, digest="0" * 64, number=1, expected_effect="executes"
    )

    with pytest.raises(SeenAnother):
        completed(command, context=context_of(ann))


@pytest.mark.parametrize(
    ("verb", "name"),
    [("deny", "bob"), ("request-changes", "bob"), ("take-back", "ann"), ("withdraw", "dana")],
)
def test_other_decisions_have_their_effect_or_none(verb, name, waiting, ann, approve, browser):
    approve(waiting, ann)
    sender, other = browser(User.objects.get(username=name)), {"expected_effect": "executes"}

    answer = decide_by_api(sender, waiting, verb, number=1, comment="So it is", **other)

    assert (answer.status_code, answer.json()["code"]) == (412, "effect_changed")
    assert "Nothing was decided" in answer.json()["detail"]
    waiting.refresh_from_db()
    assert (waiting.state, waiting.votes.count()) == ("pending", 1)


def test_a_last_vote_for_a_refusal_does_not_execute(waiting, ann, bob, context_of):
    approved(waiting, bob)

    with pytest.raises(EffectChanged, match="would now execute it"):
        completed(vote(waiting, effect="refused_on_execution"), context=context_of(ann))

    assert is_enabled()


@pytest.fixture
def refused_by_itself(monkeypatch):
    """The key refuses to be disabled, for a reason that no page knows before."""
    with monkeypatch.context() as patch:
        patch.setattr(ApiKey, "disable", _refuse)
        yield


class Busy(Conflict):
    """The key is busy."""


def test_a_vote_whose_execution_would_now_be_refused_decides_nothing(
    waiting, ann, bob, context_of, refused_by_itself
):
    approved(waiting, bob)

    with pytest.raises(EffectChanged) as refused:
        completed(vote(waiting, effect="executes", number=2), context=context_of(ann))

    assert refused.value.message == (
        "The execution would now be refused: The key is busy. Nothing was decided."
    )
    waiting.refresh_from_db()
    assert (waiting.state, waiting.votes.count()) == ("pending", 1)
    assert waiting.voters == [bob.pk]
    record = CommandRecord.objects.get(error_code="effect_changed")
    assert (record.status, record.actor_label) == ("refused", "ann")
    assert attempts(waiting.command_id) == [
        (1, "postponed", ""),
        (2, "failed", "rolled_back"),
    ]
    assert_balanced()


def test_the_same_vote_executes_once_nothing_refuses_it(waiting, ann, bob, context_of, monkeypatch):
    approved(waiting, bob)
    last = vote(waiting, effect="executes", number=2)
    with monkeypatch.context() as patch:
        patch.setattr(ApiKey, "disable", _refuse)
        with pytest.raises(EffectChanged):
            completed(last, context=context_of(ann))

    assert completed(last, context=context_of(ann)).state == "executed"
    assert not is_enabled()
    assert attempts(waiting.command_id)[-1] == (3, "succeeded", "")
    assert_balanced()


@pytest.mark.parametrize("effect", ["", "refused_on_execution"])
def test_a_vote_that_expects_the_refusal_or_nothing_is_recorded(
    effect, waiting, ann, bob, context_of, refused_by_itself
):
    approved(waiting, bob)

    request = completed(vote(waiting, effect=effect, number=2), context=context_of(ann))

    assert (request.state, waiting.votes.count()) == ("refused", 2)
    assert attempts(waiting.command_id)[-1][1] == "refused"
    assert_balanced()


def test_too_late_is_a_change_of_the_effect(waiting, owner, ann, bob, context_of):
    approved(waiting, bob)
    let_time_pass(owner, waiting, column="execute_by")

    with pytest.raises(
        EffectChanged, match="execution would now be refused: It could be executed until"
    ):
        completed(vote(waiting, effect="executes", number=2), context=context_of(ann))

    waiting.refresh_from_db()
    assert waiting.state == "pending"
    assert effects(waiting, ann)["approve"] == "refused_on_execution"
    request = completed(
        vote(waiting, effect="refused_on_execution", number=2), context=context_of(ann)
    )
    assert (request.state, attempts(waiting.command_id)[-1][1:]) == (
        "refused",
        ("cancelled", "too_late"),
    )


def test_over_http_it_is_412(waiting, ann, bob, browser, refused_by_itself):
    approved(waiting, bob)
    client = browser(ann)

    refused = decide_by_api(client, waiting, "approve", number=2, expected_effect="executes")
    accepted = decide_by_api(
        client, waiting, "approve", number=2, expected_effect="refused_on_execution"
    )

    assert (refused.status_code, refused.json()["code"]) == (412, "effect_changed")
    assert "The key is busy." in refused.json()["detail"]
    assert accepted.json()["state"] == "refused"


def test_the_page_then_shows_the_refusal(waiting, ann, bob, browser, refused_by_itself):
    approved(waiting, bob)
    client = browser(ann)
    seen = form(client, waiting, "approve")

    answer = send(client, waiting, seen)

    assert "The execution would now be refused: The key is busy." in said(answer)[0]
    content = answer.content.decode()
    labels = [step.label for step in answer.context["timeline"]]
    assert labels == ["Requested", "Approved", "Approve: not counted", "Execution undone"]
    assert "was rolled back with" not in content
    assert "last vote, but execution would currently be refused" in content
    assert 'name="effect-approve" value="refused_on_execution"' in content
    again = send(client, waiting, {**seen, "effect-approve": "refused_on_execution"})
    assert again.status_code == 302
    waiting.refresh_from_db()
    assert waiting.state == "refused"


def test_the_form_of_several_requests_then_shows_the_refusal(
    waiting, ann, bob, browser, refused_by_itself
):
    approved(waiting, bob)
    client = browser(ann)

    answer = select(client, "approve", waiting)

    assert "The key is busy." in results(answer)[0]
    assert f'name="effect-{waiting.pk}" value="refused_on_execution"' in answer.content.decode()


def _refuse(_):
    raise Busy


def test_an_earlier_record_of_a_vote_can_still_be_read():
    stored = {"approval_request_id": "01a22b4c-1a5e-701f-96ca-37a185d4438d", "digest": "0" * 64}

    assert Approve.restore(stored).expected_effect == ""
    assert Withdraw.restore(stored).number is None


def test_the_page_explains_and_asks_again(waiting, ann, bob, browser):
    client = browser(ann)
    fields = form(client, waiting, "approve") | {"reason": "Seen in the <wild>"}
    assert '<input type="hidden" name="effect-approve" value="needs_1_more">' in page(
        client, waiting
    )
    decide(browser(bob), waiting, "approve")

    answer = send(client, waiting, fields)

    content = answer.content.decode()
    assert answer.status_code == 200
    assert "bob approved meanwhile. Your vote would now execute it. Nothing was decided." in content
    assert "last vote, executes now" in content
    assert 'name="effect-approve" value="executes"' in content
    assert "Seen in the &lt;wild&gt;</textarea>" in content
    assert waiting.votes.count() == 1

    send(client, waiting, form(client, waiting, "approve") | {"reason": "Seen in the <wild>"})

    assert not is_enabled()


@pytest.mark.parametrize(
    "verb", ["approve", "deny", "request_changes", "take_back", "retry", "withdraw"]
)
@pytest.mark.parametrize(
    "change",
    [
        {"number": ""},
        {"number": "-1"},
        {"number": "1e3"},
        {"number": "9" * 30},
        {"digest": ""},
        *({"effect": effect} for effect in EFFECTS if effect != "executes"),
    ],
)
def test_a_form_without_what_it_displayed_decides_nothing(verb, change, waiting, ann, browser):
    client = browser(ann)
    before = CommandRecord.objects.count()
    effect = {f"effect-{verb}": change["effect"]} if "effect" in change else {}
    fields = form(client, waiting, verb) | {"reason": "Please"} | change | effect

    answer = send(client, waiting, fields)

    assert "Open the request again, then decide." in said(answer)[0]
    assert CommandRecord.objects.count() == before


def test_each_selected_request_has_its_own_effect(waiting, ann, bob, browser):
    client = browser(ann)
    fields = selection(client, "approve", waiting) | {"reason": "Confirmed"}
    decide(browser(bob), waiting, "approve")

    answer = client.post(SELECTED, fields)

    content = answer.content.decode()
    assert "bob approved meanwhile. Your vote would now execute it." in results(answer)[0]
    assert "last vote, executes now" in content
    assert f'name="effect-{waiting.pk}" value="executes"' in content
    assert ">Confirmed</textarea>" in content
    assert "1 not decided." in content
    assert is_enabled()

    answer = select(client, "approve", waiting)

    assert results(answer)[0].startswith("Approved and executed")
    assert "decide again" not in answer.content.decode()


def test_the_api_returns_what_to_send_back(asked, ann, bob, dana, browser):
    client = browser(ann)
    shown = call(client, "GET", address(asked)).json()
    assert shown["number"] == 1
    assert shown["effects"] == {
        "approve": "needs_1_more",
        "deny": "ends_request",
        "request_changes": "ends_request",
        "take_back": None,
        "withdraw": None,
        "retry": None,
    }
    seen = {"number": shown["number"], "expected_effect": shown["effects"]["approve"]}
    decide_by_api(browser(bob), asked, "approve", **seen)

    answer = decide_by_api(client, asked, "approve", **seen)

    assert (answer.status_code, answer.json()["code"]) == (412, "effect_changed")
    assert answer.json()["detail"].startswith("bob approved meanwhile.")
    assert decide_by_api(client, asked, "approve").json()["state"] == "executed"


@pytest.mark.parametrize(
    "body",
    [
        *({"expected_effect": effect} for effect in EFFECTS if effect != "executes"),
        {"number": -1},
        {"number": 2**63},
        {"number": "first"},
        {"number": True},
    ],
)
@pytest.mark.parametrize(
    "verb", ["approve", "deny", "request-changes", "take-back", "withdraw", "retry"]
)
def test_malformed_values_are_field_errors(verb, body, asked, ann, browser):
    answer = decide_by_api(browser(ann), asked, verb, comment="Please", **body)

    assert answer.status_code == 400
    assert [each["pointer"] for each in answer.json()["errors"]] == [f"/{next(iter(body))}"]
