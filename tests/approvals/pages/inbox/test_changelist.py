"""The inbox: what needs my decision, what I asked for, what I may watch, and what is done."""

import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apikeys.authentication.credentials import live_api_key
from apikeys.commands import CreateApiKey, DisableApiKey, RotateApiKey
from approvals.admin import ApprovalRequestAdmin
from approvals.people.commands import AddToGroup
from approvals.requests.listing import needing_vote_of
from approvals.requests.presentation import Ballot, present
from audit.bus.context import Context
from tests.approvals.admin_pages import LIST, ask, decide, let_in, listed, page, said, text
from tests.approvals.asking import asks_for_many, switch_off
from tests.conftest import actor, completed, create_key, held, new_approver, policy
from tests.probes import to
from tests.tampering import let_time_pass, rewrite, tamper

TABS = ("needs", "mine", "watching", "done")


@pytest.fixture
def ask_for_many(waiting, dana, acme, context_of):
    """Have Dana ask for that many more keys to be disabled."""
    return lambda count: asks_for_many(dana, acme, context_of, count=count)


def tabs_with(client, request):
    """On which tabs a request stands."""
    return [tab for tab in TABS if str(request.pk) in rows(client, tab=tab)]


def rows(client, **query):
    """The requests on a page, in their order."""
    return in_rows(listed(client, **query))


def in_rows(content):
    return re.findall(
        rf'class="field-sentence">\s*<a href="{LIST}([0-9a-f-]+)/change/"><bdi>', content
    )


def test_what_i_can_vote_on_is_on_the_first_tab_until_i_have(waiting, ann, bob, browser):
    client = browser(ann)
    assert tabs_with(client, waiting) == ["needs"]

    decide(client, waiting, "approve")

    assert tabs_with(client, waiting) == ["watching"]
    decide(client, waiting, "take_back")
    assert tabs_with(client, waiting) == ["needs"]
    decide(browser(bob), waiting, "deny", reason="Still in use")
    assert tabs_with(client, waiting) == ["done"]


def test_own_requests_are_on_their_tab_and_need_others(waiting, dana, security, browser):
    dana.groups.add(security)
    let_in(dana)

    assert tabs_with(browser(dana), waiting) == ["mine", "watching"]


def test_who_belongs_to_no_group_watches(waiting, iris, browser):
    client = browser(iris)

    assert tabs_with(client, waiting) == ["watching"]
    assert "No requests need your decision." in listed(client)


def test_what_needs_me_is_exactly_what_my_vote_would_count_for(
    first_key, acme, dana, ann, bob, iris, gus, security, context_of, browser
):
    """Whoever looks and whatever was asked for, the list and the vote go by the same rules."""
    joined, legal = newly_joined("june", acme, security), Group.objects.create(name="Legal")
    policy("apikeys.disable", group=security, quorum=2)
    waiting = ask(first_key, dana, context_of)
    policy("apikeys.create", group=legal, quorum=1, requester_may_vote=True)
    policy("apikeys.rotate", group=security, quorum=1, minimum_membership=timedelta(days=1))
    for person in (dana, ann):
        person.groups.add(legal)
        person.user_permissions.add(
            *Permission.objects.filter(codename__in=("create_apikey", "view_approvalrequest"))
        )
    User.objects.filter(pk=dana.pk).update(is_staff=True)
    gus.groups.add(security, legal)
    created = [
        held(CreateApiKey(customer_id=acme.pk, owner_id=who.pk, name="k"), context=context_of(who))
        for who in map(fresh, (dana, ann))
    ]
    enabled = held(
        RotateApiKey(api_key_id=first_key.id, overlap_seconds=0), context=context_of(dana)
    )
    decide(browser(bob), waiting, "approve")
    everything = [waiting, *created, enabled]

    needed = {}
    for person in (dana, ann, bob, iris, gus, joined):
        who = actor(person)
        visible = [each for each in everything if who.may_see(each.tenant)]
        needed[person.username] = set(needing_vote_of(who))
        assert needed[person.username] == {
            each.request
            for each in present(visible, actor=who)
            if not Ballot(each, actor=who).obstacle
        }

    assert needed["ann"] == {waiting, *created}
    assert needed["dana"] == set(created)
    assert needed["bob"] == needed["iris"] == needed["gus"] == set()
    assert needed["june"] == {waiting}


def test_who_joined_long_enough_ago_is_asked(acme, dana, security, context_of, owner, first_key):
    june, kim = (newly_joined(name, acme, security) for name in ("june", "kim"))
    policy("apikeys.disable", group=security, quorum=1, minimum_membership=timedelta(days=1))
    age_memberships(owner, of=june)

    request = ask(first_key, dana, context_of)

    assert set(needing_vote_of(actor(june))) == {request}
    assert set(needing_vote_of(actor(kim))) == set()


def test_the_rows_show_requester_channel_and_reason(
    hold, first_key, dana, acme, disabling_needs_two, ann, browser, client
):
    other = create_key(dana, acme, name="other")
    context = Context(actor=live_api_key(str(first_key.id)), channel="v2", reason="It leaked")
    hold(DisableApiKey(api_key_id=other.id), context=context)

    content = listed(browser(ann))

    assert "dana, with key “first”" in content
    assert re.search(r", via v2, <time[^>]*>(just now|\d+.minutes? ago)</time>", content)
    assert '<q class="why">It leaked</q>' in content
    assert f'href="/admin/apikeys/apikey/{other.id}/change/"' in content
    assert '<span class="rule">0 of 2 <bdi>Security</bdi></span>' in content


def test_each_rule_has_its_own_progress(waiting, first_key, dana, acme, context_of, ann, browser):
    lea = new_approver("lea", acme, groups=[Group.objects.create(name="Legal")])
    policy("apikeys.rotate", group=lea.groups.get(), quorum=1)
    policy("apikeys.rotate", group=Group.objects.get(name="Security"), quorum=1)
    held(RotateApiKey(api_key_id=first_key.id, overlap_seconds=0), context=context_of(dana))

    content = listed(browser(ann), type="apikeys.rotate")

    legal, security = (
        f'<span class="rule">0 of 1 <bdi>{name}</bdi></span>' for name in ("Legal", "Security")
    )
    assert f"{legal}{security}" in content


def test_flags_say_what_is_wrong_and_conflicts_lead_to_each_other(
    waiting, first_key, dana, ann, security, context_of, browser
):
    policy("apikeys.rotate", group=security, quorum=1)
    other = held(RotateApiKey(api_key_id=first_key.id, overlap_seconds=0), context=context_of(dana))
    completed(to(switch_off, first_key.id))
    User.objects.filter(pk=dana.pk).update(is_active=False)

    content = listed(browser(ann))

    assert content.count("Out of date: it is no longer enabled.") == 2
    assert content.count("The requester&#x27;s account is deactivated.") == 2
    assert content.count("Conflicts with another open request") == 2
    for request, words in ((waiting, "Disable API key"), (other, "Rotate API key")):
        assert f'<a href="{LIST}{request.pk}/change/"><bdi>{words}, requested by dana' in content


def test_requests_of_other_tenants_are_not_shown_as_conflicts(
    waiting, first_key, dana, ann, security, context_of, browser, owner
):
    policy("apikeys.rotate", group=security, quorum=1)
    other = held(RotateApiKey(api_key_id=first_key.id, overlap_seconds=0), context=context_of(dana))
    rewrite(owner, other, tenant="01900000-0000-7000-8000-000000000000")

    assert "Conflicts" not in listed(browser(ann))


def test_a_request_that_does_not_verify_is_put_into_no_sentence(waiting, ann, browser, owner):
    tamper(owner, waiting, payload=b"\x80\x04N.")

    content = listed(browser(ann))

    assert "A request that cannot be verified" in content
    assert "The requested command was altered" in content
    assert "Disable API key" not in content.partition("<tbody>")[2].partition("</tbody>")[0]


def test_facets_narrow_the_tab_down(waiting, first_key, dana, ann, security, context_of, browser):
    policy("apikeys.rotate", group=security, quorum=1)
    other = held(
        RotateApiKey(api_key_id=first_key.id, overlap_seconds=0),
        context=context_of(dana, reason="Back"),
    )
    client = browser(ann)
    both = {str(waiting.pk), str(other.pk)}

    assert set(rows(client)) == both
    assert rows(client, type="apikeys.rotate") == [str(other.pk)]
    assert set(rows(client, group=security.pk)) == both
    assert set(rows(client, age="day")) == both
    assert rows(client, q="leak") == [str(waiting.pk)]
    assert set(rows(client, q=f"api-key:{first_key.id}")) == both
    assert rows(client, q="nothing like it") == []
    assert "No requests match." in listed(client, q="nothing like it")
    assert rows(client, q=other.pk) == rows(client, q=other.command_id) == [str(other.pk)]
    assert set(rows(client, customer=waiting.tenant)) == both
    assert rows(client, type="x") == rows(client, customer="x") == []
    for name in ("group", "age", "after", "tab", "state", "p", "no_such", "payload__contains"):
        assert client.get(LIST, {name: "x"}).status_code == 400, name


def test_facets_say_how_often_each_occurs(waiting, ask_for_many, ann, browser):
    ask_for_many(2)

    content = listed(browser(ann))

    for choice in ("Disable API key (3)", "Security (3)", "less than a day ago (3)"):
        assert f">{choice}</a>" in content


def test_what_runs_out_first_comes_first_and_pages_follow_without_gap(
    waiting, ask_for_many, ann, browser, monkeypatch
):
    monkeypatch.setattr(ApprovalRequestAdmin, "list_per_page", 2)
    everything = [waiting, *ask_for_many(4)]
    client, address, seen = browser(ann), LIST, []

    while address:
        content = client.get(address).content.decode()
        seen += in_rows(content)
        following = re.search(r'href="(\?[^"]+)" rel="next"', content)
        address = LIST + following[1].replace("&amp;", "&") if following else ""

    in_order = sorted(everything, key=lambda each: (each.approve_by, each.pk))
    assert seen == [str(each.pk) for each in in_order]


def test_what_is_done_comes_newest_first(waiting, ask_for_many, ann, browser):
    everything, client = [waiting, *ask_for_many(2)], browser(ann)
    for each in everything:
        decide(client, each, "deny", reason="Still in use")

    assert rows(client, tab="done") == [str(each.pk) for each in reversed(everything)]
    assert "Denied by ann: “Still in use”" in listed(client, tab="done")


@pytest.mark.parametrize(
    ("tab", "reader", "expected"),
    [("needs", "ann", 15), ("mine", "dana", 15), ("watching", "iris", 15), ("done", "ann", 12)],
)
def test_each_tab_costs_as_much_for_many_as_for_one(
    tab, reader, expected, waiting, ask_for_many, dana, ann, bob, iris, browser
):
    let_in(dana)
    everything = [waiting, *ask_for_many(3)]
    if tab == "done":
        for each in everything:
            decide(browser(bob), each, "deny", reason="Still in use")
    client = browser({"ann": ann, "dana": dana, "iris": iris}[reader])
    client.get(LIST)
    one, cost = {"tab": tab, "q": str(waiting.subject_id)}, []

    for query in (one, {"tab": tab}):
        with CaptureQueriesContext(connection) as captured:
            seen = len(rows(client, **query))
        cost.append((seen, len(captured)))

    # A filter takes one query more than the first page without any.
    assert cost == [(1, expected), (4, expected - 1)]


def test_what_belongs_to_no_customer_is_shown_to_those_whom_it_asks(
    policy_owners, manager, ann, browser, context_of
):
    olga = policy_owners[0]
    olga.user_permissions.add(Permission.objects.get(codename="view_approvalrequest"))
    command = AddToGroup(user_id=ann.pk, group_id=Group.objects.get(name="Policy owners").pk)
    request = held(command, context=context_of(manager))

    assert tabs_with(browser(olga), request) == ["needs"]
    assert tabs_with(browser(ann), request) == []
    assert "Needs my decision" in listed(browser(olga))
    assert str(request.pk) in page(browser(olga), request)


def test_what_is_late_is_done(waiting, ann, browser, owner):
    let_time_pass(owner, waiting)

    assert tabs_with(browser(ann), waiting) == ["done"]


def newly_joined(name, customer, group):
    """Somebody whom a command has made a member just now."""
    person = new_approver(name, customer, groups=[])
    completed(AddToGroup(user_id=person.pk, group_id=group.pk))
    return person


def fresh(person):
    """A person without what was remembered of its permissions."""
    return User.objects.get(pk=person.pk)


def age_memberships(owner, *, of):
    with owner.transaction():
        owner.execute("ALTER TABLE audit_eventrecord DISABLE TRIGGER USER")
        owner.execute(
            "UPDATE audit_eventrecord SET occurred_at = occurred_at - interval '2 days'"
            " WHERE message_type = 'approvals.member_joined' AND data->'user_id' = %s::jsonb",
            [str(of.pk)],
        )
        owner.execute("ALTER TABLE audit_eventrecord ENABLE TRIGGER USER")


def act(client, action, *requests, **query):
    """Send the form of the list with these requests selected, by the button of the action."""
    selected = [str(getattr(each, "pk", each)) for each in requests]
    actions = ["approve_selected", "deny_selected"]
    index = actions.index(action) if action in actions else 2
    form = {"action": [*actions, "delete_selected"], "index": index, "_selected_action": selected}
    return client.post(LIST, {**form, "select_across": "0"}, query_params=query)


@pytest.mark.parametrize(
    ("action", "verb"), [("approve_selected", "Approve"), ("deny_selected", "Deny")]
)
def test_an_action_leads_to_the_confirmation_of_the_selected(
    action, verb, waiting, ask_for_many, ann, browser
):
    client, (_, third) = browser(ann), ask_for_many(2)

    answer = act(client, action, waiting, third)

    assert answer.status_code == 302
    confirmation = client.get(answer["Location"])
    assert confirmation.context["title"] == f"{verb} the selected requests?"
    shown = {each.presented.request for each in confirmation.context["candidates"]}
    assert shown == {waiting, third}
    assert needing_vote_of(actor(ann)).count() == 3


def test_only_requests_that_need_a_decision_can_be_selected(waiting, ann, iris, browser):
    content = listed(browser(ann))
    assert 'name="_selected_action"' in content
    assert 'id="action-toggle"' in content
    for index, label in enumerate(("Approve selected…", "Deny selected…")):
        assert f'name="index" value="{index}">{label}</button>' in content
    assert 'name="_selected_action"' not in listed(browser(ann), tab="watching")
    others = browser(iris)
    confirmation = others.get(act(others, "approve_selected", waiting)["Location"])
    assert [bool(each.obstacle) for each in confirmation.context["candidates"]] == [True]
    assert act(browser(ann), "approve_selected", waiting, tab="watching").status_code == 200


def test_malformed_selections_decide_nothing(waiting, ann, browser):
    client = browser(ann)

    assert act(client, "approve_selected", "x").status_code == 400
    assert said(act(client, "delete_selected", waiting)) == ["No action selected."]
    assert said(act(client, "approve_selected"))[-1].startswith("Items must be selected")


def test_links_of_filters_and_pages_keep_the_other_filters(
    waiting, ask_for_many, ann, browser, monkeypatch
):
    monkeypatch.setattr(ApprovalRequestAdmin, "list_per_page", 2)
    ask_for_many(2)
    client = browser(ann)

    content = listed(client, tab="needs", type="apikeys.disable", q="a")

    assert "2 of 3 requests" in content
    (following,) = re.findall(r'href="(\?[^"]+)" rel="next"', content)
    for kept in ("tab=needs", "type=apikeys.disable", "q=a", "after="):
        assert kept in following
    last = client.get(LIST + following.replace("&amp;", "&")).content.decode()
    assert len(in_rows(last)) == 1
    assert 'rel="next"' not in last
    keeping = re.findall(r'href="(\?[^"]*after=[^"]*)"', last)
    assert [each for each in keeping if "all=yes" not in each] == []


def test_the_count_ends_at_a_limit(waiting, ask_for_many, ann, browser, monkeypatch):
    monkeypatch.setattr("approvals.pages.inbox.paginator.COUNTED", 3)
    monkeypatch.setattr("approvals.pages.inbox.changelist.COUNTED", 3)
    monkeypatch.setattr(ApprovalRequestAdmin, "list_per_page", 2)
    ask_for_many(4)

    assert "2 of at least 3 requests" in listed(browser(ann))


def test_all_shown_can_be_selected_without_javascript(waiting, ask_for_many, ann, browser):
    ask_for_many(1)
    client = browser(ann)

    assert not re.search(r'class="action-select"[^>]* checked', listed(client))
    assert len(re.findall(r'class="action-select"[^>]* checked', listed(client, all="yes"))) == 2


def test_the_column_of_the_subject_links_to_it_without_its_name_again(waiting, ann, browser):
    content = listed(browser(ann))

    (cell,) = re.findall(r'<td class="field-about">(.*?)</td>', content, re.DOTALL)
    assert text(cell).startswith("API key :")
    assert f'href="/admin/apikeys/apikey/{waiting.subject_id}/change/"' in cell
    assert "visually-hidden" in cell
