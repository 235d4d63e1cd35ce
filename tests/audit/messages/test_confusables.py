"""Names that are confusable with each other."""

import random
import re
import unicodedata

import pytest

from audit.messages.confusables import confusable_with, pattern_of


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("ci", "ci"),
        ("ci", "CI"),
        ("modern", "rnodern"),
        ("Acme", "Acrne"),
        ("paypal", "\u0440\u0430\u0443\u0440\u0430l"),
        ("Security", "S\u0435curity"),
        ("key-O", "key-0"),
        ("key-o", "key-0"),
        ("CI", "Cl"),
        ("CI", "c1"),
        ("l1I|", "IIll"),
        ("PAYPAL", "paypal"),
        ("Zoë", "Zoe\u0308"),
        ("a\u200bb", "ab"),
        ("\uff41cme", "acme"),
        ("\U0001d41acme", "acme"),
        ("a  b", "a b"),
    ],
)
def test_names_that_look_alike_or_differ_only_in_case_are_confusable(name, other):
    assert confusable_with(name)(other)
    assert confusable_with(other)(name)
    assert re.search(pattern_of([name]), other)
    assert re.search(pattern_of(["x", other]), name)


@pytest.mark.parametrize(
    ("name", "other"),
    [("ci", "cd"), ("first", "second"), ("key-1", "key-2"), ("mail", "mall"), ("Zoë", "Zoe")],
)
def test_other_names_are_not(name, other):
    assert not confusable_with(name)(other)


def test_the_pattern_of_a_name_leaves_out_other_characters_of_ascii():
    names = ["cinema", "modern", "]^-\\[ key", "a b", "\u0440aypal"]

    left_out = {other: not re.search(pattern_of(["Acme"]), other) for other in names}

    assert left_out == dict.fromkeys(names, True) | {"\u0440aypal": True}
    assert re.search(pattern_of(["]^-\\[ key"]), "]^-\\[ KEY")
    assert re.search(pattern_of(["Acme"]), "\u0440\u0430")


def test_skeletons_are_those_of_icu():
    icu = pytest.importorskip("icu")
    from audit.messages.confusables import _skeleton  # noqa: PLC0415

    checker, chance = icu.SpoofChecker(), random.Random(18)
    assigned = [
        chr(code)
        for code in range(0x110000)
        if unicodedata.category(chr(code)) not in ("Cn", "Co", "Cs")
    ]
    for _ in range(20_000):
        text = "".join(chance.choices(assigned, k=chance.randint(1, 8)))
        assert _skeleton(text) == checker.getSkeleton(1, text)
