"""Views as commands: the same responses as before, and what is recorded."""

import json
import re

from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection, transaction
from django.test import Client

from audit.messages.catalog import message_class
from audit.models.records import CommandRecord
from tests.articles.models import Article, Tag
from tests.audit.adoption.conftest import credentials

FORM = "application/x-www-form-urlencoded"
#: What a wrapped view adds to a response, and what differs in every response.
OURS = {"Command-Id", "X-Request-Id", "Date"}
# In the page of a plain Django error.
_TOKEN = re.compile('name="csrfmiddlewaretoken" value="[^"]*"')


def calls(rita, sam):
    """Yield requests, good and bad, each as method, path, body, content type and headers."""
    mine, of_sam = credentials(rita), credentials(sam)
    one = {"slug": "one", "title": "One", "tags": ["a"], "password": "open sesame"}
    for body in (one, one, {}, {"slug": "two", "title": "Two", "tags": ["x"]}, [1], "text", None):
        yield "POST", "articles/", json.dumps(body), "application/json", mine
    yield "POST", "articles/", '{"slug": ', "application/json", mine
    yield "POST", "articles/", "", "application/json", mine
    yield "POST", "articles/", '{"slug": "nul\\u0000", "title": "x"}', "application/json", mine
    yield "POST", "articles/", '{"slug": "big", "title": %s}' % (10**30), "application/json", mine
    yield "POST", "articles/", "slug=form&title=Form&tags=a&tags=b", FORM, mine
    yield "POST", "articles/", "<slug>x</slug>", "application/xml", mine
    yield "POST", "articles/", json.dumps({"slug": "s", "title": "t"}), "application/json", {}
    yield "POST", "articles/", "{}", "application/json", {"Authorization": "Basic x"}
    yield "GET", "articles/", "", "application/json", {}
    yield "PUT", "articles/one/", json.dumps(one | {"title": "1"}), "application/json", mine
    yield "PUT", "articles/one/", "{}", "application/json", mine
    yield "PUT", "articles/none/", json.dumps(one), "application/json", mine
    yield "PUT", "articles/one/", "{", "application/json", mine
    yield "PATCH", "articles/one/", '{"title": "First"}', "application/json", mine
    yield "PATCH", "articles/one/", '{"slug": "form"}', "application/json", mine
    yield "POST", "articles/one/favorite/", "", "application/json", mine
    yield "POST", "articles/one/favorite/", '{"count": 0}', "application/json", mine
    yield "POST", "articles/one/favorite/", '{"like": "none"}', "application/json", mine
    yield "POST", "articles/none/favorite/", "", "application/json", mine
    yield "DELETE", "articles/one/favorite/", "", "application/json", mine
    yield "DELETE", "articles/one/", "", "application/json", of_sam
    yield "DELETE", "articles/form/", "{", "application/json", mine
    yield "DELETE", "articles/form/", "", "application/json", mine
    yield "OPTIONS", "articles/", "", "application/json", mine
    yield "POST", "like-all/", "", "application/json", mine
    yield "GET", "like-all/", "", "application/json", mine
    yield "POST", "like-all/", "", "application/json", {}
    yield "PUT", "like-all/", "", "application/json", mine
    yield "POST", "rename/one/", "title=Renamed", FORM, {}
    yield "POST", "rename/one/", "title=raise", FORM, {}
    yield "POST", "rename/one/", "title=missing", FORM, {}
    yield "POST", "rename/one/", "", FORM, {}
    yield "POST", "rename/none/", "title=x", FORM, {}
    yield "GET", "rename/one/", "", FORM, {}
    yield "GET", "articles/", "", "application/json", {}


def responses(prefix, rita, sam, owner):
    """Return what each call returns, with the ids that it creates beginning at 1."""
    owner.execute("TRUNCATE articles_article, articles_tag RESTART IDENTITY CASCADE")
    Tag.objects.bulk_create([Tag(name="a"), Tag(name="b")])
    client = Client(raise_request_exception=False)
    found = []
    for method, path, body, content_type, headers in calls(rita, sam):
        response = client.generic(
            method,
            f"/{prefix}/{path}",
            body,
            content_type=content_type,
            headers=headers | {"X-Request-Id": "the-same"},
        )
        kept = {name: value for name, value in response.headers.items() if name not in OURS}
        content = _TOKEN.sub("", response.content.decode()).replace(f"/{prefix}/", "/")
        if response.status_code == 500:
            kept, content = {}, ""
        found.append((method, path, body, response.status_code, kept, content))
    upload = {"file": SimpleUploadedFile("a.txt", b"content")}
    response = client.post(f"/{prefix}/upload/", upload, headers=credentials(rita))
    return [*found, (response.status_code, response.content)]


def test_each_response_is_the_same_as_before(rita, sam, owner, caplog):
    before = responses("plain", rita, sam, owner)
    after = responses("commanded", rita, sam, owner)

    for was, now in zip(before, after, strict=True):
        assert now == was
    recorded = CommandRecord.objects.filter(message_type__startswith="articles.")
    assert {"succeeded", "refused", "failed"} == {each.status for each in recorded}
    assert "open sesame" not in str([each.data for each in recorded])


def test_a_request_is_recorded_as_it_was_sent(as_rita, assert_recorded):
    body = {"slug": "one", "title": "One", "password": "open sesame", "remark": "x"}

    created = as_rita("POST", "articles/?token=t0ken", body, Audit_Reason="The launch")

    article = Article.objects.get()
    record = assert_recorded(
        message_class("articles.create"), status="succeeded", reason="The launch"
    )
    assert str(record.command_id) == created.headers["Command-Id"]
    assert record.data == {
        "method": "POST",
        "path": "/commanded/articles/?token=%5Bredacted%5D",
        "content_type": "application/json",
        "body": body | {"password": "[redacted]"},
        "subject_id": None,
        "withheld": ["password", "token"],
        "digest": record.data["digest"],
        "origin": "http://testserver",
        "new_id": None,
    }
    assert len(record.data["digest"]) == 64
    assert (record.result_type, record.result_id) == ("article", str(article.pk))


def test_an_error_of_the_view_is_a_refusal_and_changes_nothing(as_rita, assert_recorded):
    missing = as_rita("PUT", "articles/none/", {})

    update = message_class("articles.update")
    record = assert_recorded(update, status="refused", error_code="refused_by_view")
    assert record.error_message == "The view returned 404 Not Found."
    assert missing.headers["Command-Id"] == str(record.command_id)


def test_a_repeated_request_gets_the_outcome_before_the_view_looks_anything_up(as_rita, rita):
    Article.objects.create(slug="one", title="One", author=rita)

    first = as_rita("DELETE", "articles/one/", Idempotency_Key="k1")
    again = as_rita("DELETE", "articles/one/", Idempotency_Key="k1")
    other = as_rita("DELETE", "articles/two/", Idempotency_Key="k1")
    refused = as_rita("DELETE", "articles/two/", Idempotency_Key="k2")
    refused_again = as_rita("DELETE", "articles/two/", Idempotency_Key="k2")

    assert (first.status_code, again.status_code, other.status_code) == (204, 200, 422)
    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.headers["Command-Id"] == first.headers["Command-Id"]
    assert (refused.status_code, refused_again.status_code) == (404, 404)
    assert refused_again.headers["Idempotency-Replayed"] == "true"


def test_the_same_key_with_another_secret_is_another_request(as_rita):
    body = {"slug": "one", "title": "One", "password": "first"}

    as_rita("POST", "articles/", body, Idempotency_Key="k")
    other = as_rita("POST", "articles/", body | {"password": "second"}, Idempotency_Key="k")

    assert other.status_code == 422


def test_a_dry_run_and_a_malformed_key_are_refused_in_the_format_of_the_api(as_rita):
    body = {"slug": "one", "title": "One"}

    dry_run = as_rita("POST", "articles/?dry_run=true", body)
    bad_key = as_rita("POST", "articles/", body, Idempotency_Key="two keys")

    assert (dry_run.status_code, bad_key.status_code) == (400, 400)
    assert dry_run.json() == {"detail": "dry_run: is not supported here; nothing was done"}
    assert not Article.objects.exists()


def test_a_refused_request_leaves_the_transaction_of_a_test_case_open(as_rita, monkeypatch):
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)
    test_case = transaction.atomic()
    test_case._from_testcase = True

    with test_case:
        refused = as_rita("PUT", "articles/none/", {})
        created = as_rita("POST", "articles/", {"slug": "one", "title": "One", "password": "x"})

        assert (refused.status_code, created.status_code) == (404, 201)
        assert {"refused", "succeeded"} == set(
            CommandRecord.objects.values_list("status", flat=True)
        )
        transaction.set_rollback(True)
