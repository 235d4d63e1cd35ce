"""Requests that need a person's vote: the inbox, its counter and the API agree with votes."""

import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import Group
from django.db.models import QuerySet

from apikeys.commands import DisableApiKey
from approvals.models import ApprovalRequest, Policy, Rule
from approvals.people.commands import AddToGroup
from approvals.policies.built_in import BUILT_IN_ID
from approvals.requests import listing
from approvals.requests.presentation import Ballot, present
from audit.outside import outside_command
from tests.approvals.admin_pages import LIST, decide, let_in
from tests.approvals.asking import REQUESTS, asks_for_many
from tests.approvals.attacks import attack
from tests.conftest import actor, approved, held, new_approver, policy
from tests.plans import plan_of
from tests.tampering import tamper


@pytest.fixture
def legal():
    """A group of approvers that no policy names at first."""
    return Group.objects.create(name="Legal")


@pytest.fixture
def lea(acme, legal):
    """The only member of Legal."""
    return new_approver("lea", acme, groups=[legal])


def needing(person):
    """Return the ids of the requests, whose number is also what one built statement counts."""
    ids = listing.needing_vote_of(actor(person)).ids()
    for most in (1, 100):
        assert listing.count_needing_vote_of(actor(person), most=most) == min(len(ids), most)
    return set(ids)


def watched(person):
    return {each.pk for each in listing.watched_by(actor(person))}


def shown_by_the_api(person, browser):
    body = browser(person).get(f"{REQUESTS}?view=needs_my_vote").json()
    return {each["id"] for each in body["results"]}


def counted(person, browser):
    """Return the number in the header of a page that lists no requests."""
    content = browser(person).get("/admin/?overview").content.decode()
    return int((re.findall(r'<span class="count">(\d+)<', content) or [0])[0])


def edit(**columns):
    """Change the one policy, without the approvals that an edit needs."""
    with outside_command("An edit of a policy for a test"):
        Policy.objects.get().edit(**columns)


def forge_vote(request, person, *, decision="approve"):
    """Insert a vote without the key that signs votes."""
    attack(
        (
            """INSERT INTO approvals_vote (id, request_id, voter_id, voter_label, number, decision,
                rules, digest, comment, cast_at, mac)
            VALUES (gen_random_uuid(), %s, %s, 'x', 1, %s, '[]', %s, '', now(), 'k1:00')""",
            [request.pk, person.pk, decision, request.digest],
        )
    )


def test_who_is_added_by_a_policy_of_today_finds_the_request(waiting, lea, legal, browser):
    assert (needing(lea), watched(lea)) == (set(), {waiting.pk})

    policy("apikeys.*", group=legal, quorum=1)

    assert (needing(lea), watched(lea)) == ({waiting.pk}, set())
    client = browser(lea)
    assert str(waiting.pk) in client.get(LIST).content.decode()
    assert shown_by_the_api(lea, browser) == {str(waiting.pk)}
    assert counted(lea, browser) == 1
    decide(client, waiting, "approve")
    assert (needing(lea), watched(lea)) == (set(), {waiting.pk})


def test_an_edited_policy_adds_who_it_names(waiting, ann, lea, legal):
    with outside_command("An edit of a policy for a test"):
        found = Policy.objects.get()
        Rule.objects.create(policy=found, group=legal, quorum=1)
        found.edit()

    assert needing(lea) == needing(ann) == {waiting.pk}


@pytest.mark.parametrize(
    ("fields", "is_found"),
    [
        ({"condition": "subject.name == 'first'"}, True),
        ({"condition": "subject.name == 'second'"}, False),
        ({"tenant": "elsewhere"}, False),
        ({"is_enabled": False}, False),
        ({"effect": "forbid"}, False),
        ({"minimum_membership": timedelta(days=1)}, False),
    ],
    ids=str,
)
def test_who_is_added_depends_on_the_policy(waiting, lea, legal, fields, is_found):
    policy("apikeys.disable", group=legal, quorum=1, **fields)

    assert needing(lea) == ({waiting.pk} if is_found else set())
    assert watched(lea) == (set() if is_found else {waiting.pk})


def test_a_longer_membership_of_today_counts_in_the_inbox(waiting, ann, bob):
    edit(minimum_membership=timedelta(days=1))

    assert needing(ann) == set()
    assert watched(ann) == {waiting.pk}


def test_own_requests_follow_the_stricter_policy(first_key, dana, security, ann, context_of):
    policy("apikeys.disable", group=security, quorum=1, requester_may_vote=True)
    dana.groups.add(security)
    let_in(dana)
    request = held(DisableApiKey(api_key_id=first_key.id), context=context_of(dana))
    assert needing(dana) == needing(ann) == {request.pk}

    edit(requester_may_vote=False)

    assert needing(ann) == {request.pk}
    assert needing(dana) == set()


def test_owners_are_asked_once_the_built_in_policy_applies(
    policy_owners, security, ann, gus, manager, context_of
):
    policy("approvals.add_to_group", group=security, quorum=1)
    request = held(
        AddToGroup(group_id=Group.objects.create(name="Plain").pk, user_id=gus.pk),
        context=context_of(manager),
    )
    assert BUILT_IN_ID not in str(request.requirements)
    assert needing(policy_owners[0]) == set()

    gus.groups.add(security)

    assert needing(policy_owners[0]) == needing(ann) == {request.pk}


def test_a_forged_vote_hides_nothing(waiting, ann, browser):
    forge_vote(waiting, ann)

    assert needing(ann) == {waiting.pk}
    decide(browser(ann), waiting, "approve")
    assert needing(ann) == set()


def test_a_forged_vote_hides_no_request_of_an_earlier_version(waiting, owner, ann, bob):
    """Their rows have no voters, and a seal without them."""
    approved(waiting, bob)
    waiting.refresh_from_db()
    waiting.voters = None
    waiting.seal_row()
    tamper(owner, waiting, voters=None, row_seal=waiting.row_seal)
    forge_vote(waiting, ann)

    assert waiting.is_intact
    assert needing(ann) == {waiting.pk}
    assert needing(bob) == set()
    assert watched(bob) == {waiting.pk}


def test_requests_that_list_no_groups_are_found_by_their_requirements(
    waiting, owner, ann, bob, lea, dana, security
):
    """Those of earlier versions list none, nor those with too many for an index."""
    assert waiting.approver_groups == [security.pk]
    approved(waiting, bob)
    waiting.refresh_from_db()
    waiting.approver_groups = None
    waiting.seal_row()
    tamper(owner, waiting, approver_groups=None, row_seal=waiting.row_seal)

    assert waiting.is_intact
    assert needing(ann) == {waiting.pk}
    assert [needing(each) for each in (bob, lea, dana)] == [set(), set(), set()]
    assert watched(ann) == set()
    assert watched(bob) == watched(lea) == {waiting.pk}


def test_no_groups_are_listed_if_the_requester_may_vote(first_key, dana, security, ann, context_of):
    policy("apikeys.disable", group=security, quorum=1, requester_may_vote=True)
    request = held(DisableApiKey(api_key_id=first_key.id), context=context_of(dana))

    assert request.approver_groups is None


def test_a_tab_reads_an_index_instead_of_the_rows(waiting, ann, superuser):
    """The rows of 10,000 requests have 17 MB."""
    order = ("approve_by", "pk")
    for requests in (
        listing.needing_vote_of(actor(ann)),
        listing.watched_by(actor(ann)),
        listing.pending_for(actor(ann)),
    ):
        found = QuerySet(ApprovalRequest, query=requests.order_by(*order)[:9].query)
        sql, parameters = found.values("pk").query.sql_with_params()
        plan = plan_of(superuser, sql, parameters, without=("seqscan", "bitmapscan"))
        assert "Index Only Scan using approvals_request_asked" in plan


def test_who_adds_a_voter_by_hand_sets_the_request_aside(waiting, ann):
    attack(f"UPDATE approvals_approvalrequest SET voters = ARRAY[{ann.pk}]")

    waiting.refresh_from_db()
    assert not waiting.is_intact


def test_the_stored_voters_are_those_with_a_current_vote(waiting, ann, bob, browser):
    client = browser(ann)
    for verb in ("approve", "take_back", "approve"):
        decide(client, waiting, verb)
        stored = ApprovalRequest.objects.get()
        assert set(stored.voters) == stored.current_voters
    decide(browser(bob), waiting, "deny", reason="Still in use")

    stored = ApprovalRequest.objects.get()
    assert stored.voters == sorted((ann.pk, bob.pk))
    assert stored.is_intact


def test_a_page_is_filled_up_if_some_do_not_need_the_vote(
    waiting, dana, acme, lea, legal, context_of
):
    asks_for_many(dana, acme, context_of, count=6)
    policy("apikeys.disable", group=legal, quorum=1, condition="subject.name != 'first'")
    needed = listing.needing_vote_of(actor(lea)).order_by("requested_at", "pk")

    expected = [each.pk for each in ApprovalRequest.objects.order_by("requested_at", "pk")][1:]
    assert [each.pk for each in needed[:2]] == needed[:2].ids() == expected[:2]
    assert [each.pk for each in needed[2:4]] == expected[2:4]
    assert [each.pk for each in needed] == expected
    assert needed.count() == len(expected)
    assert needed.exists()
    assert needed.first().pk == expected[0]
    assert needed.filter(pk=waiting.pk).first() is None


def test_every_list_agrees_with_the_ballot(waiting, ann, bob, lea, legal, iris, dana, browser):
    policy("apikeys.*", group=legal, quorum=1)
    decide(browser(bob), waiting, "approve")

    for person in (ann, bob, lea, iris, dana):
        who = actor(person)
        (presented,) = present([ApprovalRequest.objects.get()], actor=who)
        may = not Ballot(presented, actor=who).obstacle
        assert needing(person) == ({waiting.pk} if may else set())
        assert shown_by_the_api(person, browser) == ({str(waiting.pk)} if may else set())
        if person.is_staff:
            assert counted(person, browser) == int(may)
