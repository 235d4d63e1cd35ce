"""New names: every character can be seen."""

import pytest

from audit.messages.exceptions import Invalid
from audit.messages.names import check_name


@pytest.mark.parametrize(
    "name", ["ci", "Zoë", "e\u0301", "日本", "שלום", "ann\u2019s “new” key", "a b", "नमस्ते"]
)
def test_a_name_may_have_any_characters_that_can_be_seen(name):
    check_name(name)


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("a\u200b", "U+200B"),
        ("a\u00adb", "U+00AD"),
        ("a\u202eb", "U+202E"),
        ("\u3164", "U+3164"),
        ("\uffa0", "U+FFA0"),
        ("a\u2800b", "U+2800"),
        ("a\ufe0f", "U+FE0F"),
        ("a\U000e0041", "U+E0041"),
        ("a\u00a0b", "U+00A0"),
        ("a\u3000b", "U+3000"),
        ("a\u2028b", "U+2028"),
        ("a\tb", "U+0009"),
        ("a\ue000", "U+E000"),
        ("a\u0378", "U+0378"),
        ("\u0301", "U+0301"),
        ("a \u0301", "U+0301"),
    ],
)
def test_a_name_with_a_character_that_cannot_be_seen_is_refused_naming_it(name, number):
    with pytest.raises(Invalid) as refused:
        check_name(name, field="group_name")

    (error,) = refused.value.errors
    assert error.field == "group_name"
    assert error.code == "misleading"
    assert number in error.message


@pytest.mark.parametrize("name", [" a", "a ", "a  b", " "])
def test_a_name_has_single_spaces_within_it_only(name):
    with pytest.raises(Invalid, match="space"):
        check_name(name)


def test_a_letter_has_at_most_three_marks():
    check_name("e\u0301\u0302\u0303")

    with pytest.raises(Invalid, match="marks"):
        check_name("e\u0301\u0302\u0303\u0304")
