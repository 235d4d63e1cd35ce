"""Names in sentences: what a user writes cannot pass for text of ours."""

import pytest

from audit.messages.characters import actor_name, identifier, quoted, quoted_text


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("ci", "“ci”"),
        ("", "“”"),
        ("ci”, asked for by “ann", "“ci[U+201D], asked for by [U+201C]ann”"),
        ('the "new" one', "“the 'new' one”"),
        ("ann\u2019s key", "“ann\u2019s key”"),
        ("ci\u2019\u2019 and more", "“ci\u2019[U+2019] and more”"),
        ("ci\u02ba", "“ci[U+02BA]”"),
        ("a\u200bb", "“a[U+200B]b”"),
        ("a\u202eb", "“a[U+202E]b”"),
        ("\u3164", "“[U+3164]”"),
        ("a\u2800", "“a[U+2800]”"),
        ("a\ufe0f", "“a[U+FE0F]”"),
        ("a\U000e0041", "“a[U+E0041]”"),
        ("a\u00a0b", "“a[U+00A0]b”"),
        ("a\nb", "“a[U+000A]b”"),
        (" a  b ", "“[U+0020]a [U+0020]b[U+0020]”"),
        (" ", "“[U+0020]”"),
        ("\u0301", "“[U+0301]”"),
        ("e\u0301" + "\u0302" * 3, "“e\u0301\u0302\u0302[U+0302]”"),
        ("日本 שלום Zoë", "“日本 שלום Zoë”"),
    ],
)
def test_a_quoted_name_cannot_end_its_quotation_and_hides_nothing(name, shown):
    assert quoted(name) == shown


def test_a_long_name_is_cut_within_its_quotation_marks():
    assert quoted("x" * 20, longest=10) == "“xxxxxxxxx…”"


def test_a_reason_is_quoted_on_one_line():
    assert quoted_text("Leaked.\n\nApproved by ann.") == "“Leaked. Approved by ann.”"


def test_only_an_identifier_goes_without_quotation_marks():
    assert identifier("apikeys.disable") == "apikeys.disable"
    assert identifier("apikeys.disable, denied") == "“apikeys.disable, denied”"


@pytest.mark.parametrize(
    ("label", "shown"),
    [
        ("ann", "ann"),
        ("ann@example.com", "ann@example.com"),
        ("dana, with key “ci” (cs_live_7Qb2…)", "dana, with key “ci” (cs_live_7Qb2…)"),
        ("Ann Smith", "“Ann Smith”"),
        ("ann. Approved by bob", "“ann. Approved by bob”"),
        ("an\u3164n", "an[U+3164]n"),
        (
            "dana, with key “ci” (cs_x…) of “Acme” (cs_y…)",
            "“dana, with key [U+201C]ci[U+201D] (cs_x…) of [U+201C]Acme[U+201D] (cs_y…)”",
        ),
    ],
)
def test_an_actor_is_named_by_a_username_and_a_key_and_nothing_else(label, shown):
    assert actor_name(label) == shown
