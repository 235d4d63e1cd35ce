"""The wheel in a new project with a user model of its own, by the guide in docs/adopt.md alone."""

import os
import re
import shlex
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import psycopg
import pytest
from django.conf import settings

from tests.databases import drop_database
from tests.structure import ROOT

pytestmark = pytest.mark.edge

HOST = Path(__file__).parent / "host"
NAME = f"{settings.DATABASES['owner']['TEST']['NAME']}_host"
ENTRY = """
from django.db import models

class Entry(models.Model):
    text = models.TextField()
"""
CONFIG = """
from django.apps import AppConfig

class OwnConfig(AppConfig):
    name = "crm.audit"
    label = "crm_audit"
"""
BEFORE = """
from django.core.management import call_command
call_command("makemigrations", "audit", verbosity=0)
call_command("migrate", verbosity=0)
from audit.models import Entry
Entry.objects.create()
"""
AFTER = """
from crm.audit.models import Entry
from django.core.management import call_command
call_command("migrate", verbosity=0)
call_command("makemigrations", check_changes=True)
call_command("check", databases=["default"])
print(Entry.objects.count(), "entry")
"""
PRODUCT = (
    *("audit", "approvals", "templates", "docs/evidence_verify.py"),
    *("pyproject.toml", "README.md", "LICENSE"),
)


def run(*arguments, cwd, fails=False, **variables):
    done = subprocess.run(
        arguments,
        cwd=cwd,
        env={"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")} | variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode != 0) is fails, f"{arguments}\n{done.stdout}\n{done.stderr}"
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
        (source / name).parent.mkdir(exist_ok=True)
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
def bare_project(wheel, database, tmp_path):
    """A new project in which only the wheel was unpacked: the checkout is out of reach."""
    run(sys.executable, "-m", "django", "startproject", "shop", ".", cwd=tmp_path)
    zipfile.ZipFile(wheel).extractall(tmp_path / "installed")
    server = {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": NAME,
        "USER": database.user,
        "PASSWORD": database.password,
        "HOST": database.host,
        "PORT": database.port,
        "ATOMIC_REQUESTS": True,
    }
    append(tmp_path / "shop" / "settings.py", f"DATABASES = {{'default': {server!r}}}")
    return tmp_path


@pytest.fixture
def project(bare_project):
    """The project with a user model of its own, and an app whose changes are commands."""
    shutil.copytree(HOST, bare_project, dirs_exist_ok=True)
    append(
        bare_project / "shop" / "settings.py",
        'INSTALLED_APPS += ["accounts", "notes"]',
        'AUTH_USER_MODEL = "accounts.Person"',
        'COUNTERSIGN = {"WEBHOOK_ALLOW_PRIVATE": True}',
        'DEFAULT_AUTO_FIELD = "django.db.models.AutoField"',
    )
    return bare_project


def manage(project, *arguments, fails=False):
    """Run a management command, with the wheel installed behind the project's own modules."""
    path = str(project / "installed")
    program = (sys.executable, "manage.py", *arguments)
    return run(*program, cwd=project, fails=fails, PYTHONPATH=path)


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

    migrate, check, _work, bootstrap, protect = commands()
    manage(project, "makemigrations", "accounts", "notes")
    manage(project, *migrate)
    assert "No changes detected" in manage(project, "makemigrations", "--check", "--dry-run")
    # The table of notes is tracked from the start, and only a request changes it.
    assert "notes_note lacks the trigger audit_track" in manage(project, *check)
    printed = manage(project, *protect)
    assert "ON notes_note FOR EACH" in printed
    assert "GRANT" not in printed
    assert manage(project, *protect, "--apply") == printed
    assert "CREATE" not in manage(project, *protect)
    found = manage(project, *check)
    assert "countersign.W001" in found
    assert "countersign.W004" in found
    assert not re.search(r"audit\.E|lacks", found)
    run(
        *(sys.executable, "story.py", *bootstrap),
        cwd=project,
        PYTHONPATH=str(project / "installed"),
    )


def test_an_app_with_one_of_the_names_is_an_error_with_a_way_out(bare_project, database):
    (statements,) = blocks("sql")
    settings_file = bare_project / "shop" / "settings.py"
    own = bare_project / "audit"
    own.mkdir()
    (own / "__init__.py").touch()
    (own / "models.py").write_text(ENTRY)
    append(settings_file, 'INSTALLED_APPS += ["audit"]')
    manage(bare_project, "shell", "-c", BEFORE)

    in_settings, in_urls = blocks("python")
    append(settings_file, in_settings.replace('    "audit",\n', ""))
    error = manage(bare_project, "check", fails=True)
    assert f"The module audit is {own}/__init__.py, which is not that of Countersign." in error
    assert "“Another app called audit or approvals” in docs/adopt.md" in error

    (bare_project / "crm").mkdir()
    (bare_project / "crm" / "__init__.py").touch()
    own = own.rename(bare_project / "crm" / "audit")
    text = settings_file.read_text().replace('INSTALLED_APPS += ["audit"]\n', "")
    settings_file.write_text(f'{text}INSTALLED_APPS += ["audit", "crm.audit"]\n')
    urls = bare_project / "shop" / "urls.py"
    append(urls, in_urls)
    urls.write_text(urls.read_text().replace("import path", "import include, path"))
    error = manage(bare_project, "check", fails=True)
    assert f"The app crm.audit in {own} has the label audit, which is that of an app" in error
    assert "“Another app called audit or approvals” in docs/adopt.md" in error

    (own / "apps.py").write_text(CONFIG)
    assert "(countersign.E008) The migrations of audit" in manage(
        bare_project, "migrate", fails=True
    )
    with psycopg.connect(
        dbname=NAME,
        user=database.user,
        password=database.password,
        host=database.host,
        port=database.port,
    ) as connection:
        connection.execute(statements)
    assert "1 entry" in manage(bare_project, "shell", "-c", AFTER)

    (bare_project / "approvals.py").touch()
    error = manage(bare_project, "check", fails=True)
    assert f"The app approvals in {bare_project} has the label approvals" in error
