"""Entries of leaves, format version 1: a stored format, pinned as literals."""

import json
from datetime import UTC, datetime
from hashlib import sha256

import pytest
from django.db import connection

from audit.evidence import entries, records
from audit.evidence.models import Leaf
from audit.models.records import CommandRecord, EventRecord
from tests.following import write
from tests.transparency import entry_of, sequence

SALT = bytes(range(16))
AT = datetime(2026, 12, 1, 8, 30, 0, 123456, tzinfo=UTC)
VALUES = {
    "position": "42",
    "epoch": 1,
    "xid": "9007199254740993",
    "command_id": "01890a5d-ac96-774b-bcce-b302099a8057",
    "attempt": 1,
    "message_type": "shop.sold",
    "schema_version": 2,
    "data": '{"id": 1, "name": "Zoë"}',
    "subject_type": "item",
    "subject_id": "7",
    "tenant": "",
    "correlation_id": "01890a5d-ac96-774b-bcce-b302099a8057",
    "causation_id": None,
    "id": "01890a5d-ac96-774b-bcce-b302099a8058",
    "number": "3",
    "occurred_at": "2026-12-01T08:30:00.123456Z",
}
ENTRY = (
    '{"attempt":1,"causation_id":null,"command_id":"01890a5d-ac96-774b-bcce-b302099a8057",'
    '"correlation_id":"01890a5d-ac96-774b-bcce-b302099a8057",'
    '"data":"DIGEST","epoch":1,"id":"01890a5d-ac96-774b-bcce-b302099a8058","kind":"event",'
    '"message_type":"shop.sold","number":"3","occurred_at":"2026-12-01T08:30:00.123456Z",'
    '"position":"42","schema_version":2,"subject_id":"DIGEST","subject_type":"item",'
    '"tenant":"DIGEST","version":1,"xid":"9007199254740993"}'
)
# SHA-256 of the entry with its digests.
PINNED = "acc915c1d4e21df048b1a45e890015d693ce981d21f2a035b0b7b43a24896878"


def digest(name):
    return sha256(sha256(SALT + name.encode()).digest() + VALUES[name].encode()).hexdigest()


def test_the_entry_of_an_event():
    found = entries.record_entry("event", list(VALUES.values()), SALT)

    expected = ENTRY
    for name in ("data", "subject_id", "tenant"):
        expected = expected.replace("DIGEST", digest(name), 1)
    assert found == expected.encode()
    assert sha256(found).hexdigest() == PINNED


def test_the_entries_of_a_log_and_of_a_key():
    former = ("x.example/log/1", 2**60, b"\xab" * 32)

    log = entries.log_entry(number=2, origin="x.example/log/2", began_at=AT, former=former)
    key = entries.key_entry(verifier_key="x.example/log/2+00+AQ==", begins=True, at=AT)

    assert log == (
        b'{"began_at":"2026-12-01T08:30:00.123456Z","former_origin":"x.example/log/1",'
        b'"former_root":"' + b"ab" * 32 + b'","former_size":"1152921504606846976","kind":"log",'
        b'"log":2,"origin":"x.example/log/2","version":1}'
    )
    assert key == (
        b'{"at":"2026-12-01T08:30:00.123456Z","begins":true,"kind":"key",'
        b'"verifier_key":"x.example/log/2+00+AQ==","version":1}'
    )


@pytest.mark.parametrize(("kind", "model"), [("command", CommandRecord), ("event", EventRecord)])
def test_every_column_of_a_record_is_in_its_entry_or_left_out_on_purpose(kind, model):
    """A new column is part of the next version of the format: decide, in docs/evidence.md too."""
    columns = {field.column for field in model._meta.concrete_fields}

    assert columns == {*entries.COLUMNS[kind], *entries.LEFT_OUT[kind]}
    assert not entries.COLUMNS[kind].keys() & entries.LEFT_OUT[kind]


@pytest.mark.parametrize("kind", entries.COLUMNS)
def test_the_documentation_has_every_member_and_its_form(kind, settings):
    text = (settings.BASE_DIR / "docs/evidence.md").read_text()

    for name, form in entries.COLUMNS[kind].items():
        assert f"| `{name}` | " in text
        line = next(each for each in text.splitlines() if each.startswith(f"| `{name}` | "))
        assert ("digest" in line) is form.is_digest


def test_values_enter_as_they_are_stored(first_key):
    write(1)
    sequence()

    for leaf in Leaf.objects.filter(kind=Leaf.Kind.COMMAND):
        members = json.loads(entry_of(leaf))
        record = CommandRecord.objects.get(position=leaf.position)
        assert members["command_id"] == str(record.command_id)
        assert members["received_at"] == entries.utc_text(record.received_at)
        assert members["fingerprint"] == bytes(record.fingerprint).hex()
        assert members["duration_us"] == str(record.duration_us)


def test_a_disclosed_value_leads_to_its_digest(first_key):
    sequence()

    leaf = Leaf.objects.filter(kind=Leaf.Kind.COMMAND).first()
    found = records.at_positions("command", [leaf.position])[leaf.position]
    members = json.loads(entry_of(leaf))
    disclosed = entries.disclosed("command", found.values, bytes(leaf.salt))
    assert disclosed["actor_label"].value == "system"
    assert disclosed["idempotency_key"].value is None
    for name, (salt, value) in disclosed.items():
        expected = None if value is None else sha256(salt + value.encode()).hexdigest()
        assert members[name] == expected


TEXT_OF_JSON = (
    '{"b": [1, 2.50, -3e5, 1e-7, true, null], "aa": {}, "é": "\\u0001\\b\\f\\n\\r\\t\\"\\\\\x7f/é"}'
)


def test_postgresql_writes_json_as_the_documentation_says():
    """What the digests of `data` and `decision` are made of is the same in every version."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT %s::jsonb::text", [TEXT_OF_JSON])
        (text,) = cursor.fetchone()

    assert text == (
        '{"b": [1, 2.50, -300000, 0.0000001, true, null], "aa": {},'
        ' "é": "\\u0001\\b\\f\\n\\r\\t\\"\\\\\x7f/é"}'
    )
