"""Notifications: to those who can vote and to the requester, by the worker, until they are sent."""

from smtplib import SMTPRecipientsRefused

import pytest
import structlog.testing
from django.contrib.auth.models import Group, User
from django.core.mail.backends.locmem import EmailBackend
from django.urls import include, path, reverse

from apikeys.commands import CreateApiKey, DisableApiKey
from apikeys.models import ApiKey
from approvals.decisions.commands import Withdraw
from approvals.models import Policy
from approvals.policies.commands import CreatePolicy, DisablePolicy, EditPolicy
from audit.bus.dispatch import dispatch
from audit.messages.exceptions import CommandError
from audit.models.records import EventRecord
from audit.models.subscriptions import Setback
from audit.reactions import setbacks
from audit.testing import react
from tests import mails
from tests.conftest import approved, completed, held, new_approver, policy
from tests.probes import Broken, deed, disable_and_break, to

# Those of a project without the admin.
urlpatterns = [path("", include("approvals.urls"))]

_heard = []


def listen(notification):
    """A hook as somebody might set it."""
    _heard.append(notification)


def fail(notification):
    """A hook that does not work."""
    raise Broken("in the hook")


@pytest.fixture(autouse=True)
def addresses(dana, ann, bob):
    """Everybody has an address."""
    for person in (dana, ann, bob):
        User.objects.filter(pk=person.pk).update(email=f"{person.username}@example.com")
    _heard.clear()


def sent():
    return sorted((*each.to, each.subject.split(":")[0]) for each in mails.sent())


def test_approvers_are_notified_of_a_new_request(waiting):
    assert sent() == [
        ("ann@example.com", "[Countersign] Approval needed"),
        ("bob@example.com", "[Countersign] Approval needed"),
    ]


def test_the_mail_says_what_and_who_and_why_and_where_to_read_it(waiting, settings):
    body = mails.sent()[0].body

    page = f"{settings.BASE_URL}/admin/approvals/approvalrequest/{waiting.pk}/change/"
    for words in (f"Disable {ApiKey.objects.get()}", "dana", "Leaked", waiting.digest, page):
        assert words in body
    assert "decide/" not in body


def test_the_mail_says_until_when_to_decide_while_it_can_be_decided(waiting, ann, deny):
    deadline = f"Deadline for approval: {waiting.approve_by:%Y-%m-%d %H:%M} UTC."
    assert all(deadline in each.body for each in mails.sent())
    mails.forget()

    deny(waiting, ann)

    (mail,) = mails.sent()
    assert "Deadline" not in mail.body


@pytest.mark.urls(__name__)
def test_without_the_admin_the_link_is_the_status_of_the_request(waiting, settings):
    sent = mails.sent()

    assert [each.to for each in sent] == [["ann@example.com"], ["bob@example.com"]]
    link = f"{settings.BASE_URL}{reverse('countersign:approval-request', args=[waiting.pk])}"
    assert all(each.body.endswith(link) for each in sent)


def test_the_link_is_a_page_that_decides_nothing(waiting, ann, browser):
    link = mails.sent()[0].body.rpartition(" ")[2]

    assert browser(ann).get(link).status_code == 200

    waiting.refresh_from_db()
    assert (waiting.state, waiting.votes.count()) == ("pending", 0)


def test_people_who_cannot_vote_are_not_notified(
    hold, first_key, dana, acme, globex, security, disabling_needs_two, context_of
):
    dana.groups.add(security)
    new_approver("fred", globex, groups=[security])
    gone = new_approver("gone", acme, groups=[security])
    new_approver("mute", acme, groups=[security])
    User.objects.filter(username="fred").update(email="fred@example.com")
    User.objects.filter(pk=gone.pk).update(email="gone@example.com", is_active=False)

    hold(DisableApiKey(api_key_id=first_key.id), context=context_of(dana))

    assert [address for address, _ in sent()] == ["ann@example.com", "bob@example.com"]


def test_people_whom_a_policy_adds_to_a_waiting_request_are_notified_once(
    waiting, acme, security, policy_owners, manager, context_of
):
    legal, finance = (Group.objects.create(name=name) for name in ("Legal", "Finance"))
    for name, group in (("lea", legal), ("fay", finance)):
        person = new_approver(name, acme, groups=[group])
        User.objects.filter(pk=person.pk).update(email=f"{name}@example.com")
    draft = {"governs": "apikeys.*", "quorums": (1,), "groups": (legal.pk,)}
    olga, otto, _ = policy_owners

    def executed(command):
        mails.forget()
        approved(held(command, context=context_of(manager)), olga, otto)
        return sent()

    unmet = CreatePolicy(**draft, condition='actor.kind == "api_key"')
    nothing = executed(unmet)
    added = executed(CreatePolicy(**draft))
    body = mails.sent()[0].body
    policy_id = Policy.objects.get(governs="apikeys.*", condition="").pk
    both = draft | {"groups": (legal.pk, finance.pk), "quorums": (1, 1)}
    edited = executed(EditPolicy(policy_id=policy_id, **both))
    disabled = executed(DisablePolicy(policy_id=policy_id))

    assert nothing == []
    assert added == [("lea@example.com", "[Countersign] Approval needed")]
    assert "A policy on apikeys.* now requires approvals of a group that you belong to." in body
    assert f"/admin/approvals/approvalrequest/{waiting.pk}/change/" in body
    assert edited == [("fay@example.com", "[Countersign] Approval needed")]
    assert disabled == []


@pytest.mark.parametrize("end", ["executed", "denied", "withdrawn"])
def test_the_requester_is_notified_of_the_outcome(
    end, waiting, dana, ann, bob, approve, deny, context_of
):
    mails.forget()
    match end:
        case "executed":
            approve(waiting, ann)
            assert not mails.sent()
            approve(waiting, bob)
        case "denied":
            deny(waiting, ann)
        case "withdrawn":
            completed(Withdraw(approval_request_id=waiting.pk), context=context_of(dana))

    assert sent() == [("dana@example.com", f"[Countersign] {end.capitalize()}")]
    waiting.refresh_from_db()
    assert waiting.outcome in mails.sent()[0].body
    # She has no access to the admin.
    assert mails.sent()[0].body.endswith(f"/requests/{waiting.pk}/")


def test_a_hook_is_notified_as_well(
    hold, first_key, dana, disabling_needs_two, context_of, configure
):
    configure(NOTIFY=[f"{__name__}.listen"])

    request = hold(DisableApiKey(api_key_id=first_key.id), context=context_of(dana))
    assert _heard == []
    react("approvals.hooks")

    (heard,) = _heard
    event = EventRecord.objects.get(message_type="approvals.requested")
    assert (heard.id, heard.request_id, heard.happened) == (event.id, request.pk, "asked")
    assert len(heard.person_ids) == 2


@pytest.mark.parametrize(
    ("functions", "backend", "name"),
    [
        ([f"{__name__}.fail"], "django.core.mail.backends.dummy.EmailBackend", "approvals.hooks"),
        (["no.such_function"], "django.core.mail.backends.dummy.EmailBackend", "approvals.hooks"),
        ([], mails.NO_SERVER, "approvals.mail"),
    ],
)
def test_a_failed_notification_fails_no_vote_and_is_repeated(
    functions, backend, name, waiting, ann, bob, approve, send_mail_by, configure
):
    configure(NOTIFY=functions)
    send_mail_by(backend)
    approve(waiting, ann)

    assert approve(waiting, bob).state == "executed"

    assert not ApiKey.objects.get().is_enabled
    react()
    failed = Setback.objects.filter(name=name, subject_id=str(waiting.pk))
    assert [each.state for each in failed] == ["retrying"]
    assert set(Setback.objects.values_list("name", flat=True)) == {name}


class Picky(EmailBackend):
    """A mail server that refuses some addresses."""

    refusals = {}

    def send_messages(self, messages):
        for each in messages:
            if code := self.refusals.get(each.to[0]):
                raise SMTPRecipientsRefused({each.to[0]: (code, b"no")})
        return super().send_messages(messages)


def test_a_refused_address_stops_no_other_and_nothing_is_repeated(
    waiting, send_mail_by, monkeypatch
):
    send_mail_by(f"{__name__}.Picky")
    monkeypatch.setattr(Picky, "refusals", {"ann@example.com": 550})
    with structlog.testing.capture_logs() as lines:
        assert [address for address, _ in sent()] == ["bob@example.com"]
    refused = [each["address"] for each in lines if each["event"] == "mail_refused"]
    assert (refused, Setback.objects.count()) == (["ann@example.com"], 0)


def test_an_address_that_is_refused_for_now_is_repeated_alone(waiting, send_mail_by, monkeypatch):
    send_mail_by(f"{__name__}.Picky")
    monkeypatch.setattr(Picky, "refusals", {"ann@example.com": 451})
    assert [address for address, _ in sent()] == ["bob@example.com"]
    setback = Setback.objects.get()

    setbacks.schedule(setback)
    Picky.refusals.clear()

    assert [address for address, _ in sent()] == ["ann@example.com", "bob@example.com"]
    ids = [each.message()["Message-ID"] for each in mails.sent()]
    assert len(set(ids)) == 2
    assert all(each.startswith(f"<{setback.event_id}.") for each in ids)


def test_no_one_is_asked_to_decide_what_was_decided(waiting, ann, deny):
    deny(waiting, ann)

    assert sent() == [("dana@example.com", "[Countersign] Denied")]


def test_groups_of_earlier_versions_of_a_policy_are_asked_late_as_well(
    waiting, acme, policy_owners, manager, context_of
):
    groups = [Group.objects.create(name=name) for name in ("Legal", "Finance")]
    for group in groups:
        person = new_approver(f"{group}1", acme, groups=[group])
        User.objects.filter(pk=person.pk).update(email=f"{group}@example.com")
    legal, finance = (group.pk for group in groups)
    mails.forget()

    draft = {"governs": "apikeys.*", "quorums": (1,), "groups": (legal,)}
    approved(held(CreatePolicy(**draft), context=context_of(manager)), *policy_owners[:2])
    policy_id = Policy.objects.get(governs="apikeys.*").pk
    draft |= {"groups": (legal, finance), "quorums": (1, 1)}
    edit = EditPolicy(policy_id=policy_id, **draft)
    approved(held(edit, context=context_of(manager)), *policy_owners[:2])

    assert [address for address, _ in sent()] == ["Finance@example.com", "Legal@example.com"]


@deed
def ask_and_fail(command, context):
    dispatch(DisableApiKey(api_key_id=command.api_key_id))
    raise Broken("after asking")


def test_a_rolled_back_request_notifies_no_one(first_key, disabling_needs_two):
    with pytest.raises(CommandError):
        completed(to(ask_and_fail, first_key.id))

    assert mails.sent() == []


def test_the_requester_is_notified_of_a_failure(
    hold, first_key, dana, security, ann, context_of, approve
):
    policy("tests.probe", group=security, quorum=1)
    request = hold(to(disable_and_break, first_key.id), context=context_of(dana))
    mails.forget()

    approve(request, ann)

    assert sent() == [("dana@example.com", "[Countersign] Failed")]


def test_names_cannot_add_headers_to_a_mail(hold, dana, acme, security, ann, context_of):
    policy("apikeys.create", group=security, quorum=1)
    name = "x\nBcc: everybody@example.com"
    command = CreateApiKey(customer_id=acme.pk, owner_id=dana.pk, name=name)

    hold(command, context=context_of(dana))

    for message in mails.sent():
        assert message.bcc == []
        assert "\n" not in message.subject
    assert len(mails.sent()) == 2
