"""One process of the web server: granian, with a worker that handles the requests.

Run as `python -m config.server.process`. The worker is forked once the application is loaded, so a
killed one is replaced at once; if its replacement is killed within seconds, this process exits.
"""

import resource
from importlib import import_module

from django.conf import settings
from granian import Granian
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels

_APPLICATION = "config.asgi:application"
# Connections that the kernel accepts before the worker does.
_BACKLOG = 2048
# Descriptors besides those of connections: databases, logs, bodies on disk.
_OTHER_DESCRIPTORS = 256


def main() -> None:
    import_module(_APPLICATION.partition(":")[0])
    import_module(settings.ROOT_URLCONF)
    _allow_descriptors(settings.WEB_CONNECTIONS + _OTHER_DESCRIPTORS)
    Granian(
        _APPLICATION,
        address=settings.WEB_HOST,
        port=settings.WEB_PORT,
        interface=Interfaces.ASGINL,
        http=HTTPModes.http1,
        websockets=False,
        backlog=_BACKLOG,
        backpressure=settings.WEB_CONNECTIONS,
        http1_settings=HTTP1Settings(header_read_timeout=settings.WEB_HEAD_SECONDS * 1000),
        respawn_failed_workers=True,
        respawn_interval=0,
        workers_kill_timeout=settings.WEB_STOP_SECONDS,
        log_level=LogLevels.warning,
    ).serve()


def _allow_descriptors(number: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < number:
        most = number if hard == resource.RLIM_INFINITY else min(number, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


if __name__ == "__main__":
    main()
