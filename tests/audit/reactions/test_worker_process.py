"""`manage.py work` as a process of its own compares rows, history and events, and stops in time."""

import signal
import subprocess
import sys

import pytest
from django.conf import settings

from audit.models.processes import ProcessTimer
from audit.models.records import CommandRecord
from tests.processes import let_timers_be_due
from tests.servers import environment
from tests.threads import until

pytestmark = pytest.mark.edge


def test_a_worker_detects_drift_and_ends_on_sigterm(first_key):
    worker = subprocess.Popen(
        [sys.executable, "manage.py", "work", "audit.drift"],
        cwd=settings.BASE_DIR,
        env=environment(DJANGO_SETTINGS_MODULE="tests.settings"),
    )
    try:
        until(ProcessTimer.objects.filter(step="detect_drift").exists)
        let_timers_be_due()
        recorded = CommandRecord.objects.filter(message_type="audit.record_drift")
        until(recorded.exists)
        worker.send_signal(signal.SIGTERM)
        code = worker.wait(60)
    finally:
        worker.kill()
        worker.wait()

    assert (code, recorded.get().actor_label) == (0, "process:audit.drift")
    assert ProcessTimer.objects.get().failures == 0
