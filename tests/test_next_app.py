"""docs/next-app.md: the app that the page builds works, in a copy of this project."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.structure import ROOT

PAGE = (ROOT / "docs/next-app.md").read_text()
_BLOCK = re.compile(r"^`([\w./]+)`\n\n```(python|diff)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
BLOCKS = _BLOCK.findall(PAGE)
COMMANDS = re.findall(r"^python manage\.py (\w+.*)$", PAGE, re.MULTILINE)
COPIED = ("config", "apikeys", "approvals", "audit", "templates", "docs", "tests")
# The page needs none of these.
LEFT_OUT = shutil.ignore_patterns("__pycache__", "browser", "screenshots")


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A copy of this project with the app of the page in it."""
    directory = tmp_path_factory.mktemp("project")
    for folder in COPIED:
        shutil.copytree(ROOT / folder, directory / folder, ignore=LEFT_OUT)
    for name in ("manage.py", "pyproject.toml"):
        shutil.copy(ROOT / name, directory)
    run(directory, "manage.py", *COMMANDS[0].split())
    run(directory, "manage.py", *COMMANDS[0].replace("reminders", "samples").split())
    for name, kind, text in BLOCKS:
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text if kind == "python" else patched(path.read_text(), text))
    return directory


def patched(text, diff):
    """Return the text with the hunks of a diff applied; each must match exactly one place."""
    for hunk in diff.split("@@\n"):
        lines = hunk.splitlines(keepends=True)
        before = "".join(line[1:] or "\n" for line in lines if line[0] in " -")
        after = "".join(line[1:] or "\n" for line in lines if line[0] in " +")
        assert text.count(before) == 1, f"not exactly once:\n{before}"
        text = text.replace(before, after)
    return text


def run(project, *arguments, **environment):
    """Run Python in the copy and return its output; fail the test if it fails."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=project,
        env={**os.environ, "PYTHONPATH": "", "PYTHONDONTWRITEBYTECODE": "1", **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{arguments}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def without_tables(variable):
    """Return the URL of a database without tables, on the same server and with the same role."""
    return urlsplit(os.environ[variable])._replace(path="/postgres").geturl()


@pytest.mark.edge
def test_the_app_of_the_page_works(project):
    empty = {name: without_tables(name) for name in ("DATABASE_URL", "MIGRATION_DATABASE_URL")}
    before_migrate = {**empty, "DJANGO_SETTINGS_MODULE": "config.settings"}

    told = [
        run(project, "manage.py", *command.split(), **before_migrate)
        for command in COMMANDS[1:]
        if command != "migrate"  # the tests below do that
    ]
    name = f"{os.environ.get('TEST_DATABASE', 'test_countersign')}_next_app"
    name += os.environ.get("PYTEST_XDIST_WORKER", "")
    tests = run(
        project, "-m", "pytest", "-q", "-n", "0", "tests/reminders", TEST_DATABASE=name,
        DJANGO_SETTINGS_MODULE="tests.settings", PYTEST_XDIST_WORKER="",
    )  # fmt: skip

    assert "reminders/migrations/0001_initial.py" in told[0]
    assert re.search(r"^reminders\.add +reminders\.handlers\.add_reminder", told[-1], re.MULTILINE)
    assert "4 passed" in tests


@pytest.mark.edge
def test_the_app_of_the_page_fits_the_layers(project):
    run(project, str(Path(sys.executable).with_name("lint-imports")), "--no-cache")
    # Formats the migration, too, as `make format` does.
    run(project, "-m", "ruff", "format", "reminders")
    run(project, "-m", "ruff", "check", "--fix", "reminders")
    run(project, "-m", "ruff", "check", "reminders", "tests/reminders")


@pytest.mark.edge
def test_the_app_of_the_template_works(project):
    settings = "from tests.settings import *\nINSTALLED_APPS += ['samples']\n"
    (project / "with_samples.py").write_text(settings)
    environment = {"DJANGO_SETTINGS_MODULE": "with_samples"}

    run(project, "-m", "ruff", "check", "samples")
    run(project, "-m", "ruff", "format", "--check", "samples")
    made = run(project, "manage.py", "makemigrations", "samples", **environment)
    listed = run(project, "manage.py", "commands", **environment)

    assert "Create model Entry" in made
    assert re.search(r"^samples\.add +samples\.handlers\.add_entry", listed, re.MULTILINE)


def test_the_app_of_the_page_is_under_sixty_lines():
    files = {name: text for name, _, text in BLOCKS if name.startswith("reminders/")}
    lines = [line for text in files.values() for line in text.splitlines() if line.strip()]

    assert len(files) == 5
    assert len(lines) < 60


def test_the_page_names_only_what_is_public():
    assert COMMANDS[-1] == "migrate"
    imported = re.findall(r"^from (audit[\w.]*)", PAGE, re.MULTILINE)
    assert set(imported) == {"audit.domain", "audit.rest"}
