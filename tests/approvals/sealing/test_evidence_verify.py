"""The script for auditors, as they run it: alone, with a file or a published log."""

import base64
import json
import subprocess
import sys
from hashlib import sha256
from io import StringIO
from pathlib import Path
from shutil import rmtree

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from django.core.management import call_command

from approvals.case_files import contents
from approvals.decisions import evidence
from approvals.sealing import evidence_files
from audit.evidence import notes
from audit.evidence.models import Publication, SignedCheckpoint
from audit.evidence.publishing.proofs import proof_file
from audit.evidence.sequencing import keys
from audit.installation.settings import countersign
from audit.messages.classes import Subject
from audit.models.records import CommandRecord, EventRecord
from tests.conftest import actor
from tests.transparency import Cosigner, last_checkpoint, sequence, written

ORIGIN = "https://countersign.example"
SCRIPT = Path(__file__).parents[3] / "docs" / "evidence_verify.py"
WITNESS = Cosigner("witness.example/w1", bytes(range(32)))


@pytest.fixture
def decided(waiting, ann, bob, approve):
    """A request that two approved and that was executed, in the log."""
    approve(waiting, ann, reason="Möglich")
    approve(waiting, bob)
    waiting.refresh_from_db()
    sequence()
    return waiting


@pytest.fixture
def verify(tmp_path):
    """A function that runs the script on content; it returns the status and the output."""

    def run(content, *options):
        path = tmp_path / "file.json"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return execute(path, *options, cwd=tmp_path)

    return run


def execute(path, *options, cwd):
    # Isolated: neither the folder nor the environment lead to our code.
    done = subprocess.run(
        [sys.executable, "-I", SCRIPT, path, *options],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    return done.returncode, done.stdout


def published():
    """Return the options with the published keys."""
    (log_key,) = keys.verifiers(last_checkpoint().log)
    public_key = evidence_files.public_key(countersign().evidence_key)
    return ["--public-key", public_key, "--log-key", str(log_key)]


def signed(content):
    """Return evidence that the holder of the server's key signs."""
    return evidence_files.write(content, seed=countersign().evidence_key)


def test_an_evidence_file_is_verified_without_our_code(decided, verify):
    status, output = verify(evidence.write(decided), *published(), "--require-proofs")

    assert status == 0, output
    assert f"Request {decided.pk}: apikeys.disable, executed." in output
    assert "ann: approve, rests on the server's signature." in output
    assert "9 of 9 records are in the log as they are in the file." in output
    assert "only as reliable as the key of the server" in output
    assert output.endswith("Genuine.\n")


def test_without_keys_the_auditor_is_asked_to_compare_them(decided, verify):
    status, output = verify(evidence.write(decided))

    assert status == 0
    assert published()[1] in output
    assert published()[3] in output
    assert output.count("ompare") == 2


def test_a_case_file_is_verified_with_the_evidence_in_it(decided, verify, iris):
    about = Subject(contents.CASE, str(decided.held_record.correlation_id))
    made = contents.make(about, reader=actor(iris))

    status, output = verify(made.file, *published(), "--require-proofs")

    assert status == 0, output
    assert f"Case file of case:{about.id}" in output
    assert f"Request {decided.pk}: apikeys.disable, executed." in output
    assert "9 of 9 records" in output


def test_records_without_a_leaf_yet_are_named(waiting, verify):
    content = evidence.write(waiting)

    status, output = verify(content)

    assert status == 0
    assert "0 of 2 records are in the log" in output
    assert "Without a proof, when the file was made:" in output
    status, output = verify(content, "--require-proofs")
    assert status == 1
    assert "records without a proof" in output


def test_a_proof_file_is_verified(decided, verify):
    records = CommandRecord.objects.filter(message_type="apikeys.disable")
    content = proof_file(records, EventRecord.objects.none())

    status, output = verify(content, *published()[2:])

    assert status == 0, output
    assert f"command apikeys.disable of {decided.command_id} at " in output
    assert ", postponed." in output
    assert ", succeeded." in output


def test_any_altered_byte_is_found(decided, verify, tmp_path):
    content = evidence.write(decided)

    # The middle of each tenth of the file, each in a run of the script.
    for place in range(len(content) // 20, len(content), len(content) // 10):
        altered = bytearray(content)
        altered[place] ^= 1
        status, output = verify(bytes(altered), *published())
        assert (status, output.startswith("NOT GENUINE")) == (1, True)


@pytest.mark.parametrize(
    ("alter", "problem"),
    [
        (lambda e: e["command"]["values"].update(api_key_id="x"), "does not match its command"),
        (lambda e: e["votes"][0].update(digest="0" * 64), "given for other content"),
        (lambda e: e["votes"][0].update(is_genuine=False), "is not genuine"),
        (lambda e: e["votes"][0].update(rules=[]), None),
        (lambda e: e["votes"][1].update(voter_id=e["votes"][0]["voter_id"]), "of one person"),
        (lambda e: e["votes"][0].update(counts=False), "do not meet|without a vote"),
        (lambda e: e["request"].update(state="denied"), "another result"),
        (lambda e: e["records"].pop(0), "no record of the held command"),
        (lambda e: e["records"][0].update(reason="x"), "has another reason in the log"),
        (lambda e: e["records"][0].update(actor_id="1"), "has another actor_id in the log"),
        (lambda e: e["records"][1].pop("reason"), "lacks columns"),
        (lambda e: e["events"][0].update(data={}), "has another data in the log"),
        (lambda e: e["events"][0].update(number=7), "has another number in the log"),
        (lambda e: e["proofs"][0]["leaves"][0]["path"].pop(), "is not in the log"),
        (lambda e: e["proofs"][0]["leaves"][0].update(index=0), "is not in the log"),
        (lambda e: e["proofs"][0].update(checkpoint="x"), "not a signed note"),
        (lambda e: e.pop("votes"), "missing or malformed"),
    ],
)
def test_not_even_the_holder_of_the_key_can_sign_what_is_not_so(alter, problem, decided, verify):
    content = evidence.gather(decided)
    alter(content)

    status, output = verify(signed(content), *published())

    if problem is None:
        # The record of the execution names the approvers of each rule.
        assert status == 0
        return
    assert status == 1, output
    assert any(each in output for each in problem.split("|")), output


def test_another_key_is_refused(decided, verify):
    content = evidence_files.write(evidence.gather(decided), seed=bytes(32))
    other = notes.Signer(last_checkpoint().note.split("\n")[0], bytes(32)).verifier

    assert "an unexpected key" in verify(content, *published())[1]
    assert (
        "not signed with a known key" in verify(evidence.write(decided), "--log-key", str(other))[1]
    )
    assert verify(content, "--log-key", "x")[0] == 1


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b"\xff", b"[" * 100_000, b'{"format": []}'])
def test_what_is_no_file_of_ours_is_refused(content, verify):
    status, output = verify(content)

    assert (status, output.startswith("NOT GENUINE")) == (1, True)


def test_a_missing_file_is_reported(tmp_path):
    path = tmp_path / "missing"
    status, output = execute(path, cwd=tmp_path)

    assert (status, output.startswith(f"NOT VERIFIED: {path} cannot be read")) == (1, True)
    assert "directory of one log" in output


def test_the_cosignature_of_a_witness_is_shown(decided, verify):
    checkpoint = last_checkpoint()
    cosignature = WITNESS.cosign(notes.parse(checkpoint.note).text, at=checkpoint.signed_at)
    written(
        Publication,
        log=checkpoint.log,
        size=checkpoint.size,
        destination="https://witness.example",
        cosignature=str(cosignature).rstrip("\n"),
    )
    content = evidence.write(decided)

    known = verify(content, *published(), "--witness-key", str(WITNESS.verifier))
    unknown = verify(content, *published())

    assert f"witnessed by witness.example/w1 at {checkpoint.signed_at:%Y-%m-%d %H:%M}" in known[1]
    assert "not verified: witness.example/w1" in unknown[1]


def test_a_given_witness_has_to_have_cosigned(decided, verify, tmp_path):
    option = ["--witness-key", str(WITNESS.verifier)]
    refused = (1, "NOT GENUINE: no checkpoint here has the cosignature of witness.example/w1\n")
    call_command("evidence", "publish", to=tmp_path / "log", stdout=StringIO())
    log, kept = tmp_path / "log" / "1", tmp_path / "kept"
    note = notes.parse((log / "checkpoint").read_text(encoding="utf-8"))
    cosigned = note.with_signatures([WITNESS.cosign(note.text, at=last_checkpoint().signed_at)])
    kept.write_text(str(cosigned), encoding="utf-8")

    assert verify(evidence.write(decided), *published(), *option) == refused
    assert execute(log, *published()[2:], *option, cwd=tmp_path) == refused
    status, output = execute(log, *published()[2:], *option, "--checkpoint", kept, cwd=tmp_path)
    assert status == 0, output


def test_the_key_of_a_witness_is_no_key_of_the_log(decided, verify):
    content = evidence.write(decided)
    log_key = published()[3]

    status, output = verify(
        content, *published()[:2], "--log-key", str(WITNESS.verifier), "--witness-key", log_key
    )

    assert (status, "not signed with a known key of the log" in output) == (1, True)


def without_last(bundle):
    """Return a bundle without its last entry."""
    end = 0
    while (following := end + 2 + int.from_bytes(bundle[end : end + 2])) < len(bundle):
        end = following
    return bundle[:end]


@pytest.mark.parametrize(
    ("name", "alter", "problem"),
    [
        ("tile/entries", lambda content: content + b"\x00\x02{}", "does not have"),
        ("tile/entries", lambda content: content + b"\x00\x00", "does not have"),
        ("tile/entries", lambda content: content + b"\x00", "too short"),
        ("tile/entries", without_last, "does not have"),
        ("tile/entries", lambda _: b"", "does not have"),
        ("tile/0", lambda content: content + bytes(32), "does not have"),
        ("tile/0", lambda content: content + b"\x00", "does not have"),
        ("tile/0", lambda content: content[:-1], "does not have"),
    ],
)
def test_a_published_file_has_exactly_its_leaves(name, alter, problem, decided, tmp_path):
    call_command("evidence", "publish", to=tmp_path / "log", stdout=StringIO())
    log = tmp_path / "log" / "1"
    (tile,) = (log / name).rglob("*.p/*")
    tile.write_bytes(alter(tile.read_bytes()))

    status, output = execute(log, *published()[2:], cwd=tmp_path)

    assert (status, problem in output) == (1, True), output


def test_a_log_without_its_entries_is_not_said_to_have_them(decided, tmp_path):
    call_command("evidence", "publish", to=tmp_path / "log", stdout=StringIO())
    log = tmp_path / "log" / "1"
    rmtree(log / "tile" / "entries")

    status, output = execute(log, *published()[2:], cwd=tmp_path)

    assert (status, "only their hashes were checked" in output) == (0, True)


def test_a_published_log_is_verified_with_the_checkpoints_kept_before(decided, tmp_path):
    call_command("evidence", "publish", to=tmp_path / "log", stdout=StringIO())
    kept = tmp_path / "kept"
    kept.write_text(SignedCheckpoint.objects.earliest("size").note, encoding="utf-8")
    log = tmp_path / "log" / "1"
    options = [*published()[2:], "--checkpoint", kept]

    status, output = execute(log, *options, cwd=tmp_path)

    assert status == 0, output
    assert "consistent with 1 checkpoints" in output
    for name in ("tile/0", "tile/entries"):
        (tile,) = (log / name).rglob("*.p/*")
        content = tile.read_bytes()
        tile.write_bytes(content[:40] + bytes([content[40] ^ 1]) + content[41:])
        assert execute(log, *options, cwd=tmp_path)[0] == 1
        tile.write_bytes(content)
    assert execute(log, *options, cwd=tmp_path)[0] == 0


def test_a_vote_signed_by_a_passkey_is_verified(decided, verify):
    content = evidence.gather(decided)
    key = ec.generate_private_key(ec.SECP256R1())
    sign_vote(content, content["votes"][0], key)

    status, output = verify(signed(content), *published())

    assert status == 0, output
    assert "ann: approve, signed with a passkey." in output
    assert "bob: approve, rests on the server's signature." in output
    for name, value in [("decision", "deny"), ("number", 2), ("digest", "0" * 64)]:
        altered = json.loads(json.dumps(content))
        altered["votes"][0][name] = value
        assert verify(signed(altered), *published())[0] == 1
    sign_vote(content, content["votes"][0], key, flags=1)
    assert "has not signed this vote" in verify(signed(content), *published())[1]
    sign_vote(content, content["votes"][0], ec.generate_private_key(ec.SECP256R1()), registers=key)
    assert "has not signed this vote" in verify(signed(content), *published())[1]
    sign_vote(content, content["votes"][0], key)
    for columns, problem in [
        ({"user_id": content["votes"][1]["voter_id"]}, "not the one that its person registered"),
        ({"witnessed_at": "2999-01-01T00:00:00+00:00"}, "did not count at that time"),
        ({"ended_at": "2026-01-02T00:00:00+00:00"}, "did not count at that time"),
    ]:
        altered = json.loads(json.dumps(content))
        altered["passkeys"][0].update(columns)
        assert problem in verify(signed(altered), *published())[1]
    altered = json.loads(json.dumps(content))
    altered["votes"][0]["assertion"]["origin"] = "https://other.example"
    assert "has not signed this vote" in verify(signed(altered), *published())[1]
    altered = json.loads(json.dumps(content))
    altered["requirements"]["options"]["signed_votes"] = True
    sign_vote(altered, altered["votes"][0], key)
    assert "which the requirements demand" in verify(signed(altered), *published())[1]
    altered = json.loads(json.dumps(content))
    altered["passkeys"] = []
    assert verify(signed(altered), *published())[0] == 0
    for columns in ({"occurred_at": "2999-01-01T00:00:00+00:00"}, {"message_type": "x"}):
        altered = json.loads(json.dumps(content))
        altered["events"][-1].update(columns)
        assert "was not registered before" in verify(signed(altered), *published())[1]


def sign_vote(content, vote, key, *, flags=5, registers=None):
    """Add to evidence the signature of an authenticator over a vote, and its public key."""
    requirements = sha256(
        evidence_files.signed_files.canonical(content["requirements"])
    ).hexdigest()
    challenged = {
        "request": content["request"]["id"],
        "decision": vote["decision"],
        "digest": vote["digest"],
        "requirements": requirements,
        "voter": str(vote["voter_id"]),
        "place": str(vote["delegator_id"] or vote["voter_id"]),
        "number": vote["number"],
        "nonce": "bm9uY2U",
    }
    text = json.dumps(challenged, sort_keys=True, separators=(",", ":"))
    challenge = sha256(b"countersign/vote/v1\n" + text.encode()).digest()
    client = json.dumps(
        {"type": "webauthn.get", "challenge": url_text(challenge), "origin": ORIGIN}
    ).encode()
    data = sha256(b"countersign.example").digest() + bytes([flags]) + bytes(4)
    signature = key.sign(data + sha256(client).digest(), ec.ECDSA(hashes.SHA256()))
    vote["assertion"] = {
        "credential_id": "Y3JlZA",
        "authenticator_data": url_text(data),
        "client_data": url_text(client),
        "signature": url_text(signature),
        "nonce": "bm9uY2U",
        "origin": ORIGIN,
    }
    numbers = (registers or key).public_key().public_numbers()
    cose = b"\xa5\x01\x02\x03\x26\x20\x01\x21\x58\x20" + numbers.x.to_bytes(32)
    cose += b"\x22\x58\x20" + numbers.y.to_bytes(32)
    registered = {
        "credential_id": "Y3JlZA",
        "user_id": vote["voter_id"],
        "public_key": url_text(cose),
    }
    at = "2026-01-01T00:00:00+00:00"
    ends = {"witnessed_at": None, "ended_at": None}
    content["passkeys"] = [registered | {"registered_at": at} | ends]
    named = {"message_type": "approvals.passkey_registered", "occurred_at": at, "data": registered}
    of_passkey = {"subject_type": "passkey", "subject_id": "1", "number": 1}
    is_named = content["events"][-1]["message_type"] == named["message_type"]
    content["events"][-1 if is_named else len(content["events"]) :] = [
        {"position": "0", "command_id": "", **of_passkey, **named}
    ]
    cast = {"status": "succeeded", "actor_person": str(vote["voter_id"])}
    data = {"signature": vote["assertion"]["signature"]}
    record = content["records"][0] | cast | {"position": "0", "command_id": "", "data": data}
    content["records"] = [*(each for each in content["records"] if each["command_id"]), record]


def url_text(value):
    return base64.urlsafe_b64encode(value).decode().rstrip("=")
