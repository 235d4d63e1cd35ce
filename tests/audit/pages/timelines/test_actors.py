"""The page of an actor: all that one did, and as which."""

import re

import pytest

from apikeys.authentication.credentials import authenticate
from apikeys.commands import CreateApiKey, DisableApiKey, EnableApiKey
from apikeys.models import Membership
from audit.bus.context import Context
from audit.bus.dispatch import dispatch
from audit.models.records import CommandRecord
from audit.outside import outside_command
from audit.pages.timelines import actors
from tests.audit.reading import queries, story_of
from tests.conftest import create_key


@pytest.fixture
def acted(first_key, dana, act):
    """Dana disabled her key signed in, and enabled another one with the first."""
    other = create_key(dana, first_key.row.customer, name="other")
    with_key = Context(actor=authenticate(first_key.secret, address=None).actor, channel="v2")
    dispatch(DisableApiKey(api_key_id=other.id), context=with_key)
    act(dana, EnableApiKey(api_key_id=other.id), channel="v1")
    return first_key


def did(content):
    """What the page says was done, newest first."""
    return re.findall(r'data-label="Command"><a href="[^"]+">(.*?)</a>', content)


def page_of(user):
    return f"/audit/actors/user/{user.pk}"


def test_a_person_did_what_the_persons_keys_did(acted, dana, read):
    content = read(page_of(dana))

    assert did(content) == [
        "Enable API key",
        "Disable API key",
        "Create API key",
        "Create API key",
    ]
    assert "<h1>dana</h1>" in content


def test_the_page_tells_as_which(acted, dana, read):
    content = read(page_of(dana))
    ways = content.split('id="as-which"')[1].split("</nav>")[0]

    assert "dana, signed in" in ways
    assert "dana, with key “first”" in ways


def test_what_was_done_in_one_way_can_be_picked(acted, dana, read):
    with_key = read(page_of(dana), {"acted_as": f"api_key:{acted.id}"})
    signed_in = read(page_of(dana), {"acted_as": f"user:{dana.pk}"})

    assert did(with_key) == ["Disable API key"]
    assert did(signed_in) == ["Enable API key", "Create API key", "Create API key"]
    assert f'acted_as=api_key%3A{acted.id}" aria-current="true"' in with_key


def test_a_key_has_a_page_of_its_own_that_leads_to_its_person(acted, dana, read):
    content = read(f"/audit/actors/api_key/{acted.id}")

    assert did(content) == ["Disable API key"]
    assert "dana, with key “first”" in content
    assert f'href="{page_of(dana)}"' in content


def test_nothing_is_picked_that_somebody_else_did(acted, dana, bob, read):
    content = read(page_of(dana), {"acted_as": f"user:{bob.pk}"})

    assert did(content) == []
    assert "No commands that you can see." in content


def test_every_label_of_an_actor_leads_there(acted, dana, read):
    record = CommandRecord.objects.get(message_type="apikeys.enable")

    for url in (
        story_of(acted.id),
        f"/audit/commands/{record.command_id}",
        f"/audit/cases/{record.correlation_id}",
        page_of(dana),
    ):
        assert f'href="{page_of(dana)}">dana</a>' in read(url)


def test_the_page_is_paged_by_position(acted, dana, read, monkeypatch):
    monkeypatch.setattr(actors, "ACTOR_LINES", 3)

    newest = read(page_of(dana))
    older = re.search(r'href="(\?[^"]*before=\d+)" rel="next"', newest)[1]
    oldest = read(page_of(dana) + older)

    assert did(newest) == ["Enable API key", "Disable API key", "Create API key"]
    assert did(oldest) == ["Create API key"]
    assert 'rel="next"' not in oldest


def test_a_page_of_one_way_goes_on_with_that_way(acted, dana, read, monkeypatch):
    monkeypatch.setattr(actors, "ACTOR_LINES", 1)

    content = read(page_of(dana), {"acted_as": f"user:{dana.pk}"})

    assert f"acted_as=user%3A{dana.pk}&amp;before=" in content


def test_a_list_of_ways_that_is_cut_says_so(acted, dana, read, monkeypatch):
    monkeypatch.setattr(actors, "LOOKED_AT", 1)

    content = read(page_of(dana))

    assert "Only credentials used in the newest 1 attempts are listed." in content


def test_what_a_person_did_for_others_is_not_shown(first_key, dana, globex, read):
    with outside_command("Dana acts for Globex as well"):
        Membership.objects.create(customer=globex, user=dana)
    create_key(dana, globex, name="globex-secret")
    with_key = Context(
        actor=authenticate(create_key(dana, globex, name="hush").secret, address=None).actor
    )
    dispatch(CreateApiKey(customer_id=globex.pk, owner_id=dana.pk, name="third"), context=with_key)

    content = read(page_of(dana))

    assert did(content) == ["Create API key"]
    assert "hush" not in content
    assert "globex" not in content.lower()


@pytest.mark.parametrize("path", ["user/4711", "api_key/zero", "nothing/1", "user/%00"])
def test_who_did_nothing_is_not_found(iris, browser, path):
    assert browser(iris).get(f"/audit/actors/{path}").status_code == 404


def test_who_did_nothing_that_is_ones_to_see_is_not_found(globex_key, gus, iris, browser):
    assert browser(iris).get(page_of(gus)).status_code == 404


def test_only_auditors_read_it(acted, ann, browser):
    assert browser(ann).get(page_of(ann)).status_code == 403


def test_the_page_costs_the_same_however_much_was_done(acted, dana, act, iris, browser):
    client = browser(iris)
    few = queries(client, page_of(dana))
    for command in (DisableApiKey, EnableApiKey, DisableApiKey):
        act(dana, command(api_key_id=acted.id))

    assert queries(client, page_of(dana)) == few == 8
