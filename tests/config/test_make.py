"""The virtual environment that make sets up: complete, or absent with an explanation."""

import os
import shutil
import subprocess
import sys

import pytest

from tests.config.conftest import REPOSITORY

pytestmark = pytest.mark.edge

# As on Debian without python3-venv: Python is there already when ensurepip turns out to be missing.
WITHOUT_ENSUREPIP = f"""#!/bin/sh
if [ "$1" != -m ]; then exec {sys.executable} "$@"; fi
mkdir -p "$3/bin" && ln -s {sys.executable} "$3/bin/python"
echo 'ensurepip is not available' >&2
exit 1
"""
TOO_OLD = "#!/bin/sh\nexit 1\n"


@pytest.fixture
def checkout(tmp_path):
    """A directory with the Makefile, and no requirements."""
    shutil.copy(REPOSITORY / "Makefile", tmp_path)
    (tmp_path / "requirements.txt").touch()
    return tmp_path


@pytest.fixture
def make(checkout):
    def run(*, python=sys.executable):
        return subprocess.run(
            ["make", ".venv/installed", f"PYTHON={python}"],
            cwd=checkout,
            env={name: value for name, value in os.environ.items() if "MAKE" not in name},
            capture_output=True,
            text=True,
            check=False,
        )

    return run


@pytest.fixture
def python_that(tmp_path):
    def write(script):
        program = tmp_path / "python"
        program.write_text(script)
        program.chmod(0o755)
        return program

    return write


@pytest.mark.parametrize("script", [WITHOUT_ENSUREPIP, TOO_OLD])
def test_a_failed_environment_leaves_nothing_and_says_what_to_install(
    make, checkout, python_that, script
):
    ended = make(python=python_that(script))

    assert ended.returncode != 0
    assert "apt install python3-venv" in ended.stderr
    assert "Python 3.11 or" in ended.stderr
    assert not (checkout / ".venv").exists()


def test_an_incomplete_environment_is_recreated(make, checkout):
    # What an earlier version left after a failure, or a signal leaves today.
    half_made = checkout / ".venv" / "bin"
    half_made.mkdir(parents=True)
    (half_made / "python").symlink_to(sys.executable)

    ended = make()

    assert ended.returncode == 0, ended.stderr
    assert (half_made / "pip").exists()
    assert (checkout / ".venv" / "installed").exists()
