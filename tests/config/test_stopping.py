"""A start that is stopped by a signal: at whatever moment, no server outlives it."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.config.conftest import REPOSITORY

pytestmark = pytest.mark.edge

SECONDS = 90
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def data_are_made(start):
    return bool(list(start.home.glob("postgres/new-*")))


def postgres_starts(start):
    return bool(list(start.home.glob("postgres/data*/postmaster.pid")))


def it_migrates(start):
    return "Preparing" in start.told()


def web_server_starts(start):
    return bool(start.web_servers())


def it_serves(start):
    return "Ctrl-C stops everything." in start.told()


MOMENTS = (data_are_made, postgres_starts, it_migrates, web_server_starts, it_serves)


class Start:
    """`manage.py start` on a port of its own, in an empty directory."""

    def __init__(self, home, *, environment):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.port = str(listener.getsockname()[1])
        self.home = home
        self._output = home / f"output-{self.port}"
        with self._output.open("w") as output:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", "start"],
                cwd=REPOSITORY,
                env=environment | {"DATA_DIR": str(home), "PORT": self.port},
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def told(self):
        return self._output.read_text()

    def wait_until(self, happens):
        end = time.monotonic() + SECONDS
        while not happens(self):
            assert self.process.poll() is None, self.told()
            assert time.monotonic() < end, self.told()
            time.sleep(0.01)

    def web_servers(self):
        serving = [pid for pid, words in command_lines() if "config.server.process" in words]
        return [pid for pid in serving if f"PORT={self.port}" in variables(pid)]

    def servers(self):
        """Return the processes of both servers that are there."""
        return [*self.web_servers(), *processes_in(self.home)]


@pytest.fixture
def start(home, fresh_environment):
    """Start as often as wanted; what a failed test leaves behind ends with it."""
    started = []

    def begin():
        started.append(Start(home, environment=fresh_environment))
        return started[-1]

    yield begin
    for each in started:
        each.process.kill()
        each.process.wait()
        for pid in each.servers():
            os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("number", STOP_SIGNALS, ids=lambda number: number.name)
@pytest.mark.parametrize("moment", MOMENTS, ids=lambda moment: moment.__name__)
def test_a_signal_leaves_no_server_behind(start, moment, number):
    stopped = start()
    stopped.wait_until(moment)

    stopped.process.send_signal(number)
    code = stopped.process.wait(SECONDS)

    assert code in {0, 128 + number}
    assert stopped.servers() == []
    assert "Traceback" not in stopped.told()


def test_two_signals_in_a_row_leave_no_server_behind(start):
    # `timeout 60 make run` sends the same signal through make and to the process group.
    stopped = start()
    stopped.wait_until(web_server_starts)

    stopped.process.send_signal(signal.SIGTERM)
    stopped.process.send_signal(signal.SIGTERM)
    stopped.process.send_signal(signal.SIGHUP)
    stopped.process.wait(SECONDS)

    assert stopped.servers() == []


def test_start_succeeds_after_it_was_interrupted_repeatedly(start):
    for moment in (data_are_made, postgres_starts, it_migrates, web_server_starts):
        stopped = start()
        if moment is not data_are_made:
            stopped.wait_until(moment)
        stopped.process.send_signal(signal.SIGTERM)
        stopped.process.wait(SECONDS)

    last = start()
    last.wait_until(it_serves)
    last.process.send_signal(signal.SIGTERM)

    assert last.process.wait(SECONDS) == 0
    assert last.servers() == []


def test_ctrl_c_in_a_terminal_stops_all_processes_in_order(start):
    stopped = start()
    stopped.wait_until(postgres_starts)

    os.killpg(stopped.process.pid, signal.SIGINT)
    stopped.process.wait(SECONDS)

    assert stopped.servers() == []


def command_lines():
    for process in Path("/proc").glob("[0-9]*"):
        try:
            yield int(process.name), (process / "cmdline").read_text().split("\0")
        except OSError:
            continue


def variables(pid):
    try:
        return Path(f"/proc/{pid}/environ").read_text().split("\0")
    except OSError:
        return []


def processes_in(directory):
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            is_there = (process / "cwd").resolve(strict=True).is_relative_to(directory.resolve())
            is_dead = "State:\tZ" in (process / "status").read_text()
        except OSError:
            continue
        if is_there and not is_dead:
            found.append(int(process.name))
    return found
