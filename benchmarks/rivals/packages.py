"""Where the rivals come from."""

import subprocess
import sys
from importlib.metadata import distributions
from pathlib import Path

from config import environment

_PACKAGES = ("djangorestframework-api-key==3.1.0", "django-rest-knox==5.1.0")
_REPOSITORY = Path(__file__).resolve().parent.parent.parent


def make_importable() -> None:
    """Install what is missing into a directory of its own, on the Django that we run on."""
    directory = environment.path("DATA_DIR", default=_REPOSITORY / ".data") / "rivals"
    for package in _PACKAGES:
        if package not in _present(directory):
            sys.stderr.write(f"installing {package} into {directory}\n")
            _install(package, directory)
    sys.path.append(str(directory))


def _present(directory: Path) -> set[str]:
    found = distributions(path=[str(directory)])
    return {f"{each.metadata['Name']}=={each.version}" for each in found}


def _install(package: str, directory: Path) -> None:
    # Without what they depend on: all of it is here, and both must run on the same.
    pip = (sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "install")
    subprocess.run([*pip, "--no-deps", "--target", str(directory), package], check=True)
