"""Packages from npm, in the versions that a package-lock.json pins by their hashes.

They are installed into a folder of their own, and are never part of this repository.
"""

import shutil
import subprocess
from pathlib import Path

HOW_TO_GET_IT = "no npm here: apt-get install npm"
_PINNED = ("package.json", "package-lock.json")
_QUIET = ("--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")


def install(pinned: Path, directory: Path) -> bool:
    """Install what the files of a folder pin, unless that is done; return False without npm."""
    npm = shutil.which("npm")
    if npm is None:
        return False
    lock = (pinned / "package-lock.json").read_bytes()
    done = directory / "installed"
    if not done.exists() or done.read_bytes() != lock:
        directory.mkdir(parents=True, exist_ok=True)
        for name in _PINNED:
            shutil.copy(pinned / name, directory)
        subprocess.run([npm, "ci", *_QUIET], cwd=directory, check=True, capture_output=True)
        done.write_bytes(lock)
    return True
