"""Payloads: sealed to their row, pinned to the byte, opened with suspicion."""

import base64
import os
import pickle
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Literal
from uuid import UUID

import pytest

from approvals.sealing import payloads
from approvals.sealing.payloads import Binding, Sealed
from audit.installation.settings import countersign
from audit.messages import catalog
from audit.messages.classes import Command
from audit.messages.exceptions import Invalid

BINDING = Binding(
    request_id="r",
    command_id="c",
    requester_kind="user",
    requester_id="1",
    requester_person="1",
    subject_type="api-key",
    subject_id="k",
    subject_number=1,
    policy_digest="p",
    approve_by="2026-12-01T00:00:00+00:00",
)


SOME_ID = UUID("01890a5d-ac96-774b-bcce-b302099a8057")


@dataclass(frozen=True, kw_only=True)
class EveryType(Command):
    """Hold one value of every type that a command may have."""

    message_type = "test.every_type"
    schema_version = 3
    aliases = ("test.every_kind",)

    a_bool: bool = True
    an_int: int = -7
    a_float: float = 0.25
    a_text: str = "Größe 漢字"
    a_uuid: UUID = SOME_ID
    a_decimal: Decimal = Decimal("1.10")
    a_moment: datetime = datetime(2026, 7, 1, 12, tzinfo=timezone(timedelta(hours=2)))
    a_day: date = date(2026, 7, 1)
    a_while: timedelta = timedelta(hours=1, microseconds=5)
    a_choice: Literal["live", "test"] = "live"
    a_list: tuple[UUID, ...] = (SOME_ID,)
    a_map: dict[str, int] | None = None


# What the first release stored: it stays as it is, for ever.
GOLDEN = Sealed(
    base64.b64decode(
        "gASVngEAAAAAAACMD3Rlc3QuZXZlcnlfdHlwZZRLA32UKIwGYV9ib29slIiMBmFuX2ludJRK+f///4wHYV9mbG9h"
        "dJRHP9AAAAAAAACMBmFfdGV4dJSMDkdyw7bDn2Ug5ryi5a2XlIwGYV91dWlklIwEdXVpZJSMBFVVSUSUk5QpgZR9"
        "lIwDaW50lIoQV4CaCQKzzrxLd5asXQqJAXNijAlhX2RlY2ltYWyUjAdkZWNpbWFslIwHRGVjaW1hbJSTlIwEMS4x"
        "MJSFlFKUjAhhX21vbWVudJSMCGRhdGV0aW1llIwIZGF0ZXRpbWWUk5RDCgfqBwEKAAAAAACUaBaMCHRpbWV6b25l"
        "lJOUaBaMCXRpbWVkZWx0YZSTlEsASwBLAIeUUpSFlFKUhpRSlIwFYV9kYXmUaBaMBGRhdGWUk5RDBAfqBwGUhZRS"
        "lIwHYV93aGlsZZRoHUsATRAOSwWHlFKUjAhhX2Nob2ljZZSMBGxpdmWUjAZhX2xpc3SUaAopgZR9lGgNihBXgJoJ"
        "ArPOvEt3lqxdCokBc2KFlIwFYV9tYXCUTnWHlC4="
    ),
    "golden:631a2b7423e6b6549bf0e2f2feb9b72606f07bdf2c270d2547512e2aa16b50e0",
)
GOLDEN_DIGEST = "5252782730f44e9a637fd38a75374abc7850e3b810751f6177a3b5ef9d17606c"


@catalog.upcasts("test.every_type", from_version=1)
def add_a_choice(data):
    return {**data, "a_choice": "test"}


@catalog.upcasts("test.every_type", from_version=2)
def rename_the_text(data):
    return {"a_text": data.pop("text"), **data}


def resealed(content, binding=BINDING, protocol=4):
    """Seal whatever content with our own key, as somebody who has it could."""
    payload = pickle.dumps(content, protocol=protocol)
    return Sealed(payload, payloads.sign(payloads._bound(payload, binding)))


def opened(sealed, binding):
    return payloads.unseal(sealed, binding).command


def test_every_type_of_field_survives():
    command = EveryType(a_map={"one": 1})

    assert opened(payloads.seal(command, BINDING), BINDING) == command


def test_the_bytes_of_a_payload_are_pinned(configure):
    configure(PAYLOAD_KEYS={"golden": b"g" * 32})

    assert payloads.seal(EveryType(), BINDING) == GOLDEN


def test_a_payload_of_the_first_release_still_loads(configure):
    configure(PAYLOAD_KEYS={"new": b"n" * 32, "golden": b"g" * 32})

    assert opened(GOLDEN, BINDING) == EveryType()


@pytest.mark.parametrize("bit", range(0, 8 * 40, 13))
def test_a_flipped_bit_is_found(bit):
    sealed = payloads.seal(EveryType(), BINDING)
    altered = bytearray(sealed.payload)
    altered[bit // 8] ^= 1 << bit % 8

    with pytest.raises(payloads.Altered):
        opened(replace(sealed, payload=bytes(altered)), BINDING)


@pytest.mark.parametrize("field", list(Binding.__dataclass_fields__))
def test_a_payload_is_good_in_its_own_row_only(field):
    sealed = payloads.seal(EveryType(), BINDING)
    elsewhere = replace(BINDING, **{field: 2 if field == "subject_number" else "another"})

    with pytest.raises(payloads.Altered):
        opened(sealed, elsewhere)


@pytest.mark.parametrize("length", [0, 1, 10, 100])
def test_a_truncated_payload_is_refused(length):
    sealed = payloads.seal(EveryType(), BINDING)

    with pytest.raises(payloads.Altered):
        opened(replace(sealed, payload=sealed.payload[:length]), BINDING)


def test_an_oversized_payload_is_refused_before_anything_else_is_looked_at():
    with pytest.raises(payloads.TooLarge):
        opened(Sealed(b"x" * (payloads.LARGEST_PAYLOAD + 1), "k1:00"), BINDING)


def test_a_command_too_large_to_hold_is_refused():
    with pytest.raises(Invalid, match="at most"):
        payloads.seal(EveryType(a_text="x" * payloads.LARGEST_PAYLOAD), BINDING)


class _Gadget:
    def __reduce__(self):
        return os.system, ("touch /tmp/countersign-was-here",)


@pytest.mark.parametrize(
    "content",
    [
        _Gadget(),
        ("test.every_type", 3, {"a_text": _Gadget()}),
        ("test.every_type", 3, {"a_text": getattr}),
        ("test.every_type", 3, {"a_text": EveryType()}),
    ],
)
def test_a_gadget_is_refused_even_with_a_good_seal(content):
    with pytest.raises(payloads.ForbiddenContent):
        opened(resealed(content), BINDING)


@pytest.mark.parametrize(
    "content", ["text", ("one", "two"), ("test.every_type", "3", {}), ("a", 1, []), None]
)
def test_content_of_another_shape_is_refused(content):
    with pytest.raises(payloads.Unfitting):
        opened(resealed(content), BINDING)


def test_a_sealed_pickle_that_breaks_off_is_refused():
    payload = payloads.seal(EveryType(), BINDING).payload[:-5]
    sealed = Sealed(payload, payloads.sign(payloads._bound(payload, BINDING)))

    with pytest.raises(payloads.Unfitting):
        opened(sealed, BINDING)


def test_an_unknown_type_is_refused():
    with pytest.raises(payloads.UnknownCommand):
        opened(resealed(("test.never_heard_of", 1, {})), BINDING)


def test_an_event_is_no_command():
    event = {"api_key_id": UUID(int=1)}

    with pytest.raises(payloads.UnknownCommand):
        opened(resealed(("apikeys.enabled", 1, event)), BINDING)


def test_the_constructor_checks_what_is_loaded():
    with pytest.raises(payloads.Unfitting):
        opened(resealed(("test.every_type", 3, {"an_int": "seven"})), BINDING)


def test_a_command_that_was_renamed_or_gained_a_field_still_loads():
    old = {"a_text": "x"}

    renamed = opened(resealed(("test.every_kind", 3, old)), BINDING)
    lifted = opened(resealed(("test.every_type", 1, {"text": "x"})), BINDING)

    assert renamed.a_text == "x"
    assert (lifted.a_text, lifted.a_choice) == ("x", "test")


def test_the_digest_of_what_is_sealed_outlives_a_change_of_its_class(monkeypatch):
    command = EveryType(a_map={"one": 1})
    sealed, approved = payloads.seal(command, BINDING), payloads.digest(command)
    monkeypatch.setattr(EveryType, "schema_version", 4)

    assert payloads.unseal(sealed, BINDING).digest == approved
    assert payloads.digest(command) != approved


def test_payloads_outlive_a_rotation_of_the_key(configure):
    sealed = payloads.seal(EveryType(), BINDING)
    old = dict(countersign().payload_keys)

    configure(PAYLOAD_KEYS={"k2": b"n" * 32, **old})
    assert opened(sealed, BINDING) == EveryType()
    assert payloads.seal(EveryType(), BINDING).seal.startswith("k2:")

    configure(PAYLOAD_KEYS={"k2": b"n" * 32})
    with pytest.raises(payloads.Altered):
        opened(sealed, BINDING)


def test_the_digest_is_that_of_the_values_and_pinned():
    assert payloads.digest(EveryType()) == GOLDEN_DIGEST
    assert payloads.digest(EveryType(an_int=8)) != payloads.digest(EveryType())
