"""The machine of the measurement."""

import os
import platform
from datetime import UTC, datetime
from pathlib import Path

from django.db import connection


def machine() -> dict[str, str]:
    """Describe the machine and what runs on it, without its name."""
    return {
        "measured at": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "processor": f"{_processor()}, {os.cpu_count()} cores",
        "memory": f"{_memory_gb():.0f} GB",
        "load before": f"{os.getloadavg()[0]:.1f}",
        "system": f"{platform.system()} {platform.release().partition('-')[0]}",
        "Python": platform.python_version(),
        "PostgreSQL": _setting("server_version"),
        "fsync": _setting("fsync"),
        "synchronous_commit": _setting("synchronous_commit"),
        "connected by": "a Unix socket" if _is_socket() else "TCP",
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _memory_gb() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30


def _setting(name: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting(%s)", [name])
        return str(cursor.fetchone()[0])


def _is_socket() -> bool:
    return str(connection.settings_dict["HOST"]).startswith("/")
