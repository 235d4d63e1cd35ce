"""No secret and no digest of one is in any table, log line, page, answer or repr."""

import logging

import pytest
from django.contrib.admin.sites import site
from django.urls import reverse

from apikeys.models import ApiKeySecret
from approvals.decisions.commands import Approve
from approvals.models import ApprovalRequest
from audit.models.records import CommandRecord, EventRecord
from tests.conftest import completed
from tests.http import call


@pytest.fixture
def aftermath(client, first_key, disabling_needs_two, ann, bob, context_of, caplog):
    """Everything that was answered and logged in a run through all there is to do with keys."""
    caplog.set_level(logging.DEBUG)
    headers = {"Idempotency_Key": "once", "Audit_Reason": "To try"}
    created = call(client, "POST", "/api/v2/api-keys", {"name": "ci"}, key=first_key, **headers)
    secret = created.json()["secret"]
    answers = [
        call(client, "POST", "/api/v2/api-keys", {"name": "ci"}, key=first_key, **headers),
        call(client, "GET", "/api/v2/api-keys", key=secret),
        call(client, "GET", "/api/v1/api-keys", key=secret),
        call(client, "GET", "/api/v2/whoami", key=secret),
        call(client, "GET", "/api/v2/whoami", key=secret + "x"),
        call(client, "POST", f"/api/v2/api-keys/{created.json()['id']}/enable", key=secret),
        call(client, "POST", f"/api/v2/api-keys/{created.json()['id']}/disable", key=secret),
        call(client, "GET", f"/api/v2/commands/{created['Command-Id']}", key=secret),
    ]
    request = ApprovalRequest.objects.get()
    for person in (ann, bob):
        vote = Approve(approval_request_id=request.pk, digest=request.digest)
        completed(vote, context=context_of(person))
    answers.append(call(client, "GET", "/api/v2/whoami", key=secret))
    return [secret, first_key.secret], answers, caplog


def test_the_tables_hold_digests_in_one_column_and_secrets_in_none(aftermath, owner):
    secrets, _, _ = aftermath
    digests = [bytes(each.digest).hex() for each in ApiKeySecret.objects.all()]
    tables = owner.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()

    for (table,) in tables:
        dump = owner.execute(f"SELECT coalesce(string_agg(t::text, ''), '') FROM {table} AS t")
        content = dump.fetchone()[0]
        for secret in secrets:
            assert secret not in content, table
        for digest in digests:
            assert (digest in content) == (table == "apikeys_apikeysecret"), table


def test_no_answer_but_the_first_and_no_log_line_shows_one(aftermath):
    secrets, answers, caplog = aftermath
    digests = [bytes(each.digest).hex() for each in ApiKeySecret.objects.all()]

    logged = caplog.text + repr(caplog.records) + "".join(str(r.__dict__) for r in caplog.records)
    told = "".join(f"{answer.content.decode()}{answer.headers}" for answer in answers)
    for needle in secrets + digests:
        assert needle not in told
        assert needle not in logged


@pytest.mark.sweep
def test_no_page_shows_one(aftermath, iris, browser):
    secrets, _, _ = aftermath
    digests = [bytes(each.digest).hex() for each in ApiKeySecret.objects.all()]
    iris.is_superuser = True
    iris.save()
    auditor = browser(iris)
    pages = [reverse("admin:index"), "/audit/"]
    for model in site._registry:
        opts = model._meta
        pages.append(reverse(f"admin:{opts.app_label}_{opts.model_name}_changelist"))
        for instance in model._default_manager.all()[:20]:
            for view in ("change", "history"):
                name = f"admin:{opts.app_label}_{opts.model_name}_{view}"
                pages.append(reverse(name, args=[instance.pk]))
    for record in CommandRecord.objects.all():
        pages += [
            f"/audit/commands/{record.command_id}",
            f"/audit/cases/{record.correlation_id}",
        ]
    for event in EventRecord.objects.all():
        pages.append(f"/audit/subjects/{event.subject_type}/{event.subject_id}")

    for page in sorted(set(pages)):
        answer = auditor.get(page, follow=True)
        assert answer.status_code == 200, page
        for needle in secrets + digests:
            assert needle not in answer.content.decode(), page


def test_no_repr_shows_one(aftermath):
    secrets, _, _ = aftermath
    rows = [*ApiKeySecret.objects.all(), *ApprovalRequest.objects.all()]

    shown = "".join(f"{row!r} {row}" for row in rows)

    for secret in secrets:
        assert secret not in shown
    assert bytes(ApiKeySecret.objects.all()[0].digest).hex() not in shown
