"""The published log as files."""

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from audit.evidence import notes
from audit.evidence.models import Publication, SignedCheckpoint
from audit.evidence.witnessing.standings import is_overdue, newest_outside
from tests.tampering import without_triggers
from tests.transparency import Cosigner, last_checkpoint, written


def publish(directory):
    output = StringIO()
    call_command("evidence", "publish", to=directory, stdout=output)
    return output.getvalue()


def files(directory):
    return {
        path.relative_to(directory).as_posix(): path.read_bytes()
        for path in directory.rglob("*")
        if path.is_file()
    }


def test_the_files_are_what_the_server_sends(fill_log, tmp_path):
    fill_log(280)

    said = publish(tmp_path)

    found = files(tmp_path)
    size = last_checkpoint().size
    assert said.endswith(f"{size} leaves, 5 new files.\n")
    assert sorted(found) == [
        "1/checkpoint",
        "1/keys",
        "1/tile/0/000",
        f"1/tile/0/001.p/{size - 256}",
        "1/tile/1/000.p/1",
        "1/tile/entries/000",
        f"1/tile/entries/001.p/{size - 256}",
    ]
    assert {path: Client().get(f"/log/{path}").content for path in found} == found


def test_a_second_run_writes_only_what_is_new(fill_log, tmp_path):
    fill_log()
    publish(tmp_path)
    written = files(tmp_path)

    assert "0 new files" in publish(tmp_path)
    assert files(tmp_path) == written
    fill_log(280)
    publish(tmp_path)

    found = files(tmp_path)
    assert found["1/tile/0/000"].startswith(
        next(content for path, content in written.items() if path.startswith("1/tile/0/"))
    )
    assert not any(path.startswith("1/tile/0/000.p") for path in found)


def test_a_log_that_lost_leaves_is_not_published_again(fill_log, tmp_path, owner):
    fill_log()
    publish(tmp_path)
    kept = files(tmp_path)
    fill_log()
    sizes = [each.size for each in SignedCheckpoint.objects.order_by("size")]
    newer = tmp_path / "newer"
    publish(newer)
    with without_triggers(owner, "audit_signedcheckpoint"):
        owner.execute("DELETE FROM audit_signedcheckpoint WHERE size = %s", [sizes[-1]])

    with pytest.raises(CommandError, match="has leaves that this log does not have"):
        publish(newer)
    publish(tmp_path)
    assert files(tmp_path / "1") == {
        path.removeprefix("1/"): content for path, content in kept.items()
    }


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("", "malformed"),
        ("other.example/log/1\n1\n" + "A" * 43 + "=\n\n— x AAAAAAAAAAAA\n", "another|is of"),
    ],
)
def test_a_directory_of_something_else_is_left_alone(content, problem, fill_log, tmp_path):
    fill_log()
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / "checkpoint").write_text(content, encoding="utf-8")

    with pytest.raises(CommandError, match=problem):
        publish(tmp_path)

    assert files(tmp_path) == {"1/checkpoint": content.encode()}


def test_a_directory_that_cannot_be_written_is_named(fill_log, tmp_path):
    fill_log()
    (tmp_path / "file").write_text("")

    with pytest.raises(CommandError, match="not published"):
        publish(tmp_path / "file")


def test_without_a_log_nothing_is_written(tmp_path):
    assert publish(tmp_path) == ""
    assert files(tmp_path) == {}


def test_the_newest_checkpoint_of_a_witness_is_among_the_files(fill_log, tmp_path):
    witness = Cosigner("witness.example/w1", bytes(32))
    cosigned = fill_log()
    line = str(witness.cosign(notes.parse(cosigned.note).text, at=cosigned.signed_at)).rstrip("\n")
    written(Publication, log=1, size=cosigned.size, destination=witness.name, cosignature=line)
    fill_log()

    publish(tmp_path)

    assert f"\n{cosigned.size}\n" in (tmp_path / "1" / "witnessed").read_text(encoding="utf-8")
    found = files(tmp_path)
    assert {path: Client().get(f"/log/{path}").content for path in found} == found


def test_a_published_checkpoint_counts_as_outside(fill_log, tmp_path):
    checkpoint = fill_log()
    later = timezone.now() + timedelta(days=1)
    assert is_overdue(now=later)

    publish(tmp_path)

    row = newest_outside()
    assert (row.size, row.destination) == (checkpoint.size, str(tmp_path / "1"))
    assert row.attempted_at <= row.accepted_at <= timezone.now()
    assert not is_overdue(now=later)


def test_a_publication_that_fails_is_recorded_with_the_reason(fill_log, tmp_path):
    fill_log()
    (tmp_path / "1").write_text("")

    with pytest.raises(CommandError, match="Log 1 is not published: "):
        publish(tmp_path)

    row = Publication.objects.get()
    assert row.accepted_at is None
    assert "directory" in row.answer


def test_a_process_without_the_keys_publishes_without_a_record(fill_log, tmp_path, configure):
    fill_log()
    configure(LOG_KEYS={"k9": b"9" * 32})
    errors = StringIO()

    call_command("evidence", "publish", to=tmp_path, stdout=StringIO(), stderr=errors)

    assert "The publication cannot be recorded: " in errors.getvalue()
    assert "1/checkpoint" in files(tmp_path)
    assert not Publication.objects.exists()
