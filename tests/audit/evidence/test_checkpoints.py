import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.evidence.checkpoints import Checkpoint, parse_checkpoint
from audit.evidence.notes import MalformedNote

# The example of the specification.
TEXT = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
CHECKPOINT = Checkpoint(
    "example.com/behind-the-sofa",
    20852163,
    bytes.fromhex("0ac5186a91863e8e1d90c808014aa89bf5da8e3ee1d9f07630f0378f68f1ab62"),
)


def test_the_example_of_the_specification():
    assert parse_checkpoint(TEXT) == CHECKPOINT
    assert str(CHECKPOINT) == TEXT


def test_extension_lines_are_kept():
    checkpoint = parse_checkpoint(f"{TEXT}signed 2026-05-04T12:30:00Z\n")

    assert checkpoint.extensions == ("signed 2026-05-04T12:30:00Z",)
    assert str(checkpoint) == f"{TEXT}signed 2026-05-04T12:30:00Z\n"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        TEXT[:-1],
        TEXT + "\n",
        "\n" + TEXT,
        TEXT.replace("20852163", "020852163"),
        TEXT.replace("20852163", "-1"),
        TEXT.replace("20852163", "٣"),
        TEXT.replace("20852163", "9" * 20),
        TEXT.replace("CsUY", "CsU"),
        TEXT.replace("CsUYapGG", ""),
        TEXT.replace("CsUY", "Cs Y"),
    ],
)
def test_a_malformed_checkpoint_is_refused(text):
    with pytest.raises(MalformedNote):
        parse_checkpoint(text)


@given(st.text())
def test_any_text_is_a_checkpoint_or_malformed(text):
    try:
        parse_checkpoint(text)
    except MalformedNote:
        return
