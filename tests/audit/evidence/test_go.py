"""Go's own verifier accepts every checkpoint and every record, and refuses what was altered."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from audit.evidence.models import SignedCheckpoint
from audit.evidence.publishing.files import publish
from audit.models.records import CommandRecord, EventRecord
from tests.transparency import last_checkpoint

pytestmark = pytest.mark.edge

# Debian's package golang-golang-x-mod-dev, outside of modules: nothing is downloaded.
LIBRARIES = Path("/usr/share/gocode")
SOURCE = Path(__file__).with_name("verifier.go")


@pytest.fixture(scope="session")
def verify(tmp_path_factory):
    """A function that runs the verifier on a published log and a folder of checkpoints."""
    go = shutil.which("go")
    if go is None or not (LIBRARIES / "src/golang.org/x/mod/sumdb/tlog").exists():
        pytest.skip("no Go here: apt-get install golang-go golang-golang-x-mod-dev")
    home = tmp_path_factory.mktemp("go")
    own = {
        "GOPATH": str(LIBRARIES),
        "GO111MODULE": "off",
        "GOFLAGS": "",
        "GOCACHE": str(home / "cache"),
    }
    subprocess.run(
        [go, "build", "-o", home / "verifier", SOURCE],
        env=os.environ | own,
        check=True,
    )

    def run(log, checkpoints):
        return subprocess.run(
            [home / "verifier", log, checkpoints], capture_output=True, text=True, check=False
        )

    return run


@pytest.fixture
def published(tmp_path, fill_log, configure):
    """A log of 10,000 records in batches of 150, signed by one key, by two, and by the new one."""
    for keys in ({"k1": b"o" * 32}, {"k2": b"n" * 32, "k1": b"o" * 32}, {"k2": b"n" * 32}):
        configure(LOG_KEYS=keys)
        for _ in range(5):
            fill_log(events=699, limit=150)
    log, checkpoints = tmp_path / "log", tmp_path / "checkpoints"
    for _ in publish(last_checkpoint(), log):
        pass
    checkpoints.mkdir()
    for each in SignedCheckpoint.objects.all():
        (checkpoints / str(each.size)).write_text(each.note)
    return log, checkpoints


def altered(path, old, new):
    """Replace bytes in a file, and return its former content."""
    content = path.read_bytes()
    assert old in content
    path.write_bytes(content.replace(old, new, 1))
    return content


def test_go_accepts_every_checkpoint_and_every_record_of_10_000(published, verify):
    log, checkpoints = published

    done = verify(log, checkpoints)

    assert (done.returncode, done.stderr) == (0, "")
    counts = json.loads(done.stdout)
    records = CommandRecord.objects.count() + EventRecord.objects.count()
    assert records >= 10_000
    # The first leaf, and those of the keys: two that begin, and one that ends.
    assert counts["leaves"] == records + 4
    assert counts["checkpoints"] == SignedCheckpoint.objects.count() > 70
    assert counts["signatures"] > counts["checkpoints"]


def test_go_refuses_what_was_altered(published, verify):
    log, checkpoints = published
    entries, tile = log / "tile/entries/003", log / "tile/0/005"
    content = altered(entries, b'"test.filled"', b'"test.killed"')
    assert "is not included" in verify(log, checkpoints).stderr
    entries.write_bytes(content)

    content = tile.read_bytes()
    tile.write_bytes(bytes([content[0] ^ 1]) + content[1:])
    assert verify(log, checkpoints).returncode == 1
    tile.write_bytes(content)

    first = min(checkpoints.iterdir(), key=lambda each: int(each.name))
    content = altered(first, f"\n{first.name}\n".encode(), b"\n1\n")
    assert verify(log, checkpoints).returncode == 1
    first.write_bytes(content)

    assert verify(log, checkpoints).returncode == 0
