"""Delegations: a delegate votes in the place of the delegator, once."""

import json
from datetime import timedelta

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.core.management import call_command
from django.utils import timezone

from apikeys.commands import DisableApiKey
from approvals.case_files.approvals import RequestedApprovals
from approvals.decisions import evidence, notifications
from approvals.decisions.agreement import disagreements
from approvals.decisions.commands import TakeBack
from approvals.delegations.commands import Delegate, EndDelegation
from approvals.delegations.handlers import AlreadyEnded, NotYourDelegation
from approvals.models import ApprovalRequest, Delegation, Vote, refusals
from approvals.models.eligibility import Members
from approvals.people.commands import RequirePasswordReset
from approvals.policies.built_in import built_in_requirements
from approvals.requests import listing
from audit.bus.context import Context
from audit.messages.exceptions import CommandError, Invalid, NotFound
from audit.models.records import CommandRecord, EventRecord
from tests.approvals.admin_pages import LIST
from tests.approvals.attacks import attack
from tests.approvals.delegating import delegated
from tests.conftest import actor, approved, completed, held, member, new_approver, policy
from tests.http import call

DELEGATIONS = "/api/v2/delegations"
PAGE = "/requests/delegations/"


@pytest.fixture
def deb(acme):
    """An approver of nothing, who can be a delegate."""
    return new_approver("deb", acme, groups=[])


@pytest.fixture
def asked(disabling_needs_two, first_key, dana, context_of):
    """Dana's request, which needs two of Security: Ann and Bob."""
    return held(DisableApiKey(api_key_id=first_key.id), context=context_of(dana))


@pytest.fixture
def for_ann(ann, deb, security):
    """The delegation from Ann to Deb."""
    return delegated(ann, deb, groups=[security])


def refused(request, person):
    """Return the refusal of a person's approval."""
    with pytest.raises(CommandError) as refusal:
        approved(request, person)
    return type(refusal.value)


def inbox(person):
    return set(listing.needing_vote_of(actor(person)).ids())


def end(delegation, person):
    command = EndDelegation(delegation_id=delegation.pk)
    return completed(command, context=Context(actor=actor(person)))


def open_to(request, browser, person):
    (need,) = browser(person).get(f"{LIST}{request.pk}/change/").context["needs"]
    return need.open_to, need.counting


def test_a_delegate_has_one_vote_with_both_names(asked, for_ann, ann, bob, deb, browser, owner):
    shown = browser(deb).get(f"{LIST}{asked.pk}/change/").content.decode()
    assert "You decide for <bdi>ann</bdi> until" in shown

    approved(asked, deb)

    (vote,) = Vote.objects.all()
    assert (vote.voter, vote.delegator, vote.names) == (deb, ann, "deb for ann")
    assert vote.is_genuine
    assert open_to(asked, browser, bob) == (["bob"], ["deb for ann"])
    assert refused(asked, ann) is refusals.DelegateHasVoted
    assert refused(asked, deb) is refusals.AlreadyVoted
    assert (inbox(ann), inbox(deb), inbox(bob)) == (set(), set(), {asked.pk})
    assert [each.username for each in notifications.remaining_voters(asked)] == ["bob"]

    assert approved(asked, bob).state == "executed"
    api = browser(bob).get(f"/api/v2/approval-requests/{asked.pk}").json()
    assert [(each["voter"], each["in_place_of"]) for each in api["votes"]] == [
        ("deb", "ann"),
        ("bob", None),
    ]


def test_the_delegator_votes_first_and_the_delegate_cannot(asked, for_ann, ann, deb, browser, bob):
    approved(asked, ann)

    assert refused(asked, deb) is refusals.DelegatorHasVoted
    assert inbox(deb) == set()
    assert open_to(asked, browser, bob) == (["bob"], ["ann"])


def test_a_delegate_of_two_people_has_one_vote(asked, for_ann, ann, bob, deb, security):
    delegated(bob, deb, groups=[security])

    request = approved(asked, deb)

    assert (request.state, refused(asked, deb)) == ("pending", refusals.AlreadyVoted)


def test_an_approver_votes_by_own_right(asked, ann, bob, security):
    delegated(ann, bob, groups=[security])

    approved(asked, bob)

    assert Vote.objects.get().delegator is None
    assert (inbox(ann), refused(asked, bob)) == ({asked.pk}, refusals.AlreadyVoted)


def test_there_are_no_chains(asked, for_ann, deb, acme, security):
    third = new_approver("third", acme, groups=[])

    with pytest.raises(Invalid):
        delegated(deb, third, groups=[security])
    assert refused(asked, third) is refusals.NotAnApprover


@pytest.mark.parametrize("requester", ["delegator", "delegate"])
def test_a_delegation_is_never_used_on_requests_of_its_people(
    requester, disabling_needs_two, first_key, ann, deb, carol, for_ann, context_of
):
    sender = {"delegator": ann, "delegate": deb}[requester]
    sender.user_permissions.add(*_disabling())
    request = held(
        DisableApiKey(api_key_id=first_key.id), context=context_of(User.objects.get(pk=sender.pk))
    )

    expected = refusals.NotAnApprover if requester == "delegator" else refusals.OwnRequest
    assert refused(request, deb) is expected
    assert request.pk not in inbox(deb)


def test_only_the_given_groups_and_the_period_count(asked, ann, deb, bob, security, acme):
    other = Group.objects.create(name="Other")
    ann.groups.add(other)
    delegated(ann, deb, groups=[other])
    later = timezone.now() + timedelta(days=1)
    delegated(bob, deb, groups=[security], begins_at=later)

    assert refused(asked, deb) is refusals.NotAnApprover
    assert inbox(deb) == set()
    assert [each.username for each in notifications.voters(asked)] == ["ann", "bob"]


def test_a_delegate_has_to_be_able_to_vote(asked, for_ann, deb):
    account = User.objects.filter(pk=deb.pk)
    assert deb in notifications.voters(asked)

    account.update(is_staff=False)
    assert refused(asked, deb) is refusals.NotAnApprover
    assert deb not in notifications.voters(asked)

    account.update(is_staff=True)
    deb.user_permissions.clear()
    assert refused(asked, deb) is NotFound
    assert deb not in notifications.voters(asked)


def test_a_vote_counts_only_for_the_groups_of_its_delegation(
    first_key, dana, ann, bob, deb, security, context_of
):
    other = Group.objects.create(name="Other")
    ann.groups.add(other)
    for group in (security, other):
        policy("apikeys.disable", group=group, quorum=1)
    request = held(DisableApiKey(api_key_id=first_key.id), context=context_of(dana))
    delegated(ann, deb, groups=[security])

    assert approved(request, deb, bob).state == "pending"


def test_an_early_end_frees_the_place(asked, for_ann, ann, bob, deb, browser, carol):
    approved(asked, deb)
    with pytest.raises(NotFound):
        end(for_ann, bob)
    with pytest.raises(NotYourDelegation):
        end(for_ann, User.objects.create_superuser("root"))
    end(for_ann, ann)
    with pytest.raises(AlreadyEnded):
        end(for_ann, deb)

    assert open_to(asked, browser, bob) == (["ann", "bob", "carol"], [])
    page = browser(bob).get(f"{LIST}{asked.pk}/change/").content.decode()
    assert "no longer counts: deb may no longer vote for ann" in page
    assert inbox(ann) == {asked.pk}
    assert approved(asked, ann).state == "pending"
    assert open_to(asked, browser, bob) == (["bob", "carol"], ["ann"])
    executed = approved(asked, bob)
    assert executed.state == "executed"
    votes = evidence.signed(executed)["evidence"]["votes"]
    assert [each["voter_label"] for each in votes if each["counts"]] == ["ann", "bob"]
    approvers = RequestedApprovals().approvers([asked.command_id])
    assert approvers == {asked.command_id: ["ann", "bob"]}


def test_a_vote_counts_after_its_delegation_is_over(asked, for_ann, ann, bob, deb, owner):
    approved(asked, deb)
    _move(owner, for_ann, by=timedelta(days=-8))

    assert refused(asked, ann) is refusals.DelegateHasVoted
    assert approved(asked, bob).state == "executed"


def test_a_taken_back_vote_frees_the_place(asked, for_ann, ann, deb):
    approved(asked, deb)
    command = TakeBack(approval_request_id=asked.pk, digest=asked.digest)
    completed(command, context=Context(actor=actor(deb)))

    assert (inbox(ann), inbox(deb)) == ({asked.pk}, {asked.pk})
    approved(asked, ann)


def test_a_vote_no_longer_counts_without_the_delegator(
    asked, for_ann, ann, bob, deb, browser, carol
):
    approved(asked, deb)
    ann.groups.clear()

    assert open_to(asked, browser, bob) == (["bob", "carol"], [])
    assert approved(asked, bob).state == "pending"


def test_a_forged_delegation_gives_no_right(asked, ann, deb, security):
    attack(
        (
            """INSERT INTO approvals_delegation (id, delegator_id, delegator_label, delegate_id,
                delegate_label, groups, begins_at, ends_at, mac)
            VALUES (gen_random_uuid(), %s, 'ann', %s, 'deb', ARRAY[%s], now(),
                now() + interval '1 day', 'k1:00')""",
            [ann.pk, deb.pk, security.pk],
        )
    )

    assert refused(asked, deb) is refusals.NotAnApprover
    assert inbox(deb) == set()


def test_a_vote_counts_only_in_the_place_of_its_delegation(asked, for_ann, bob, deb):
    approved(asked, deb)
    members = Members([], tenants=[asked.tenant], requests=[asked.pk])
    vote = Vote.objects.get()
    other = Vote.objects.get()
    other.delegator_id = bob.pk

    assert members.allows(vote, tenant=asked.tenant)
    assert not members.allows(other, tenant=asked.tenant)


def test_evidence_has_the_delegation(asked, for_ann, bob, deb, tmp_path):
    approved(asked, deb, bob)
    request = ApprovalRequest.objects.get(pk=asked.pk)
    file = tmp_path / "evidence.json"
    file.write_bytes(evidence.write(request))
    call_command("approvals_verify", file)
    gathered = json.loads(file.read_bytes())["evidence"]

    assert disagreements(gathered) == []
    (used,) = gathered["delegations"]
    for change in ({"is_genuine": False}, {"delegator_id": bob.pk}, {"ends_at": used["begins_at"]}):
        altered = gathered | {"delegations": [used | change]}
        assert "without a delegation" in disagreements(altered)[0], change
    votes = [each | {"voter_id": deb.pk} for each in gathered["votes"]]
    assert "two votes" in " ".join(disagreements(gathered | {"votes": votes}))
    record = CommandRecord.objects.get(command_id=asked.command_id, attempt=2)
    assert record.decision["approvers"].popitem()[1] == sorted([bob.pk, for_ann.delegator_id])


def test_long_delegations_need_two_policy_owners(ann, deb, security, policy_owners, context_of):
    command = Delegate(
        delegate_id=deb.pk, groups=(security.pk,), ends_at=timezone.now() + timedelta(days=15)
    )

    request = held(command, context=context_of(ann))
    assert built_in_requirements(command)
    assert approved(request, *policy_owners[:2]).state == "executed"

    assert Delegation.objects.get().delegator == ann
    assert EventRecord.objects.filter(message_type="approvals.delegated").count() == 1


def test_a_delegate_is_guarded_like_an_approver(asked, for_ann, deb, policy_owners):
    assert built_in_requirements(RequirePasswordReset(user_id=deb.pk))


def test_impossible_delegations_are_refused(ann, deb, acme, browser, policy_owners):
    Group.objects.create(name="Legal")
    member("visitor", acme)
    client = browser(ann)

    for change, field in (
        ({"delegate": "ann"}, "delegate"),
        ({"delegate": "nobody"}, "delegate"),
        ({"delegate": "visitor"}, "delegate"),
        ({"delegate": "\0"}, "delegate"),
        ({"groups": ["Legal"]}, "groups"),
        ({"groups": []}, "groups"),
        ({"ends_at": "2020-01-01T00:00:00Z"}, "ends_at"),
        ({"ends_at": "9000-01-01T00:00:00Z"}, "ends_at"),
    ):
        answer = call(client, "POST", DELEGATIONS, _body() | change)

        assert answer.status_code == 400, answer.content
        assert {each["pointer"].split("/")[1] for each in answer.json()["errors"]} == {field}
    assert not Delegation.objects.exists()


def test_refusals_reveal_no_names(ann, deb, acme, browser):
    Group.objects.create(name="Legal")
    member("visitor", acme)
    client = browser(ann)

    def errors(**change):
        answer = call(client, "POST", DELEGATIONS, _body() | change)
        assert answer.status_code == 400, answer.content
        return answer.json()["errors"]

    for groups in (["Security"], ["Legal"]):
        missing = errors(delegate="nobody", groups=groups)
        assert missing == errors(delegate="visitor", groups=groups)
    assert errors(groups=["Nothing"]) == errors(groups=["Legal"])


def test_delegations_over_http(ann, deb, bob, security, browser):
    made = call(browser(ann), "POST", DELEGATIONS, _body())

    assert made.status_code == 201, made.content
    shown = made.json()
    people = (shown["delegator"], shown["delegate"], shown["groups"], shown["ended"])
    assert people == ("ann", "deb", ["Security"], False)
    (listed,) = browser(deb).get(DELEGATIONS).json()["results"]
    assert (listed, browser(bob).get(DELEGATIONS).json()["results"]) == (shown, [])
    assert browser(bob).get(shown["url"]).status_code == 404
    ended = call(browser(ann), "DELETE", shown["url"])
    assert (ended.status_code, ended.json()["ended"]) == (200, True)


def test_delegations_on_their_page(asked, ann, deb, security, browser, acme):
    User.objects.create_superuser("root", password="opensesame")
    former = new_approver("former", acme, groups=[])
    former.set_unusable_password()
    former.save()
    client = browser(ann)
    fields = {
        "delegate": deb.pk,
        "groups": [security.pk],
        "ends_at": f"{timezone.now() + timedelta(days=3):%Y-%m-%d}",
    }
    offered = client.get(PAGE).context["form"]["delegate"].field.queryset
    assert [str(each) for each in offered] == ["bob", "deb", "root"]
    assert "The form has errors" in client.post(PAGE, fields | {"groups": []}).content.decode()

    done = client.post(PAGE, fields, follow=True)

    assert "<bdi>deb</bdi> for <bdi>ann</bdi>" in done.content.decode()
    made = Delegation.objects.get()
    assert inbox(deb) == {asked.pk}
    assert browser(deb).get(PAGE).status_code == 200
    assert client.get(f"{PAGE}{made.pk}/end/").status_code == 302
    ended = client.post(f"{PAGE}{made.pk}/end/", follow=True).content.decode()
    assert "ended early" in ended
    assert inbox(deb) == set()


def _body():
    ends_at = timezone.now() + timedelta(days=7)
    return {
        "delegate": "deb",
        "groups": ["Security"],
        "ends_at": f"{ends_at:%Y-%m-%dT%H:%M:%SZ}",
        "reason": "On holiday",
    }


def _disabling():
    return Permission.objects.filter(codename="disable_apikey")


def _move(owner, delegation, *, by):
    """Move a delegation in time, under a new seal, as if that time had passed."""
    delegation.begins_at += by
    delegation.ends_at += by
    delegation.sign()
    with owner.transaction():
        owner.execute("ALTER TABLE approvals_delegation DISABLE TRIGGER USER")
        owner.execute(
            "UPDATE approvals_delegation SET begins_at = %s, ends_at = %s, mac = %s WHERE id = %s",
            [delegation.begins_at, delegation.ends_at, delegation.mac, delegation.pk],
        )
        owner.execute("ALTER TABLE approvals_delegation ENABLE TRIGGER USER")


@pytest.fixture
def carol(acme, security):
    return new_approver("carol", acme, groups=[security])
