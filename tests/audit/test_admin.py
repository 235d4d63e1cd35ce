"""The log and the histories in the admin: nothing there can be changed."""

import re

import pytest

from apikeys.commands import DisableApiKey, EnableApiKey, RotateApiKey
from apikeys.models import ApiKey
from approvals.models import Policy
from audit.models.records import CommandRecord, EventRecord
from audit.outside import outside_command
from audit.pages.admin import HistoryAdmin
from tests.audit.reading import queries, rows_returned, statements
from tests.conftest import AUDITOR_PERMISSIONS, completed, create_key, held, member
from tests.tampering import without_triggers

EVERYTHING = (*AUDITOR_PERMISSIONS, "view_policy")


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
    assert re.search(r"is enabled</span> <del>yes</del> → <ins>no</ins>", content)
    assert f"/audit/commands/{record.command_id}" in content


def test_a_user_who_may_see_a_row_may_see_its_history(history, ann, browser):
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


def test_the_history_of_another_customers_row_is_not_found(history, gus, browser):
    gus.is_staff = True
    gus.save()
    client = browser(gus)

    assert client.get(history).status_code == 404
    assert client.get(version_of(history)).status_code == 404


def test_an_unknown_version_is_not_found(history, iris, browser):
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


def test_each_version_tells_what_it_changed_also_the_last_one_on_a_page(
    history, first_key, dana, context_of, iris, browser, monkeypatch
):
    monkeypatch.setattr(HistoryAdmin, "history_list_per_page", 1)

    newest, oldest = (browser(iris).get(history, {"p": page}).content.decode() for page in (1, 2))

    assert re.search(r"is enabled</span> <del>yes</del> → <ins>no</ins>", newest)
    assert "Created" in oldest


def test_a_version_tells_who_why_and_by_which_command_and_leads_to_its_neighbors(
    history, iris, browser
):
    first, second = ApiKey.history.order_by("history_id")
    record = CommandRecord.objects.get(message_type="apikeys.disable")

    content = browser(iris).get(f"{history}{second.pk}/").content.decode()

    assert "dana</a>\n: “Rotation”" in content
    assert "<del>yes</del> → <ins>no</ins>" in content
    assert f'href="/audit/commands/{record.command_id}"' in content
    assert f'href="{history}{first.pk}/" rel="prev"' in content
    assert "This is the newest version." in content


def test_a_version_of_another_row_is_not_found(history, first_key, acme, dana, iris, browser):
    other = create_key(dana, acme, name="other")
    version = ApiKey.history.get(id=other.id)

    assert browser(iris).get(f"{history}{version.pk}/").status_code == 404
    assert browser(iris).get(f"{history}{'9' * 30}/").status_code == 404


def test_a_command_that_is_not_ones_to_see_is_no_link(first_key, globex, gus, iris, ann, browser):
    create_key(gus, globex, name="other")
    with outside_command("Renamed, ticket OPS-9"):
        ApiKey.objects.update(description="renamed")
    history = f"/admin/apikeys/apikey/{first_key.id}/history/"
    outside, created = (
        CommandRecord.objects.get(**by)
        for by in (
            {"channel": "outside", "tenant": ""},
            {"message_type": "apikeys.create", "subject_id": str(first_key.id)},
        )
    )

    by_iris, by_ann = (browser(who).get(history).content.decode() for who in (iris, ann))

    assert str(outside.command_id) in by_iris
    assert f"/audit/commands/{outside.command_id}" not in by_iris
    assert f"/audit/commands/{created.command_id}" in by_iris
    assert "/audit/commands/" not in by_ann


@pytest.mark.parametrize(
    "path",
    [
        "apikeys/apikey/{key}",
        "apikeys/customer/{customer}",
        "approvals/policy/{policy}",
        "approvals/approvalrequest/{request}",
    ],
)
def test_keys_customers_policies_and_requests_have_a_history_for_reading(
    first_key, acme, disabling_needs_two, dana, context_of, browser, path
):
    request = held(DisableApiKey(api_key_id=first_key.id), context=context_of(dana))
    reader = member("rita", acme, permissions=EVERYTHING, is_staff=True)
    names = {
        "key": first_key.id,
        "customer": acme.pk,
        "policy": Policy.objects.get().pk,
        "request": request.pk,
    }
    client, url = browser(reader), f"/admin/{path.format(**names)}/history/"

    content = client.get(url).content.decode()
    version = re.search(r"history/(\d+)/", content)[1]

    assert "Created" in content
    assert client.get(f"{url}{version}/").status_code == 200
    for address in (url, f"{url}{version}/"):
        assert client.post(address).status_code == 405
        assert client.head(address).status_code == 200


def test_a_history_costs_the_same_however_long_it_is(
    history, first_key, dana, context_of, iris, browser
):
    client = browser(iris)
    few = queries(client, history), queries(client, version_of(history))
    for command in (EnableApiKey, DisableApiKey, EnableApiKey):
        completed(command(api_key_id=first_key.id), context=context_of(dana))

    many = queries(client, history), queries(client, version_of(history))

    assert many == few
    assert max(many) <= 16


def test_each_page_of_a_long_history_reads_only_the_versions_that_it_shows(
    first_key, iris, browser, owner
):
    with without_triggers(owner, "apikeys_historicalapikey"):
        owner.execute(
            "INSERT INTO apikeys_historicalapikey SELECT (jsonb_populate_record(h,"
            " jsonb_build_object('history_id', history_id + n, 'history_type', '~',"
            " 'is_enabled', n % 2 = 0, 'history_date', history_date + n * interval '1 minute'))).*"
            " FROM apikeys_historicalapikey AS h, generate_series(1, 5000) AS n"
        )
    owner.execute("ANALYZE apikeys_historicalapikey")
    client, history = browser(iris), f"/admin/apikeys/apikey/{first_key.id}/history/"
    client.get(history)

    pages = [statements(client, f"{history}?p={page}") for page in (1, 51, 101)]

    assert max(map(len, pages)) <= 16
    of_history = [each for page in pages for each in page if '"apikeys_historicalapikey"' in each]
    assert max(map(rows_returned, of_history)) <= 51


def test_the_page_of_a_key_costs_the_same_however_much_was_done_to_it(
    first_key, dana, context_of, iris, browser
):
    client, page = browser(iris), f"/admin/apikeys/apikey/{first_key.id}/change/"
    few = queries(client, page)
    for _ in range(3):
        rotate = RotateApiKey(api_key_id=first_key.id, overlap_seconds=0)
        completed(rotate, context=context_of(dana))

    assert queries(client, page) == few == 11


@pytest.mark.parametrize("model", [CommandRecord, EventRecord])
def test_a_record_is_shown_in_a_few_queries(model, first_key, iris, browser):
    newest = model.objects.filter(subject_id=str(first_key.id)).latest("position")

    shown = f"/admin/audit/{model._meta.model_name}/{newest.pk}/change/"

    assert queries(browser(iris), shown) == 6
