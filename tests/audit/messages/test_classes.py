"""Messages: plain values under a name that outlives the class."""

from dataclasses import dataclass
from uuid import UUID, uuid4

import pytest
from django.core.exceptions import ImproperlyConfigured

from audit.bus import handling
from audit.messages import catalog
from audit.messages.classes import Command, Event, Subject, SubjectOf, generated, secret
from audit.messages.exceptions import Invalid


@dataclass(frozen=True, kw_only=True)
class PaintShed(Command):
    """Paint a shed."""

    message_type = "test.paint_shed"
    schema_version = 2
    aliases = ("test.paint_bike_shed",)
    subject = SubjectOf("shed", "shed_id")
    sentence = "Paint {subject} in {color}"

    shed_id: UUID = generated()
    color: str
    coats: int = 1
    door_code: str = secret(default="")


@catalog.upcasts("test.paint_shed", from_version=1)
def name_the_color(data):
    return {"color": data.pop("colour"), **data}


def test_a_secret_is_in_no_repr_and_no_record():
    command = PaintShed(color="red", door_code="4711")

    assert "4711" not in repr(command)
    assert "4711" not in str(command.as_json())
    assert command.as_json()["door_code"] == "[redacted]"


def test_what_was_generated_is_no_part_of_what_was_asked_for():
    assert PaintShed(color="red").supplied() == PaintShed(color="red").supplied()
    assert PaintShed(color="red").supplied() != PaintShed(color="blue").supplied()


def test_a_command_names_its_subject_and_says_what_it_would_do():
    shed_id = uuid4()
    command = PaintShed(shed_id=shed_id, color="red")

    assert command.subject_reference() == Subject("shed", str(shed_id))
    assert (
        command.describe("the shed behind the house") == "Paint the shed behind the house in “red”"
    )


def test_every_wrong_field_is_named_at_once():
    with pytest.raises(Invalid) as refusal:
        PaintShed(color=3, coats="two")

    assert {error.field for error in refusal.value.errors} == {"color", "coats"}


def test_stored_data_of_an_old_version_is_lifted():
    stored = {"shed_id": str(uuid4()), "colour": "red", "coats": 2, "door_code": ""}

    command = catalog.restore("test.paint_shed", 1, stored)

    assert (command.color, command.coats) == ("red", 2)


def test_a_renamed_command_is_found_under_its_old_name():
    assert catalog.message_class("test.paint_bike_shed") is PaintShed


def test_a_field_that_is_unknown_or_missing_is_refused():
    with pytest.raises(Invalid) as refusal:
        catalog.restore("test.paint_shed", 2, {"paint": "red"})

    codes = {error.field: error.code for error in refusal.value.errors}
    assert codes == {"paint": "unknown", "color": "required"}


def test_an_unknown_name_and_a_missing_upcaster_are_refused():
    with pytest.raises(catalog.UnknownMessageType):
        catalog.restore("test.never_heard_of", 1, {})
    with pytest.raises(catalog.UnknownMessageType, match="no upcaster"):
        catalog.restore("test.paint_shed", 0, {})


def test_a_name_is_declared_once():
    with pytest.raises(ImproperlyConfigured, match=r"test\.paint_shed"):

        @dataclass(frozen=True, kw_only=True)
        class Impostor(Event):
            message_type = "test.paint_shed"


def test_a_command_has_one_handler():
    handling.handles(PaintShed)(_first)

    with pytest.raises(ImproperlyConfigured, match="twice"):
        handling.handles(PaintShed)(_second)


def _first(command, context):
    """Do nothing."""


def _second(command, context):
    """Do nothing, too."""


@dataclass(frozen=True, kw_only=True)
class SweepRoom(Command):
    """Sweep a room, which is named by text."""

    message_type = "test.sweep_room"
    subject = SubjectOf("room", "room")

    room: str


@pytest.mark.parametrize("room", ["", "a\nb", "a\x1bb", "\u202eb", "x" * 201])
def test_an_id_that_no_url_can_contain_is_refused_by_the_name_of_its_field(room):
    with pytest.raises(Invalid) as refusal:
        SweepRoom(room=room)

    (error,) = refusal.value.errors
    assert (error.field, error.message) == (
        "room",
        "must be one line of 1 to 200 visible characters",
    )


@pytest.mark.parametrize("room", ["7", "north wing/7", "Büro", "x" * 200])
def test_any_other_text_is_an_id(room):
    assert SweepRoom(room=room).subject_reference() == Subject("room", room)
