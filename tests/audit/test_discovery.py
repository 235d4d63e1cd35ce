"""Discovery: declared modules are imported, and a check names the ones that are not."""

import sys

import pytest
from django.apps import AppConfig, apps

from audit import discovery
from audit.bus import handling
from audit.checks import check_discovery
from audit.messages import classes

COMMAND = """
from dataclasses import dataclass
from audit.domain import Command, handles

@dataclass(frozen=True, kw_only=True)
class {name}(Command):
    message_type = "parcels.{verb}"

@handles({name})
def {verb}(command, context):
    return None
"""
# These must not be imported: each ends with an error.
ALIASED = "from audit.domain import handles as carries_out\n@carries_out(X)\ndef f(): ...\nraise"
BY_MODULE = "from audit.bus import handling\n@handling.handles(X)\ndef f(): ...\nraise"
WHOLE = "import audit.domain\n@audit.domain.evolves(X)\ndef f(): ...\nraise"
TWO = "from audit.domain import *\nfrom audit.domain import credential, evolves\n"
TWO += "@credential('x')\n@evolves(X)\ndef f(): ...\nraise"
ELSEWHERE = "from parcels.own import handles\n# audit\n@handles(X)\ndef f(): ...\nraise"
UNREADABLE = "from audit.domain import handles\n@handles({{ command }})\ndef {{ name }}(): ..."
MENTIONED = "from audit.domain import handles\nhandles = '@handles(X)'\nraise"


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Install an app with these files, and remove it after the test."""
    monkeypatch.syspath_prepend(tmp_path)

    def make(files, *, config="class ParcelsConfig(AppConfig):\n    name = 'parcels'"):
        files = {"__init__.py": "", **files}
        files["apps.py"] = f"from django.apps import AppConfig\n{config}"
        for name, text in files.items():
            path = tmp_path / "parcels" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        monkeypatch.setitem(apps.app_configs, "parcels", AppConfig.create("parcels"))
        discovery.import_declarations()

    yield make
    for name in [each for each in sys.modules if each.split(".")[0] == "parcels"]:
        del sys.modules[name]
    for name in [each for each in classes.declared_messages if each.startswith("parcels.")]:
        handling._handlers.pop(classes.declared_messages.pop(name), None)


def handled():
    types = (each.message_type for each in handling.command_classes())
    return {each for each in types if each.startswith("parcels.")}


def test_every_module_of_ours_that_declares_is_imported():
    assert discovery.undiscovered() == []


def test_an_app_that_says_nothing_has_its_handlers_imported(install):
    install({"handlers.py": COMMAND.format(name="Send", verb="send")})

    assert handled() == {"parcels.send"}
    assert check_discovery() == []


def test_an_app_names_the_modules_that_declare_its_handlers(install):
    install(
        {
            "shipping/__init__.py": "",
            "shipping/handlers.py": COMMAND.format(name="Ship", verb="ship"),
            "handlers.py": "raise",
        },
        config="class ParcelsConfig(AppConfig):\n"
        "    name = 'parcels'\n"
        "    declares = ['shipping.handlers']",
    )

    assert handled() == {"parcels.ship"}


@pytest.mark.parametrize(
    ("source", "decorators"),
    [
        (COMMAND.format(name="Lose", verb="lose"), "@handles"),
        (ALIASED, "@handles"),
        (BY_MODULE, "@handles"),
        (WHOLE, "@evolves"),
        (TWO, "@credential, @evolves"),
    ],
)
def test_a_module_that_declares_and_is_not_imported_is_named(install, source, decorators):
    install({"shipping/__init__.py": "", "shipping/later.py": source})

    (problem,) = check_discovery()
    assert problem.id == "audit.E007"
    assert problem.msg == f"parcels.shipping.later uses {decorators}, but nothing imports it."
    assert "'shipping.later'" in problem.hint
    assert handled() == set()


@pytest.mark.parametrize("source", [ELSEWHERE, MENTIONED])
def test_a_decorator_of_the_same_name_from_elsewhere_is_not(install, source):
    install({"later.py": source})

    assert check_discovery() == []


@pytest.mark.parametrize("folder", ["migrations", "tests", "management/commands"])
def test_folders_that_are_not_loaded_with_the_app_are_left_out(install, folder):
    install({f"{folder}/later.py": ALIASED})

    assert check_discovery() == []


def test_a_file_that_is_not_valid_python_does_not_stop_the_check(install):
    install({"template.py": UNREADABLE})

    assert check_discovery() == []
