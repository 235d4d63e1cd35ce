"""The OpenAPI document in the hands of others: linters, and a client generated for TypeScript."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from django.conf import settings

from apikeys.models import ApiKey
from audit.models.records import CommandRecord
from tests import npm
from tests.serving import serving

pytestmark = pytest.mark.edge

HERE = Path(__file__).parent
DOCUMENT = settings.BASE_DIR / "docs/openapi.json"


@pytest.fixture(scope="module")
def run():
    """A function that runs a program which npm has installed, with the files of this folder."""
    directory = Path(settings.DATA_DIR) / "clients"
    if not npm.install(HERE, directory):
        if os.environ.get("BROWSER_TESTS") == "required":
            pytest.fail(npm.HOW_TO_GET_IT)
        pytest.skip(npm.HOW_TO_GET_IT)
    for name in ("story.ts", "tsconfig.json", "spectral.json"):
        shutil.copy(HERE / name, directory)

    def program(name, *arguments):
        command = name if name == "node" else str(directory / "node_modules/.bin" / name)
        done = subprocess.run(
            [command, *arguments],
            cwd=directory,
            env=os.environ | {"REDOCLY_TELEMETRY": "off"},
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return program


def test_spectral_finds_no_error(run):
    told = run("spectral", "lint", str(DOCUMENT), "--ruleset", "spectral.json")

    assert "No results with a severity of 'error' found!" in told


@pytest.mark.parametrize("rules", ["recommended", "spec"])
def test_redocly_finds_no_error(run, rules):
    run("redocly", "lint", "--extends", rules, str(DOCUMENT))


def test_a_client_generated_for_typescript_manages_a_key(run, first_key):
    run("openapi-typescript", str(DOCUMENT), "--output", "schema.ts")
    run("tsc", "--version")
    run("tsc", "--project", "tsconfig.json")

    with serving() as address:
        told = run("node", "story.js", address, first_key.secret)

    assert told.strip() == "deleted"
    key = ApiKey.objects.get(name="made by a client")
    reasons = CommandRecord.objects.filter(subject_id=str(key.pk)).order_by("position")
    assert list(reasons.values_list("message_type", "status", "reason")) == [
        ("apikeys.create", "succeeded", "To try it"),
        ("apikeys.disable", "succeeded", "不要"),
        ("apikeys.delete", "refused", ""),
        ("apikeys.delete", "succeeded", "Tried"),
    ]
