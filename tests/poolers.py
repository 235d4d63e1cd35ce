"""A real PgBouncer in front of the test database."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.servers import free_port, program
from tests.threads import until

_PROGRAM = program("pgbouncer")
_SETTINGS = """\
[databases]
* = host={host} port={port} user={user}

[pgbouncer]
unix_socket_dir = {directory}
listen_addr = 127.0.0.1
listen_port = {listen_port}
auth_type = any
pool_mode = {mode}
default_pool_size = {size}
ignore_startup_parameters = options
logfile = {directory}/pgbouncer.log
"""

needs_pgbouncer = pytest.mark.skipif(
    _PROGRAM is None, reason="PgBouncer is not installed: apt install pgbouncer"
)


@contextmanager
def pooling(
    directory: Path, *, host: str, port: str, user: str, mode: str = "transaction", size: int = 3
) -> Iterator[tuple[str, int]]:
    """Run PgBouncer as documented, without tracking of prepared statements.

    Yield the directory of its socket, and its port there and on 127.0.0.1.

    It connects to the database as the user, who needs no password, and drops startup options.
    """
    settings = directory / "pgbouncer.ini"
    listen_port = free_port()
    names = {"host": host, "port": port, "user": user, "mode": mode, "size": size}
    settings.write_text(_SETTINGS.format(directory=directory, listen_port=listen_port, **names))
    # It refuses to run as root, and must enter the directory of the server's socket.
    account = Path(host).stat().st_uid if os.geteuid() == 0 else None
    if account is not None:
        os.chown(directory, account, -1)
    process = subprocess.Popen([_PROGRAM, "-q", settings], user=account, stderr=subprocess.DEVNULL)
    try:
        until((directory / f".s.PGSQL.{listen_port}").exists)
        yield str(directory), listen_port
    finally:
        process.terminate()
        process.wait()
