"""A process whose worker is killed at any point sends one command for each event."""

import os
import subprocess
import sys

import pytest
from django.conf import settings

from apikeys.models import ApiKey
from audit.models.processes import ProcessInstance
from audit.models.records import CommandRecord, EventRecord
from tests.conftest import create_key
from tests.servers import environment

pytestmark = pytest.mark.edge

KILLS = int(os.environ.get("PROCESS_KILLS", "10"))


def test_killed_process_dispatches_once(acme, dana):
    for each in range(6):
        create_key(dana, acme, name=f"key {each}")

    subprocess.run(
        [sys.executable, "-m", "tests.audit.reactions.killed", str(KILLS)],
        cwd=settings.BASE_DIR,
        env=environment(DJANGO_SETTINGS_MODULE="tests.settings"),
        check=True,
        timeout=60 + 10 * KILLS,
    )

    events = EventRecord.objects.filter(message_type="apikeys.disabled")
    sent = CommandRecord.objects.filter(channel="process", status="succeeded")
    caused = [each.causation_id for each in sent]
    assert events.exists()
    assert sorted(caused) == sorted(events.values_list("command_id", flat=True))
    assert all(each.correlation_id == each.causation_id for each in sent)
    states = ProcessInstance.objects.filter(process="test.killed").values_list("state", flat=True)
    assert sum(each["times"] for each in states) == events.count()
    assert not ApiKey.objects.filter(is_enabled=False).exists()
