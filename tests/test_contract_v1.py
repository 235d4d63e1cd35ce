"""The frozen contract of version 1: recorded pairs of requests and answers, byte by byte."""

from pathlib import Path

import pytest

from approvals.models import ApprovalRequest
from tests.conftest import approved, create_key, policy
from tests.contracts.exchanges import Names, play

STORIES = sorted((Path(__file__).parent / "contracts" / "v1").glob("*.json"))


@pytest.fixture
def names(first_key, gus, globex):
    """The keys that stories call with, and another customer's."""
    theirs = create_key(gus, globex, name="theirs")
    return Names(
        {
            "<key:dana>": first_key.secret,
            "<id:first>": str(first_key.id),
            "<prefix:first>": first_key.row.prefix,
            "<key:gus>": theirs.secret,
            "<id:theirs>": str(theirs.id),
        }
    )


@pytest.mark.parametrize("path", STORIES, ids=lambda path: path.stem)
def test_every_answer_is_the_recorded_one(path, client, names, security, ann, bob):
    if path.stem.startswith("held"):
        policy("apikeys.create", group=security, quorum=2)
        policy("apikeys.disable", group=security, quorum=2)

    play(path, client=client, names=names)


def test_a_held_creation_gets_the_id_that_was_told(client, names, security, ann, bob):
    policy("apikeys.create", group=security, quorum=2)
    path = next(path for path in STORIES if path.stem == "held-create")
    play(path, client=client, names=names)

    request = approved(ApprovalRequest.objects.first(), ann, bob)

    assert request.subject_id == names.values["<id:1>"]


def test_a_changed_byte_is_seen(client, names, tmp_path):
    path = next(path for path in STORIES if path.stem == "create")
    changed = tmp_path / path.name
    changed.write_text(path.read_text().replace("201", "200", 1))

    with pytest.raises(AssertionError):
        play(changed, client=client, names=names)
