"""Texts that are stored or documented."""

import pytest

from audit.messages.text import phrase_of


@pytest.mark.parametrize(
    ("status", "phrase"),
    [(200, "OK"), (413, "Request Entity Too Large"), (422, "Unprocessable Entity")],
)
def test_the_phrase_of_a_status_does_not_depend_on_the_version_of_python(status, phrase):
    assert phrase_of(status) == phrase
