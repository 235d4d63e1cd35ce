"""The reference of the API: the document, the page that shows it, a client made from it."""

import json
import os
import re
import subprocess
import sys
from functools import partial
from importlib import import_module
from pathlib import Path

import pytest
from django.conf import settings

from audit.rest.openapi.shapes import Shapes
from audit.rest.problems import type_of
from tests.conformance import codes_in, resolved
from tests.serving import serving

DOCUMENT = settings.BASE_DIR / "docs/openapi.json"
BIN = Path(sys.executable).parent


@pytest.fixture(scope="module")
def generated(tmp_path_factory):
    """The package that openapi-python-client makes of the document; a warning is an error."""
    directory = tmp_path_factory.mktemp("generated")
    subprocess.run(
        [
            *(str(BIN / "openapi-python-client"), "generate", "--fail-on-warning"),
            *("--meta", "none", "--path", str(DOCUMENT)),
            *("--output-path", str(directory / "countersign_client")),
        ],
        # It formats what it made with the ruff that it finds.
        env=os.environ | {"PATH": f"{BIN}:{os.environ['PATH']}"},
        check=True,
        capture_output=True,
    )
    sys.path.insert(0, str(directory))
    yield lambda name: import_module(f"countersign_client.{name}")
    sys.path.remove(str(directory))


def test_the_committed_document_matches_the_code(tmp_path):
    written = tmp_path / "openapi.json"

    # The tests have an app of their own, which is no part of the product.
    subprocess.run(
        [
            *(sys.executable, "manage.py", "spectacular", "--format", "openapi-json"),
            *("--validate", "--fail-on-warn", "--file", str(written)),
        ],
        cwd=settings.BASE_DIR,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings"},
        check=True,
    )

    assert json.loads(written.read_text()) == json.loads(DOCUMENT.read_text()), "run: make openapi"


def test_the_document_is_public(client):
    answer = client.get("/api/v2/openapi.json")

    assert answer.status_code == 200
    assert answer["Content-Type"] == "application/json"
    assert answer.json() == json.loads(DOCUMENT.read_text())


def test_every_problem_in_the_document_has_its_page(client):
    document = json.loads(DOCUMENT.read_text())
    operations = (each for path in document["paths"].values() for each in path.values())
    answers = [
        resolved(answer)
        for operation in operations
        for status, answer in operation["responses"].items()
        if status >= "400"
    ]
    codes = {code for answer in answers for code in codes_in(answer["description"])}

    missing = {code for code in codes if client.get(type_of(code)).status_code != 200}

    assert all(codes_in(answer["description"]) for answer in answers)
    assert len(codes) > 50
    assert not missing


def test_the_page_has_no_inline_script_or_style_and_loads_nothing_from_other_hosts(client):
    page = client.get("/api/v2/docs")

    text = page.content.decode()
    addresses = re.findall(r'(?:src|href)="([^"]*)"', text)
    assert addresses
    assert all(address.startswith("/") for address in addresses)
    assert "<style" not in text
    assert not re.search(r"<script[^>]*>[^<]", text)
    assert " style=" not in text
    policy = page["Content-Security-Policy"]
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy


def test_the_page_is_read_only(client):
    assert client.post("/api/v2/docs").status_code == 405


def test_a_type_without_a_json_schema_cannot_be_documented():
    with pytest.raises(TypeError, match="no shape"):
        Shapes(None).schema(tuple[int, ...])


@pytest.mark.edge
def test_a_generated_client_manages_a_key_from_creation_to_deletion(generated, first_key):
    keys = generated("api.api_keys")
    models = generated("models")
    make_client = partial(generated("client").AuthenticatedClient, token=first_key.secret)

    with serving() as address, make_client(address) as client:
        made = of(keys, "create_api_key").sync(
            client=client, body=models.CreateApiKeyInput(name="made by a client")
        )
        reason = models.CommandInput(reason="Größe: 不要")
        tried = of(keys, "disable_api_key").sync(made.id, client=client, dry_run=True)
        disabled = of(keys, "disable_api_key").sync(made.id, client=client, body=reason)
        shown = of(keys, "retrieve_api_key").sync(made.id, client=client)
        again = of(keys, "disable_api_key").sync(made.id, client=client)
        listed = of(keys, "list_api_keys").sync(client=client, limit=1, fields="id,name")
        deleted = of(keys, "delete_api_key").sync(made.id, client=client, body=reason)

    assert isinstance(made, models.ApiKeyWithSecret)
    assert made.secret.startswith("cs_live_")
    assert isinstance(tried, models.DryRun)
    assert disabled.state == shown.state == "disabled"
    assert deleted.state == "deleted"
    assert again == disabled
    assert [key.name for key in listed.results] == ["made by a client"]


def of(package, name):
    """Find the module of an operation."""
    return import_module(f"{package.__name__}.{name}")
