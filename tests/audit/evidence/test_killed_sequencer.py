"""Sequencers that are killed at any point leave no gap and no fork."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings

from audit.evidence.models import Leaf, SignedCheckpoint
from audit.evidence.sequencing import directories, keys
from tests.servers import environment
from tests.transparency import (
    assert_complete,
    assert_consistent,
    entries_of,
    last_checkpoint,
    root_of,
    sequence,
)

pytestmark = pytest.mark.edge

#: `make soak` kills 200.
KILLS = int(os.environ.get("SEQUENCER_KILLS", "8"))


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
