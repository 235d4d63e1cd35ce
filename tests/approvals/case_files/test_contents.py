"""Case files: a signed report, the same as JSON, and its verification."""

import base64
import json
import re
from datetime import timedelta
from html import unescape
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from uuid_utils.compat import uuid7

from apikeys.commands import DisableApiKey
from apikeys.models import ApiKey
from approvals.decisions.commands import Approve, Deny
from audit.bus.dispatch import dispatch
from audit.evidence.witnessing.publisher import publish_due
from audit.messages.exceptions import Forbidden
from audit.models.records import CommandRecord
from audit.outside import outside_command
from tests.approvals.authenticators import ORIGIN, Authenticator, registered, signature
from tests.boards.models import Board, Card
from tests.conftest import completed, held, member, policy
from tests.tampering import tamper
from tests.transparency import sequence


@pytest.fixture
def decided(waiting, dana, ann, bob, approve, context_of):
    """A request that two approved, after its requester had tried to, in vain."""
    command = Approve(approval_request_id=waiting.pk, digest=waiting.digest)
    with pytest.raises(Forbidden):
        dispatch(command, context=context_of(dana, channel="admin"))
    approve(waiting, ann, reason="Checked")
    approve(waiting, bob)
    waiting.refresh_from_db()
    return waiting


@pytest.fixture
def make(iris, browser):
    """A function that presses the button as Iris, and returns the page and the file."""
    client = browser(iris)

    def press(address):
        content = client.post(f"/case-files/{address}").content.decode()
        name, data = re.search(
            r'href="data:application/json;base64,(.*?)" download="(.*?)"', content
        ).groups()[::-1]
        return unescape(content), name, base64.b64decode(data)

    return press


def of_request(request):
    return f"subject/approval-request/{request.pk}"


@pytest.fixture
def verify(tmp_path):
    """A function that verifies a file by the command that its report names."""

    def run(content, page):
        line = re.search(r"manage\.py approvals_verify (\S+) --public-key (\S+)</code>", page)
        path = tmp_path / line[1]
        path.write_bytes(content)
        out = StringIO()
        call_command("approvals_verify", path, public_key=line[2], stdout=out)
        return out.getvalue()

    return run


def test_a_report_has_all_that_an_auditor_asks_for(decided, make):
    page, _, _ = make(of_request(decided))

    for words in (
        "<bdi>dana</bdi>",
        "Leaked",
        "apikeys.disable, version 1",
        '<span class="field">is enabled</span> <del>yes</del> → <ins>no</ins>',
        "2 of <bdi>Security</bdi>",
        '<th scope="row" data-label="Person"><bdi>ann</bdi></th><td data-label="Decision">approve',
        '<th scope="row" data-label="Person"><bdi>bob</bdi></th><td data-label="Decision">approve',
        f"<code>{decided.digest}</code>",
        "Checked",
        "executed",
    ):
        assert words in page, words
    refused = page.split("were refused or failed</h2>")[1].split("</section>")[0]
    assert "Approve: disable API key" in refused
    assert "<bdi>dana</bdi>" in refused


def test_the_json_is_the_content_of_the_report_and_verifies(decided, make, verify):
    page, name, file = make(of_request(decided))

    content = json.loads(file)["case_file"]
    (evidence,) = content["evidence"]
    assert name.endswith(".json")
    assert evidence["evidence"]["request"]["id"] == str(decided.pk)
    assert len(evidence["evidence"]["votes"]) == 2
    assert all(each["label"] in page for each in content["attempts"])
    assert f"Genuine: apikeys.disable, {decided.pk}" in verify(file, page)


def test_an_altered_case_file_is_found(decided, make, verify):
    page, _, file = make(of_request(decided))

    with pytest.raises(CommandError, match="signature does not match"):
        verify(file.replace(b"Checked", b"Chucked"), page)


def test_the_evidence_in_a_case_file_verifies_on_its_own(decided, make, verify):
    page, _, file = make(of_request(decided))
    (evidence,) = json.loads(file)["case_file"]["evidence"]

    text = json.dumps(evidence, sort_keys=True, indent=2, ensure_ascii=False)

    assert "Genuine" in verify(f"{text}\n".encode(), page)


@pytest.mark.parametrize("kind", ["case", "key"])
def test_a_case_and_a_subject_have_case_files_as_well(kind, decided, make, verify):
    addresses = {
        "case": f"case/{decided.command_id}",
        "key": f"subject/api-key/{decided.subject_id}",
    }
    page, _, file = make(addresses[kind])

    assert f"Genuine: apikeys.disable, {decided.pk}" in verify(file, page)


def test_making_a_case_file_is_logged_with_its_digest(decided, make):
    page, _, _ = make(of_request(decided))

    record = CommandRecord.objects.get(message_type="audit.make_case_file")
    assert record.status == "succeeded"
    assert record.actor_label == "iris"
    assert record.data["sha256"] in page


@pytest.mark.parametrize(
    "page",
    [
        "/admin/approvals/approvalrequest/{request}/change/",
        "/audit/cases/{case}",
        "/audit/subjects/api-key/{key}",
    ],
)
def test_the_button_is_on_each_page(page, decided, iris, browser):
    ids = {"request": decided.pk, "case": decided.command_id, "key": decided.subject_id}

    content = browser(iris).get(page.format(**ids)).content.decode()

    assert content.count(">Case file</button>") == 1


def test_a_reader_who_may_not_export_sees_no_button_and_gets_no_file(decided, acme, browser):
    reader = browser(member("otto", acme, permissions=("view_commandrecord",)))

    page = reader.get(f"/audit/cases/{decided.command_id}").content.decode()

    assert "Case file</button>" not in page
    assert reader.post(f"/case-files/{of_request(decided)}").status_code == 403


def test_another_customers_subject_has_no_case_file(decided, globex, browser):
    permissions = ("view_commandrecord", "export_commandrecord")
    other = browser(member("olaf", globex, permissions=permissions))

    for address in (of_request(decided), f"case/{decided.command_id}", "subject/api-key/none"):
        assert other.post(f"/case-files/{address}").status_code == 404


def test_evidence_that_does_not_fit_together_is_not_signed(waiting, ann, context_of, make, owner):
    deny = Deny(approval_request_id=waiting.pk, digest=waiting.digest)
    completed(deny, context=context_of(ann, reason="No"))
    tamper(owner, waiting, state="executed")

    page, _, file = make(of_request(waiting))

    assert "its evidence is not signed" in page
    assert json.loads(file)["case_file"]["evidence"] == []


def change_directly(key_id, **fields):
    """Change a key under an id that is that of no command."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT set_config('audit.command_id', %s, true)", [str(uuid7())])
        ApiKey.objects.filter(pk=key_id).update(**fields)


@pytest.mark.parametrize("kind", ["case", "key", "request"])
def test_changes_made_directly_in_the_database_are_in_each_case_file(kind, waiting, make, verify):
    change_directly(waiting.subject_id, description="by hand")
    addresses = {
        "case": f"case/{waiting.command_id}",
        "key": f"subject/api-key/{waiting.subject_id}",
        "request": of_request(waiting),
    }

    page, _, file = make(addresses[kind])

    (change,) = [each for each in json.loads(file)["case_file"]["changes"] if each["is_direct"]]
    assert change["subject"] == f"api-key:{waiting.subject_id}"
    assert change["values"] == [{"field": "description", "before": "—", "after": "by hand"}]
    assert page.split("All changes, oldest first")[1].count("made directly in the database") == 1
    assert page.split("Before and after")[1].split("Votes")[0].count("by hand") == 1
    assert "Genuine" in verify(file, page)


def test_a_change_recorded_as_direct_is_marked_as_well(first_key, make):
    with outside_command("Described, ticket OPS-9"):
        ApiKey.objects.filter(pk=first_key.id).update(description="by hand")

    _, _, file = make(f"subject/api-key/{first_key.id}")

    changes = json.loads(file)["case_file"]["changes"]
    kinds = [(each["kind"], each["is_direct"]) for each in changes]
    assert kinds == [
        ("row added", False),
        ("API key secret added", False),
        ("row changed", True),
    ]


def test_a_row_added_directly_has_a_case_file_without_attempts(first_key, make, verify):
    row = ApiKey.objects.get()
    row.pk, row.name = uuid7(), "by hand"
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT set_config('audit.command_id', %s, true)", [str(uuid7())])
        row.save(force_insert=True)

    page, _, file = make(f"subject/api-key/{row.pk}")

    content = json.loads(file)["case_file"]
    assert content["attempts"] == []
    assert [(each["kind"], each["is_direct"]) for each in content["changes"]] == [
        ("row added", True)
    ]
    assert "Genuine" in verify(file, page)


def test_the_parts_of_a_subject_and_a_deleted_subject_are_in_case_files(acme, make, verify):
    board = Board(id=uuid7(), tenant=str(acme.pk), name="first")
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT set_config('audit.command_id', %s, true)", [str(uuid7())])
        board.save()
        Card.objects.create(id=uuid7(), board=board, text="a card")
        Board.objects.filter(pk=board.pk).delete()

    page, _, file = make(f"subject/board/{board.pk}")

    content = json.loads(file)["case_file"]
    assert content["attempts"] == []
    kinds = ["row added", "card added", "card removed", "row removed"]
    assert [each["kind"] for each in content["changes"]] == kinds
    assert {each["subject"] for each in content["changes"]} == {f"board:{board.pk}"}
    assert "Genuine" in verify(file, page)


def test_a_command_that_still_waits_is_said_to_be_waiting(waiting, make):
    page, _, _ = make(of_request(waiting))

    assert '<th scope="row">outcome</th><td>waiting for approval</td>' in page
    assert "waited for approval" not in page


@pytest.fixture
def signed(first_key, security, ann, bob, dana, context_of, configure):
    """A function: a request with Ann's vote by a passkey, and one of Bob without.

    The policy does not require signatures.
    """

    def vote():
        configure(BASE_URL=ORIGIN)
        policy("apikeys.disable", group=security, quorum=2)
        request = held(DisableApiKey(api_key_id=first_key.id), context=context_of(dana))
        key = Authenticator()
        registered(ann, key, name="<b>Blue")
        sequence()
        publish_due()
        for person, signature_of_vote in ((ann, signature(request, ann, key)), (bob, "")):
            vote = Approve(
                approval_request_id=request.pk, digest=request.digest, signature=signature_of_vote
            )
            completed(vote, context=context_of(person))
        return request

    return vote


def test_each_vote_shows_whether_a_passkey_signed_it(signed, make, configure, tmp_path):
    configure(LOG_DIRECTORIES=(str(tmp_path),), LOG_PUBLISH_EVERY=timedelta(0))

    page, _, _ = make(of_request(signed()))

    text = " ".join(re.sub("<[^>]+>", "", page.replace("<b>Blue", "&lt;b>Blue")).split())
    assert "Signed with the passkey &lt;b>Blue, registered " in text
    assert ", and known outside since " in text
    assert ", before the vote." in text
    assert "Not signed: the vote rests on the signature of the server." in text
    assert "docs/evidence.md" in text
    assert "evidence_verify case-file-" in text


def test_a_passkey_that_was_not_known_outside_is_shown_as_such(signed, make):
    page, _, _ = make(of_request(signed()))

    assert ", and not known outside before the vote." in page
