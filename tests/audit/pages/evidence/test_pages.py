"""The transparency log on the pages of a command and the overview, and the proof as a download."""

import json
from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission
from django.utils import timezone

from apikeys.commands import DisableApiKey, EnableApiKey
from audit.evidence import merkle, notes
from audit.evidence.checkpoints import parse_checkpoint
from audit.evidence.models import Leaf, Publication
from audit.evidence.verification.monitor import compare_with_log
from audit.models.records import CommandRecord, EventRecord
from tests.conftest import completed
from tests.tampering import without_triggers
from tests.transparency import Cosigner, last_checkpoint, sequence, verify_inclusion, written

OVERVIEW = "/audit/overview"


@pytest.fixture
def record(first_key):
    completed(DisableApiKey(api_key_id=first_key.id))
    return CommandRecord.objects.latest("position")


@pytest.fixture
def auditor(browser, iris):
    return browser(iris)


def command(record):
    return f"/audit/commands/{record.command_id}"


def accept(checkpoint, *, destination="auditor.example (12345678)", **columns):
    return written(
        Publication,
        log=checkpoint.log,
        size=checkpoint.size,
        destination=destination,
        accepted_at=timezone.now(),
        **columns,
    )


def compare():
    """Compare as a worker does it, at once."""
    parts = compare_with_log()
    while True:
        try:
            next(parts)
        except StopIteration as end:
            completed(end.value)
            return


def text_of(response):
    return " ".join(response.text.split())


def test_a_command_without_a_leaf_says_so(record, auditor):
    assert "none yet" in auditor.get(command(record)).text


def test_a_command_shows_its_leaf_its_checkpoint_and_who_keeps_it(record, auditor, iris):
    sequence()
    checkpoint = last_checkpoint()
    accept(checkpoint, destination="<b>witness.example")
    iris.user_permissions.add(Permission.objects.get(codename="view_every_tenant"))

    page = text_of(auditor.get(command(record)))

    leaf = Leaf.objects.get(position=record.position)
    origin = checkpoint.note.splitlines()[0]
    assert f"{leaf.index} of {origin}" in page
    assert f"{checkpoint.size} leaves, signed" in page
    assert "&lt;b&gt;witness.example, since" in page
    assert f"{command(record)}/proof" in page


def test_a_reader_of_one_customer_does_not_see_who_keeps_it(record, auditor):
    sequence()
    accept(last_checkpoint(), destination="mailto:someone@example.org")

    for url in (command(record), OVERVIEW):
        assert "someone@example.org" not in auditor.get(url).text


def test_the_proof_leads_to_the_checkpoint(record, auditor):
    sequence()

    response = auditor.get(f"{command(record)}/proof")

    assert (
        response["Content-Disposition"] == f'attachment; filename="proof-{record.command_id}.json"'
    )
    (proof,) = json.loads(response.content)["proof"]["proofs"]
    checkpoint = parse_checkpoint(notes.parse(proof["checkpoint"]).text)
    assert checkpoint.size == last_checkpoint().size
    for leaf in proof["leaves"]:
        path = [notes._decoded(each) for each in leaf["path"]]
        assert verify_inclusion(
            merkle.leaf_hash(leaf["entry"].encode()),
            leaf["index"],
            checkpoint.size,
            path,
            checkpoint.root,
        )
    assert [json.loads(leaf["entry"])["message_type"] for leaf in proof["leaves"]] == [
        "apikeys.disable",
        "apikeys.disabled",
    ]


def test_the_proof_uses_the_checkpoint_that_a_witness_has_cosigned(record, auditor, first_key):
    sequence()
    first = last_checkpoint()
    witness = Cosigner("witness.example/w1", bytes(32))
    cosignature = witness.cosign(notes.parse(first.note).text, at=timezone.now())
    accept(first, cosignature=str(cosignature).rstrip("\n"))
    completed(EnableApiKey(api_key_id=first_key.id))
    sequence()

    (proof,) = json.loads(auditor.get(f"{command(record)}/proof").content)["proof"]["proofs"]

    opened = notes.verify(notes.parse(proof["checkpoint"]), [witness.verifier])

    assert [each.name for each in opened.signatures] == ["witness.example/w1"]


def test_another_customers_command_has_no_proof(record, browser, gus):
    assert browser(gus).get(f"{command(record)}/proof").status_code in {302, 403, 404}


def test_the_overview_shows_the_lag_and_the_last_checkpoint_outside(record, auditor, owner):
    assert "No checkpoint yet" in auditor.get(OVERVIEW).text
    sequence()
    page = auditor.get(OVERVIEW).text
    assert "Every record has a leaf." in page
    assert "No checkpoint is kept outside the database." in page

    accept(last_checkpoint())
    page = text_of(auditor.get(OVERVIEW))
    assert f"Newest checkpoint kept outside: {last_checkpoint().size} leaves, accepted" in page

    with without_triggers(owner, "audit_commandrecord"):
        owner.execute(
            "UPDATE audit_commandrecord SET received_at = received_at - interval '2 hours'"
        )
    with without_triggers(owner, "audit_signedcheckpoint"):
        owner.execute("UPDATE audit_signedcheckpoint SET position = 0, xid = '3'")
    assert "The oldest record without a leaf is 2 h" in text_of(auditor.get(OVERVIEW))


def test_the_overview_shows_which_destinations_fail(record, auditor, iris, configure):
    sequence()
    configure(LOG_DIRECTORIES=("/not/mounted",), LOG_PUBLISHED_WITHIN=timedelta(0))
    written(Publication, log=1, size=1, destination="/not/mounted", accepted_at=timezone.now())
    for _ in range(2):
        written(Publication, log=1, size=2, destination="/not/mounted", answer="<b>gone</b>.")

    assert "/not/mounted" not in text_of(auditor.get(OVERVIEW))
    iris.user_permissions.add(Permission.objects.get(codename="view_every_tenant"))
    page = text_of(auditor.get(OVERVIEW))

    assert "failing</span> /not/mounted: &lt;b&gt;gone&lt;/b&gt;. 2 attempts, the next one" in page
    assert "Newer checkpoints have been waiting to be kept outside for too long." in page


def test_the_overview_shows_the_last_comparison(record, auditor, iris, owner):
    sequence()
    assert "Records never compared with their leaves" in text_of(auditor.get(OVERVIEW))
    compare()
    assert ", no differences." in text_of(auditor.get(OVERVIEW))
    with without_triggers(owner, "audit_commandrecord"):
        owner.execute(
            "UPDATE audit_commandrecord SET reason = 'x' WHERE position = %s", [record.position]
        )

    compare()

    confined = text_of(auditor.get(OVERVIEW))
    iris.user_permissions.add(Permission.objects.get(codename="view_every_tenant"))
    page = text_of(auditor.get(OVERVIEW))
    assert "1 difference" in confined
    assert "was altered" not in confined
    assert (
        f"Command record {record.position} (apikeys.disable of command {record.command_id})" in page
    )
    event = EventRecord.objects.get(message_type="audit.log_differs")
    assert event.data["found"] == 1
