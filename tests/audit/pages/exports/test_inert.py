"""Exported text is inert: no formula, escape sequence or reordering of what a reader sees."""

import csv
import io
import json

import pytest

from apikeys.commands import UpdateApiKey
from audit.models.records import CommandRecord
from audit.pages.exports import inert

HARMFUL = "\x1b[31m \x9b31m \x7f \u202e \u2066 \u200b \u2028 \ufeff \U000e0041"


@pytest.mark.parametrize(
    "begins",
    [*"=+-@\uff1d\uff0b\uff0d\uff20\u2212", " =", "\u3000=", "\u00a0@", "\u200b=", "\t=", "\n="],
)
def test_no_cell_begins_a_formula(begins, first_key, dana, act, export):
    act(dana, UpdateApiKey(api_key_id=first_key.id, name="new"), reason=f"{begins}1+1")

    *_, row = csv.DictReader(io.StringIO(export("message_type=apikeys.update", format_name="csv")))

    assert row["reason"].startswith(("'", "[U+", "1"))


@pytest.mark.parametrize("format_name", ["csv", "jsonl", "cloudevents"])
def test_no_character_acts_on_the_program_that_shows_the_file(
    format_name,
    first_key,
    dana,
    act,
    export,
):
    act(dana, UpdateApiKey(api_key_id=first_key.id, name="new"), reason=f"Grün {HARMFUL} 緑")

    text = export("message_type=apikeys.update", format_name=format_name)

    assert not set(text) & set(HARMFUL.replace(" ", "").replace("31m", "").replace("[", ""))
    assert "Grün" in text
    assert "緑" in text


def test_json_has_the_exact_text(first_key, dana, act, export):
    act(dana, UpdateApiKey(api_key_id=first_key.id, name="new"), reason=f"Grün {HARMFUL}")

    row = json.loads(export("message_type=apikeys.update"))
    batch = json.loads(export("message_type=apikeys.update", format_name="cloudevents"))

    reason = CommandRecord.objects.get(message_type="apikeys.update").reason
    assert row["reason"] == batch[0]["data"]["reason"] == reason
    assert "\u202e" in reason


def test_text_without_such_characters_is_not_touched():
    text = b'{"reason": "plain, with \\u0007 escaped"}\n'

    assert inert.in_json(text) is text
    assert inert.in_csv(text, is_json=[False]) is text
