"""The log and the histories in the admin: nothing there can be changed."""

import re

import pytest

from apikeys.commands import DisableApiKey
from apikeys.models import ApiKey
from audit.models import CommandRecord
from tests.conftest import completed, create_key


@pytest.fixture
def history(first_key, dana, context_of):
    """Where the history of a key is that was disabled, once."""
    context = context_of(dana, channel="v2", reason="Rotation")
    completed(DisableApiKey(api_key_id=first_key.id), context=context)
    return f"/admin/apikeys/apikey/{first_key.id}/history/"


@pytest.fixture
def globex_key(gus, globex):
    """A key of Globex, which nobody of Acme may see."""
    return create_key(gus, globex, name="globex-main")


def version_of(history):
    return f"{history}{ApiKey.history.earliest('history_id').history_id}/"


def test_a_history_tells_who_changed_what_why_and_by_which_command(history, iris, browser):
    content = browser(iris).get(history).content.decode()

    record = CommandRecord.objects.get(message_type="apikeys.disable")
    assert "dana" in content
    assert "Rotation" in content
    assert re.search(r"Is enabled</span> <del>True</del> → <ins>False</ins>", content)
    assert f"/audit/commands/{record.command_id}" in content


def test_whoever_may_see_a_row_may_see_its_history(history, ann, browser):
    assert not ann.has_perm("apikeys.view_historicalapikey")

    assert browser(ann).get(history).status_code == 200
    assert browser(ann).get(version_of(history)).status_code == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_histories_are_for_reading(history, iris, browser, method):
    client = browser(iris)

    for url in (history, version_of(history)):
        answer = client.generic(method, url, "is_enabled=on", "application/x-www-form-urlencoded")
        assert answer.status_code == 405
        assert answer["Allow"] == "GET, HEAD"
    assert not ApiKey.objects.get().is_enabled
    assert ApiKey.history.count() == 2


def test_nobody_reads_the_history_of_another_customers_row(history, gus, browser):
    gus.is_staff = True
    gus.save()
    client = browser(gus)

    assert client.get(history).status_code == 404
    assert client.get(version_of(history)).status_code == 404


def test_a_version_that_is_none_is_not_found(history, iris, browser):
    assert browser(iris).get(f"{history}zero/").status_code == 404
    assert browser(iris).get("/admin/apikeys/apikey/zero/history/").status_code == 404


def test_a_history_has_no_inline_code(history, iris, browser):
    for url in (history, version_of(history)):
        content = browser(iris).get(url).content.decode()
        assert not re.search(r"<style|\sstyle=|<script(?![^>]* src=)|\son[a-z]+=", content)


def test_auditors_see_the_records_of_their_tenants_only(first_key, globex_key, iris, browser):
    client = browser(iris)

    for name in ("commandrecord", "eventrecord"):
        content = client.get(f"/admin/audit/{name}/").content.decode()
        assert str(first_key.id) in content
        assert str(globex_key.id) not in content


def test_a_record_can_only_be_read(first_key, iris, browser):
    record = CommandRecord.objects.get(message_type="apikeys.create")
    url = f"/admin/audit/commandrecord/{record.pk}/change/"
    client = browser(iris)

    content = client.get(url).content.decode()
    assert "ingerprint" not in content
    assert f"/audit/commands/{record.command_id}" in content
    assert client.post(url, {"reason": "none"}).status_code == 403
    assert client.post("/admin/audit/commandrecord/add/").status_code == 403
