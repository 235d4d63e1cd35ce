"""The wheel in a new project with a user model of its own, by the guide in docs/adopt.md alone."""

import os
import re
import shlex
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from django.conf import settings

from tests.databases import drop_database
from tests.structure import ROOT

pytestmark = pytest.mark.edge

HOST = Path(__file__).parent / "host"
NAME = f"{settings.DATABASES['owner']['TEST']['NAME']}_host"
PRODUCT = ("audit", "approvals", "templates", "pyproject.toml", "README.md", "LICENSE")


def run(*arguments, cwd, **variables):
    done = subprocess.run(
        arguments,
        cwd=cwd,
        env={"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")} | variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{arguments}\n{done.stdout}\n{done.stderr}"
    return done.stdout + done.stderr


def blocks(language):
    """Return the code of the section Install, in its order."""
    section = (ROOT / "docs" / "adopt.md").read_text().split("\n## ")[1]
    assert section.startswith("Install")
    return re.findall(rf"```{language}\n(.*?)```", section, re.DOTALL)


def commands():
    """Return the arguments of each call of manage.py in the guide."""
    text = "".join(blocks("sh")).replace("\\\n", " ")
    return [shlex.split(line)[2:] for line in text.splitlines() if "manage.py" in line]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel, built of a copy of the sources."""
    source = tmp_path_factory.mktemp("source")
    for name in PRODUCT:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, source / name)
    pip = (sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", "dist", ".")
    run(*pip, cwd=source)
    (built,) = (source / "dist").glob("countersign-*.whl")
    return built


@pytest.fixture
def database(owner):
    """An empty database, whose owner serves as well: one role for everything."""
    drop_database(owner, NAME)
    owner.execute(f'CREATE DATABASE "{NAME}"')
    yield owner.info
    drop_database(owner, NAME)


@pytest.fixture
def project(wheel, database, tmp_path):
    """A new project in which only the wheel was unpacked: the checkout is out of reach."""
    run(sys.executable, "-m", "django", "startproject", "shop", ".", cwd=tmp_path)
    zipfile.ZipFile(wheel).extractall(tmp_path / "installed")
    shutil.copytree(HOST, tmp_path, dirs_exist_ok=True)
    server = {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": NAME,
        "USER": database.user,
        "PASSWORD": database.password,
        "HOST": database.host,
        "PORT": database.port,
        "ATOMIC_REQUESTS": True,
    }
    append(
        tmp_path / "shop" / "settings.py",
        'INSTALLED_APPS += ["accounts", "notes"]',
        'AUTH_USER_MODEL = "accounts.Person"',
        'DEFAULT_AUTO_FIELD = "django.db.models.AutoField"',
        f"DATABASES = {{'default': {server!r}}}",
    )
    return tmp_path


def append(path, *lines):
    path.write_text("\n".join([path.read_text(), *lines]))


def test_the_wheel_holds_two_apps_with_all_that_they_need(wheel):
    names = zipfile.ZipFile(wheel).namelist()

    assert {name.split("/")[0] for name in names} == {
        *("audit", "approvals"),
        f"{'-'.join(wheel.name.split('-')[:2])}.dist-info",
    }
    assert {
        *("audit/py.typed", "approvals/py.typed"),
        "audit/templates/audit/search.html",
        "approvals/templates/approvals/request.html",
        "approvals/templates/admin/approvals/approvalrequest/actions.html",
        *("audit/static/audit/countersign.css", "approvals/static/approvals/request.js"),
        *("audit/migrations/0001_initial.py", "approvals/migrations/0001_initial.py"),
        "audit/messages/confusables.txt",
    } <= set(names)


def test_a_project_follows_the_guide(project):
    in_settings, in_urls = blocks("python")
    append(project / "shop" / "settings.py", in_settings)
    urls = project / "shop" / "urls.py"
    append(urls, in_urls)
    urls.write_text(urls.read_text().replace("import path", "import include, path"))

    def manage(*arguments):
        return run(
            *(sys.executable, "manage.py", *arguments),
            cwd=project,
            PYTHONPATH=str(project / "installed"),
        )

    migrate, check, bootstrap, protect = commands()
    manage("makemigrations", "accounts", "notes")
    manage(*migrate)
    assert "No changes detected" in manage("makemigrations", "--check", "--dry-run")
    # The table of notes is tracked from the start, and only a request changes it.
    assert "notes_note lacks the trigger audit_track" in manage(*check)
    printed = manage(*protect)
    assert "ON notes_note FOR EACH" in printed
    assert "GRANT" not in printed
    assert manage(*protect, "--apply") == printed
    assert "CREATE" not in manage(*protect)
    found = manage(*check)
    assert "countersign.W001" in found
    assert "countersign.W004" in found
    assert not re.search(r"audit\.E|lacks", found)
    run(
        *(sys.executable, "story.py", *bootstrap),
        cwd=project,
        PYTHONPATH=str(project / "installed"),
    )
