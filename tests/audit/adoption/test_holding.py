"""Held requests: tried first, approved, and sent again to the same view."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.utils import timezone, translation

from approvals.models import ApprovalRequest
from approvals.policies import evaluation
from approvals.policies.commands import CreatePolicy
from audit.domain import Context, dispatch
from audit.installation.checks import check_replay_middleware
from audit.messages.catalog import message_class
from audit.messages.exceptions import Invalid
from audit.models.records import CommandRecord, Status
from tests.articles.commanded import ArticleViewSet
from tests.articles.models import Article, Tag
from tests.audit.adoption.conftest import credentials
from tests.conftest import actor, approved, policy
from tests.notes.models import Note


@pytest.fixture
def article(rita):
    """An article of Rita's."""
    return Article.objects.create(slug="one", title="One", author=rita)


@pytest.fixture
def writing_needs_one(security, ann):
    """The policy that one of Security approves every write of articles."""
    policy("articles.*", group=security, quorum=1)


@pytest.mark.usefixtures("writing_needs_one")
def test_a_held_request_is_sent_again_as_its_requester(as_rita, rita, ann, article):
    Tag.objects.create(name="a")
    body = {"slug": "two", "title": "Two", "tags": ["a"]}

    created = as_rita("POST", "articles/", body, Idempotency_Key="k")
    updated = as_rita("PATCH", "articles/one/", {"title": "First"})
    liked = as_rita("POST", "like-all/")

    assert [each.status_code for each in (created, updated, liked)] == [202, 202, 202]
    assert created.json()["status"] == "postponed"
    assert created.headers["Location"].endswith(created.headers["Command-Id"])
    assert Article.objects.values_list("title", "likes").get() == ("One", 0)

    for request in ApprovalRequest.objects.order_by("pk"):
        assert approved(request, ann).outcome == "Approved and executed."

    two = Article.objects.get(slug="two")
    assert (two.author, list(two.tags.values_list("name", flat=True))) == (rita, ["a"])
    assert list(Article.objects.order_by("pk").values_list("title", "likes")) == [
        ("First", 1),
        ("Two", 1),
    ]
    again = as_rita("POST", "articles/", body, Idempotency_Key="k")
    assert (again.status_code, again.headers["Idempotency-Replayed"]) == (200, "true")
    record = CommandRecord.objects.get(command_id=created.headers["Command-Id"], attempt=2)
    assert (record.status, record.result_id) == ("succeeded", str(two.pk))


@pytest.mark.usefixtures("writing_needs_one", "article")
def test_what_ends_in_an_error_is_not_held(as_rita, sam, client):
    assert as_rita("POST", "articles/", {"slug": "one"}).status_code == 400
    assert as_rita("DELETE", "articles/none/").status_code == 404
    assert client.post("/commanded/rename/none/", {"title": "x"}).status_code == 404
    anonymous = client.post("/commanded/rename/one/", {"title": "x"})

    assert (anonymous.status_code, anonymous.json()["code"]) == (403, "anonymous_caller")
    assert not ApprovalRequest.objects.exists()
    assert set(CommandRecord.objects.filter(channel="api").values_list("status", flat=True)) == {
        Status.REFUSED
    }


@pytest.mark.usefixtures("writing_needs_one")
def test_permissions_are_those_of_the_execution(as_rita, ann, sam, article):
    as_rita("DELETE", "articles/one/")
    request = ApprovalRequest.objects.get()
    article.author = sam
    article.save()

    settled = approved(request, ann)

    assert settled.outcome == "Approved, but not executed: The view returned 403 Forbidden."
    assert Article.objects.exists()


class HouseMiddleware:
    """Middleware of the project: its views read the attribute, and it activates a language."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        translation.activate("de")
        timezone.activate("Asia/Tokyo")
        request.house = "north"
        return self.get_response(request)

    def process_view(self, request, view, args, kwargs):
        request.house += f" {kwargs['slug']}"


@pytest.mark.usefixtures("writing_needs_one", "article")
def test_the_middleware_that_views_depend_on_runs_when_a_request_is_sent_again(
    as_rita, ann, settings, monkeypatch
):
    names = [f"{__name__}.HouseMiddleware"]
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, *names]
    settings.COUNTERSIGN = settings.COUNTERSIGN | {"REPLAY_MIDDLEWARE": names}
    houses = []
    monkeypatch.setattr(
        ArticleViewSet, "perform_destroy", lambda view, _: houses.append(view.request.house)
    )
    before = translation.get_language(), timezone.get_current_timezone_name()
    with translation.override(before[0]), timezone.override(before[1]):
        assert as_rita("DELETE", "articles/one/").status_code == 202

    settled = approved(ApprovalRequest.objects.get(), ann)

    assert settled.outcome == "Approved and executed."
    assert houses == ["north one", "north one"]
    assert (translation.get_language(), timezone.get_current_timezone_name()) == before


def test_middleware_that_does_not_exist_is_reported(settings):
    settings.COUNTERSIGN = settings.COUNTERSIGN | {"REPLAY_MIDDLEWARE": ["none.Such"]}

    (found,) = check_replay_middleware()

    assert found.id == "countersign.E009"


@pytest.mark.usefixtures("writing_needs_one", "article")
def test_a_request_whose_route_has_changed_is_reported_and_not_executed(
    as_rita, ann, monkeypatch, capsys
):
    as_rita("DELETE", "articles/one/")
    call_command("approvals_check")
    other = {"destroy": message_class("articles.update")}
    monkeypatch.setattr("tests.articles.commanded.ArticleViewSet.command_classes", other)
    _route_again(monkeypatch)

    with pytest.raises(CommandError):
        call_command("approvals_check")
    settled = approved(ApprovalRequest.objects.get(), ann)

    problem = "DELETE /commanded/articles/one/ no longer leads to articles.delete."
    assert problem in capsys.readouterr().err
    assert settled.outcome == f"Approved, but not executed: {problem}"
    assert Article.objects.exists()


def _route_again(monkeypatch):
    moved = ArticleViewSet.as_view({"delete": "destroy"})
    moved_route = type("Match", (), {"func": moved, "args": (), "kwargs": {"slug": "one"}})
    monkeypatch.setattr("audit.adoption.replaying.resolve", lambda _: moved_route)


@pytest.mark.usefixtures("writing_needs_one", "article")
def test_a_request_with_a_secret_or_a_file_cannot_be_held(as_rita, rita, client):
    secret = as_rita("PATCH", "articles/one/", {"password": "open sesame"})
    upload = {"file": SimpleUploadedFile("a.txt", b"content")}
    file = client.post("/commanded/upload/", upload, headers=credentials(rita))

    assert (secret.status_code, file.status_code) == (403, 403)
    assert secret.json()["detail"] == file.json()["detail"] == evaluation.CannotBeHeld().message
    assert not ApprovalRequest.objects.exists()


@pytest.mark.usefixtures("ann", "bob")
def test_a_policy_on_requests_that_always_have_a_secret_is_rejected(policy_owners, security):
    draft = CreatePolicy(governs="articles.sign_up", groups=(security.pk,), quorums=(1,))

    with pytest.raises(Invalid, match=r"must not hold articles\.sign_up, which has a secret"):
        dispatch(draft, context=Context(actor=actor(policy_owners[0])))


def test_a_typed_command_inside_a_view_is_held_on_its_own(as_rita, article, security, ann, acme):
    policy("notes.write", group=security, quorum=1)
    body = {"tenant": str(acme.pk), "text": "A note"}

    answer = as_rita("POST", "articles/one/annotate/", body)
    request = approved(ApprovalRequest.objects.get(), ann)

    assert (answer.status_code, answer.json()) == (202, {"status": "to be approved"})
    assert (request.message_type, request.state) == ("notes.write", "executed")
    assert Note.objects.get().text == "A note"
    outer = CommandRecord.objects.get(command_id=answer.headers["Command-Id"])
    inner = CommandRecord.objects.get(command_id=request.command_id, attempt=1)
    assert (outer.status, inner.correlation_id) == ("succeeded", outer.correlation_id)
