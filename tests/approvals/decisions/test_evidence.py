"""Evidence: one signed file for each request, in which any altered byte is found, offline."""

import base64
import json
import os
from io import StringIO

import pytest
from django.contrib.auth.models import Group
from django.core.management import CommandError, call_command

from apikeys.commands import DisableApiKey
from apikeys.models import ApiKey
from approvals.decisions import evidence
from approvals.models import ApprovalRequest
from approvals.sealing import evidence_files, payloads
from approvals.sealing.evidence_files import NotGenuine
from audit.installation.settings import countersign
from tests.approvals.attacks import attack, forge_record
from tests.conftest import new_approver, policy
from tests.tampering import tamper

# The first test vector of RFC 8032, section 7.1.
SEED = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
PUBLIC_KEY = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
# What the first release wrote: it stays verifiable for ever.
GOLDEN = b"""\
{
  "evidence": {
    "command": {
      "message_type": "apikeys.disable",
      "schema_version": 1,
      "values": {
        "api_key_id": "k"
      }
    },
    "request": {
      "digest": "bfd7562e7d95dbce793209d1a1970c0cdd59d757fc47c1bc46a0cd369ccc5bcd"
    },
    "votes": [
      {
        "counts": true,
        "digest": "bfd7562e7d95dbce793209d1a1970c0cdd59d757fc47c1bc46a0cd369ccc5bcd"
      }
    ]
  },
  "format": "countersign-evidence/1",
  "public_key": "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=",
  "signature": "492NFORVlvvJIx+4KVFDY9FJ2q3ukPJUm4IQEYBswgiPYo0PdepsGogZwLG5n4GkJMgUFsADZpdYCFMKtOr6Ag=="
}
"""  # noqa: E501  # as it was written


@pytest.fixture
def decided(waiting, ann, bob, approve):
    """A request that two approved and that was carried out."""
    approve(waiting, ann, reason="Möglich")
    approve(waiting, bob)
    waiting.refresh_from_db()
    return waiting


@pytest.fixture
def file(decided, tmp_path):
    """The evidence of it, in a file."""
    path = tmp_path / "evidence.json"
    call_command("approvals_evidence", str(decided.pk), out=path, stdout=StringIO())
    return path


def verify(path, **options):
    output = StringIO()
    call_command("approvals_verify", path, stdout=output, **options)
    return output.getvalue()


def published_key():
    output = StringIO()
    call_command("approvals_public_key", stdout=output)
    return output.getvalue().strip()


def test_a_file_that_nobody_touched_is_genuine(file, decided):
    said = verify(file, public_key=published_key())

    assert said.startswith(f"Genuine: apikeys.disable, {decided.pk}.")
    assert "State: executed." in said


def test_without_a_key_one_is_told_to_compare_it(file):
    said = verify(file)

    assert published_key() in said
    assert "Compare this key" in said


def test_it_holds_the_command_the_policy_the_votes_and_what_the_log_tells(file, decided):
    told = json.loads(file.read_bytes())["evidence"]

    assert told["command"] == {
        "message_type": "apikeys.disable",
        "schema_version": 1,
        "values": {"api_key_id": str(ApiKey.objects.get().pk)},
    }
    assert told["requirements"] == decided.requirements
    assert [(v["voter_label"], v["decision"], v["digest"]) for v in told["votes"]] == [
        ("ann", "approve", decided.digest),
        ("bob", "approve", decided.digest),
    ]
    assert all(v["mac"] and v["is_genuine"] and v["counts"] for v in told["votes"])
    assert [(r["message_type"], r["attempt"], r["status"]) for r in told["records"]] == [
        ("apikeys.disable", 1, "postponed"),
        ("approvals.approve", 1, "succeeded"),
        ("apikeys.disable", 2, "succeeded"),
        ("approvals.approve", 1, "succeeded"),
    ]
    assert [e["message_type"] for e in told["events"]] == [
        "approvals.requested",
        "approvals.approved",
        "apikeys.disabled",
        "approvals.approved",
        "approvals.settled",
    ]


def test_it_holds_no_secret(file, first_key):
    text = file.read_text()

    assert first_key.secret not in text
    for key in (*countersign().payload_keys.values(), countersign().evidence_key):
        assert base64.b64encode(key).decode() not in text
        assert key.hex() not in text


def test_any_altered_byte_is_found(decided):
    content = evidence.write(decided)
    key = published_key()

    # A prime step, so that in time every kind of place is met; the last bytes each time.
    places = [*range(0, len(content), 13), *range(len(content) - 130, len(content))]
    for place in places:
        altered = bytearray(content)
        altered[place] ^= 1
        with pytest.raises(NotGenuine):
            evidence_files.verify(bytes(altered), expected_key=key)
        with pytest.raises(NotGenuine):
            evidence_files.verify(bytes(altered), expected_key=None)


@pytest.mark.parametrize(
    "alter",
    [
        lambda text: text + " ",
        lambda text: text[:-1],
        lambda text: text.replace(": ", ":  ", 1),
        lambda text: text.replace("ö", "\\u00f6"),
        lambda text: text.replace('{\n  "evidence"', '{\n  "format": "x",\n  "evidence"', 1),
        lambda text: text[:0],
        lambda text: text[:0] + "[]",
        lambda text: text.replace("countersign-evidence/1", "countersign-evidence/2"),
    ],
)
def test_what_says_the_same_in_another_way_is_found(alter, file):
    file.write_text(alter(file.read_text()))

    with pytest.raises(CommandError, match="is not genuine"):
        verify(file)


def test_what_another_key_signed_is_found(decided):
    forged = evidence_files.write(evidence.gather(decided), seed=os.urandom(32))

    with pytest.raises(NotGenuine, match="an unexpected key"):
        evidence_files.verify(forged, expected_key=published_key())


@pytest.mark.parametrize(
    "alter",
    [
        lambda told: told["command"]["values"].update(api_key_id="another"),
        lambda told: told["votes"][0].update(digest="0" * 64),
    ],
)
def test_not_even_who_has_the_key_signs_what_does_not_fit_together(alter, decided):
    told = evidence.gather(decided)
    alter(told)

    with pytest.raises(NotGenuine, match=r"digest|other content"):
        evidence_files.verify(evidence_files.write(told, seed=SEED), expected_key=None)


def test_verifying_asks_no_database(file, django_assert_num_queries):
    with django_assert_num_queries(0):
        verify(file)


def test_keys_are_those_of_the_standard():
    assert evidence_files.public_key(SEED) == base64.b64encode(PUBLIC_KEY).decode()


def test_a_file_of_the_first_release_is_genuine_and_still_written_like_that():
    verified = evidence_files.verify(GOLDEN, expected_key=base64.b64encode(PUBLIC_KEY).decode())

    assert evidence_files.write(verified.evidence, seed=SEED) == GOLDEN


def test_what_lacks_the_parts_of_evidence_is_none():
    with pytest.raises(NotGenuine, match="lacks"):
        evidence_files.verify(evidence_files.write({}, seed=SEED), expected_key=None)


def test_what_cannot_be_loaded_is_said_to_be_so(waiting, owner, monkeypatch):
    command = waiting.command()
    monkeypatch.setattr(DisableApiKey, "message_type", "apikeys.forgotten")
    sealed, forgotten = payloads.seal(command, waiting.binding), payloads.digest(command)
    monkeypatch.undo()
    tamper(owner, waiting, payload=sealed.payload, seal=sealed.seal, digest=forgotten)

    verified = evidence_files.verify(evidence.write(waiting), expected_key=None)

    assert verified.evidence["command"] is None
    assert "unknown to this version" in verified.evidence["problem"]


def refuses(request):
    """Assert that the evidence is not signed; return the reason."""
    request = ApprovalRequest.objects.get(pk=request.pk)
    with pytest.raises(CommandError, match="is not signed") as refusal:
        call_command("approvals_evidence", str(request.pk), stdout=StringIO())
    return str(refusal.value)


def sealed_as(owner, request, **columns):
    """Change columns of a request and seal its row, as only the holder of the key can."""
    for name, value in columns.items():
        setattr(request, name, value)
    request.seal_row()
    tamper(owner, request, **columns, row_seal=request.row_seal)


def test_an_altered_command_is_not_signed(decided, owner):
    tamper(owner, decided, payload=b"\x80\x04N.")

    assert "the held command was altered" in refuses(decided)


def test_a_state_that_was_set_by_sql_is_not_signed(waiting):
    attack(
        "UPDATE approvals_approvalrequest SET state = 'executed', decided_at = now(),"
        " outcome = 'Approved and executed.'"
    )

    assert "the request was altered" in refuses(waiting)


@pytest.mark.parametrize("state", ["executed", "denied", "withdrawn", "expired", "refused"])
def test_a_state_that_the_log_does_not_have_is_not_signed(state, waiting, owner):
    sealed_as(owner, waiting, state=state)

    assert f"the request is {state}, but the log of its command has: no outcome" in refuses(waiting)


def test_a_failure_that_the_log_does_not_have_is_not_signed(waiting, owner):
    sealed_as(owner, waiting, state="failed")

    assert "the log has no failure" in refuses(waiting)


def test_an_outcome_that_only_the_log_has_is_not_signed(waiting):
    forge_record(waiting, status="succeeded")

    assert "the request is pending, but the log of its command has: succeeded" in refuses(waiting)


def test_an_execution_without_its_votes_is_not_signed(decided, owner):
    with owner.transaction():
        owner.execute("ALTER TABLE approvals_vote DISABLE TRIGGER USER")
        owner.execute("UPDATE approvals_vote SET comment = 'x'")
        owner.execute("ALTER TABLE approvals_vote ENABLE TRIGGER USER")

    assert "the votes do not meet its requirements" in refuses(decided)


def test_what_was_signed_although_it_contradicts_itself_does_not_verify(waiting, owner, tmp_path):
    """As an earlier version signed it."""
    sealed_as(owner, waiting, state="executed")
    file = tmp_path / "evidence.json"
    seed = countersign().evidence_key
    file.write_bytes(evidence_files.write(evidence.gather(waiting), seed=seed))

    with pytest.raises(CommandError, match="contradicts itself: the request is executed"):
        verify(file)


def test_the_evidence_of_a_request_that_waits_or_was_denied_is_signed(waiting, ann, deny):
    assert evidence.write(waiting)

    deny(waiting, ann)

    assert evidence.write(ApprovalRequest.objects.get())


def test_a_request_that_is_not_there_has_no_evidence():
    with pytest.raises(CommandError, match="There is no approval request"):
        call_command("approvals_evidence", "01890a5d-ac96-774b-bcce-b302099a8057")


def test_a_file_that_is_not_there_is_no_traceback(tmp_path):
    with pytest.raises(CommandError, match="cannot be read"):
        verify(tmp_path / "none.json")


def test_it_has_what_was_required_at_execution_and_by_whose_votes_that_was_met(
    waiting, ann, bob, acme, approve, tmp_path
):
    approve(waiting, ann)
    legal = Group.objects.create(name="Legal")
    # Ann belongs to both groups, and voted before Legal was asked.
    ann.groups.add(legal)
    carol = new_approver("carol", acme, groups=waiting_groups(waiting))
    policy("apikeys.*", group=legal, quorum=1)
    approve(waiting, bob)
    approve(waiting, carol)
    path = tmp_path / "evidence.json"

    call_command("approvals_evidence", str(waiting.pk), out=path, stdout=StringIO())

    assert "State: executed." in verify(path, public_key=published_key())
    told = json.loads(path.read_bytes())["evidence"]
    rules = told["effective_requirements"]["rules"]
    assert [(each["group"], each["quorum"]) for each in rules] == [("Security", 2), ("Legal", 1)]
    assert told["requirements"] == waiting.requirements


def waiting_groups(request):
    return Group.objects.filter(pk__in=[each["group_id"] for each in request.requirements["rules"]])


@pytest.mark.parametrize("approvers", [[], [9]])
def test_it_is_not_written_if_the_votes_do_not_meet_what_was_required_at_execution(
    approvers, decided
):
    gathered = evidence.gather(decided)
    (record,) = [each for each in gathered["records"] if each["attempt"] == 2]
    record["decision"]["requirements"]["rules"] += [
        {"id": "group:9", "group": "Legal", "group_id": 9, "quorum": 1}
    ]
    record["decision"]["approvers"]["group:9"] = approvers

    assert evidence.problems_of(decided, gathered) == [
        "the request is executed, but the votes do not meet its requirements"
    ]
