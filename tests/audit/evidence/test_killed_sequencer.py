"""Sequencers that are killed at any point leave no gap and no fork."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings

from audit.evidence.models import Leaf, SignedCheckpoint
from audit.evidence.sequencing import directories, keys
from audit.models.records import CommandRecord, EventRecord
from tests.following import write
from tests.servers import environment
from tests.threads import until
from tests.transparency import (
    assert_complete,
    assert_consistent,
    entries_of,
    last_checkpoint,
    leaves_of_records,
    root_of,
    sequence,
)

pytestmark = pytest.mark.edge

#: `make soak` kills 200.
KILLS = int(os.environ.get("SEQUENCER_KILLS", "8"))


def test_a_worker_signs_what_is_recorded_and_ends_on_sigterm(first_key):
    worker = subprocess.Popen(
        [sys.executable, "manage.py", "work", "evidence"],
        cwd=settings.BASE_DIR,
        env=environment(DJANGO_SETTINGS_MODULE="tests.settings"),
    )
    try:
        until(lambda: leaves_of_records() == records())
        write(1)
        until(lambda: leaves_of_records() == records())
        worker.send_signal(signal.SIGTERM)
        code = worker.wait(60)
    finally:
        worker.kill()
        worker.wait()

    assert code == 0
    assert_complete()
    assert_consistent(1)


def records():
    return CommandRecord.objects.count() + EventRecord.objects.count()


def test_200_kills_of_the_sequencer_leave_no_gap_and_no_fork(tmp_path):
    subprocess.run(
        [sys.executable, "-m", "tests.audit.evidence.killed", str(KILLS), str(tmp_path)],
        cwd=settings.BASE_DIR,
        env=environment(DJANGO_SETTINGS_MODULE="tests.settings"),
        check=True,
        timeout=60 + 5 * KILLS,
    )
    kept = directories.newest(Path(tmp_path), log=1, verifiers=keys.verifiers(1))
    sequence()

    assert Leaf.objects.count() > KILLS
    assert SignedCheckpoint.objects.count() > KILLS
    assert_complete()
    assert_consistent(1)
    assert root_of(entries_of(1)) == bytes(last_checkpoint().root)
    stored = SignedCheckpoint.objects.get(log=1, size=kept.size)
    assert bytes(stored.root) == kept.root
