"""The page of a request: what it is, what it changes, and what surrounds it."""

import hashlib
import html
import re
from datetime import timedelta

from django.contrib.auth.models import Group
from django.utils import timezone

from apikeys.commands import CreateApiKey, RotateApiKey, UpdateApiKey
from apikeys.models import ApiKey
from approvals.models import Rule
from audit.models.records import CommandRecord
from audit.outside import outside_command
from tests.approvals.admin_pages import (
    LIST,
    attempt,
    decide,
    page,
    rows_of,
    section,
    text,
)
from tests.approvals.asking import switch_off
from tests.conftest import completed, held, new_approver, policy
from tests.probes import change_the_name, to
from tests.tampering import tamper


def test_the_headline_is_what_the_verified_payload_says(waiting, ann, browser):
    content = page(browser(ann), waiting)

    assert f"<h1><bdi>Disable {ApiKey.objects.get()} of “Acme”</bdi></h1>" in content
    line = text(content.partition('<p class="integrity">')[2].partition("</p>")[0])
    assert line.startswith("waiting signature valid · apikeys.disable v1 · on API key “first”")
    assert line.endswith(f"digest {waiting.digest[:4]}-{waiting.digest[4:8]}")


def test_what_is_approved_is_the_digest_that_is_shown(waiting, ann, browser):
    content = page(browser(ann), waiting)

    (sent,) = set(re.findall(r'name="digest" value="(\w+)"', content))
    assert sent == waiting.digest
    assert f"<code>{waiting.digest}</code>" in content
    decide(browser(ann), waiting, "approve", digest=sent)
    assert waiting.votes.get().digest == sent


def test_the_raw_arguments_are_the_bytes_that_the_digest_covers(waiting, ann, browser):
    content = page(browser(ann), waiting)

    raw = html.unescape(re.search(r'<code id="covered">(.*?)</code>', content, re.DOTALL)[1])
    assert hashlib.sha256(raw.encode()).hexdigest() == waiting.digest
    assert raw.startswith('["apikeys.disable",1,{')


def test_one_person_counts_for_one_rule_also_on_the_button(
    waiting, first_key, dana, acme, ann, bob, security, context_of, browser
):
    """Ann belongs to both groups, but her vote will not do for both."""
    legal = Group.objects.create(name="Legal")
    ann.groups.add(legal)
    new_approver("lea", acme, groups=[legal])
    both = policy("apikeys.rotate", group=security, quorum=1)
    with outside_command("A second rule for a test"):
        Rule.objects.create(policy=both, group=legal, quorum=1)
        both.edit()
    request = held(
        RotateApiKey(api_key_id=first_key.id, overlap_seconds=0), context=context_of(dana)
    )

    assert "Approve (1 more needed after you)" in page(browser(ann), request)

    decide(browser(bob), request, "approve")
    assert "last vote, executes now" in page(browser(ann), request)


def test_the_last_vote_on_what_will_be_refused_says_so(waiting, first_key, ann, bob, browser):
    decide(browser(bob), waiting, "approve")
    completed(to(switch_off, first_key.id))

    content = page(browser(ann), waiting)

    assert "Execution will be refused even if it is approved" in content
    assert "Approve anyway: last vote, but execution would currently be refused" in content


def test_what_does_not_verify_is_red_and_says_nothing_of_its_content(waiting, ann, browser, owner):
    tamper(owner, waiting, payload=b"\x80\x04N.")

    content = page(browser(ann), waiting)

    assert "<h1><bdi>A request that cannot be verified</bdi></h1>" in content
    assert 'class="panel panel-broken" role="alert"' in content
    assert 'value="approve"' not in content
    assert "Try it now" not in content
    assert 'id="covered"' not in content
    for heading in ("changes", "matching-policies", "works"):
        assert f'<h2 id="{heading}">' not in content
    assert "Disable" not in section(content, "asked")


def test_what_does_not_verify_is_not_tried(waiting, ann, browser, owner):
    tamper(owner, waiting, payload=b"\x80\x04N.")
    before = CommandRecord.objects.count()

    assert "It would" not in attempt(browser(ann), waiting).content.decode()

    assert CommandRecord.objects.count() == before


def test_a_change_shows_each_value_now_and_when_requested(waiting, first_key, ann, browser):
    completed(to(change_the_name, first_key.id))

    answer = browser(ann).get(f"{LIST}{waiting.pk}/change/")

    name = rows_of(answer.context)["name"]
    assert (name.now.short, name.asked.short, name.has_changed) == ("renamed", "first", True)
    assert not rows_of(answer.context)["is enabled"].has_changed
    assert "renamed ⚠" not in text(answer.content.decode())
    said = section(answer.content.decode(), "changes")
    assert "name changed since the request from first to renamed" in said
    assert said.count("changed since the request") == 1


def test_people_and_customers_are_shown_by_name(waiting, dana, acme, ann, browser):
    rows = rows_of(browser(ann).get(f"{LIST}{waiting.pk}/change/").context)

    assert (rows["owner"].now.short, rows["owner"].now.note) == ("dana", str(dana.pk))
    assert (rows["customer"].now.short, rows["customer"].now.note) == ("Acme", str(acme.pk))


def test_a_creation_shows_what_it_makes(dana, acme, security, ann, context_of, browser):
    policy("apikeys.create", group=security, quorum=1)
    command = CreateApiKey(customer_id=acme.pk, owner_id=dana.pk, name="ci")
    request = held(command, context=context_of(dana))

    said = section(page(browser(ann), request), "changes")

    assert said.startswith("New values Value Old New")
    assert "name — ci" in said
    assert "owner — dana" in said


def test_long_and_hidden_text_of_users_cannot_pass_for_ours(
    dana, acme, security, ann, context_of, browser
):
    policy("apikeys.create", group=security, quorum=1)
    wicked = "x\u202eevorppA\u200b\n⚠ signature valid " + "y" * 60
    command = CreateApiKey(customer_id=acme.pk, owner_id=dana.pk, name=wicked)
    reason = "Fine\u2066 <b>bold</b>\nsecond line"
    request = held(command, context=context_of(dana, reason=reason))

    for content in (page(browser(ann), request), browser(ann).get(LIST).content.decode()):
        shown = re.sub(r'id="covered">.*?</code>', "", content, flags=re.DOTALL)
        assert "x[U+202E]evorppA[U+200B][U+000A]⚠ signature valid" in shown
        assert not {"\u202e", "\u200b", "\u2066"} & set(shown)
        assert "Fine[U+2066] &lt;b&gt;bold&lt;/b&gt;" in shown
    content = page(browser(ann), request)
    assert "It contains invisible characters" in content
    assert "second line" in content


def test_only_what_is_to_change_is_proposed(first_key, dana, security, ann, context_of, browser):
    policy("apikeys.update", group=security, quorum=1)
    ends_at = timezone.now() + timedelta(days=90)
    command = UpdateApiKey(api_key_id=first_key.id, name="ci", expires_at=ends_at)
    request = held(command, context=context_of(dana))

    answer = browser(ann).get(f"{LIST}{request.pk}/change/")

    assert {row.name for row in answer.context["changed"].rows} == {"name", "expires at"}


def test_what_a_request_leaves_as_it_is_does_not_pass_for_a_change(
    first_key, dana, security, ann, context_of, browser
):
    ends_at = timezone.now() + timedelta(days=90)
    same = {"scopes": ("read", "write"), "expires_at": ends_at, "metadata": {"tags": ["a"]}}
    completed(UpdateApiKey(api_key_id=first_key.id, **same), context=context_of(dana))
    policy("apikeys.update", group=security, quorum=1)
    command = UpdateApiKey(api_key_id=first_key.id, name="ci", **same)
    request = held(command, context=context_of(dana))

    rows = rows_of(browser(ann).get(f"{LIST}{request.pk}/change/").context)

    assert {name for name, row in rows.items() if row.would_change} == {"name"}


def test_what_is_empty_and_stays_so_is_left_out(waiting, ann, browser):
    said = section(page(browser(ann), waiting), "changes")

    assert "owner dana" in said
    for name in ("description", "allowed networks", "not before", "expires at", "metadata"):
        assert name not in said


def test_auditors_get_a_link_from_each_person_to_their_commands(waiting, ann, iris, dana, browser):
    decide(browser(ann), waiting, "approve")
    ways = [f'href="/audit/actors/user/{each.pk}"' for each in (dana, ann)]

    for way in ways:
        assert way in page(browser(iris), waiting)
        assert way not in page(browser(ann), waiting)
