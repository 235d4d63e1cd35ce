"""The server's processes: `manage.py serve`, killed workers, and orderly ends."""

import signal

from tests.edge.client import get
from tests.edge.servers import is_alive


def test_serve_responds_and_ends_with_all_its_processes(serve):
    server = serve()
    processes = server.processes()

    server.process.send_signal(signal.SIGTERM)
    code = server.process.wait(20)

    assert code == 0
    assert processes
    assert [pid for pid in processes if is_alive(pid)] == []
    assert get(server.port, "/edge/echo") == "ConnectionRefusedError"
