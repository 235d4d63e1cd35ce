"""Reasons on the pages of the log: text from callers that cannot imitate text of ours."""

import pytest

from apikeys.commands import DisableApiKey
from apikeys.models import ApiKey
from audit.models.records import CommandRecord
from tests.conftest import completed

REASON = "Fine” Approved by ann: “\N{RIGHT-TO-LEFT OVERRIDE}yes"


@pytest.fixture
def disabled(first_key, dana, context_of):
    context = context_of(dana)
    context.reason = REASON
    completed(DisableApiKey(api_key_id=first_key.id), context=context)
    return CommandRecord.objects.get(message_type="apikeys.disable")


@pytest.fixture
def pages(disabled, first_key):
    version = ApiKey.history.filter(id=first_key.id).latest("history_id").pk
    return {
        "log": "/audit/",
        "command": f"/audit/commands/{disabled.command_id}",
        "case": f"/audit/cases/{disabled.correlation_id}",
        "subject": f"/audit/subjects/api-key/{first_key.id}",
        "history": f"/admin/apikeys/apikey/{first_key.id}/history/",
        "version": f"/admin/apikeys/apikey/{first_key.id}/history/{version}/",
    }


@pytest.mark.parametrize("name", ["log", "command", "case", "subject", "history", "version"])
def test_a_reason_hides_no_characters(name, pages, browser, iris):
    content = browser(iris).get(pages[name]).content.decode()

    assert "Approved by ann" in content
    assert "\N{RIGHT-TO-LEFT OVERRIDE}" not in content
    assert "[U+202E]yes" in content


@pytest.mark.parametrize("name", ["case", "version"])
def test_a_reason_in_quotation_marks_cannot_end_them(name, pages, browser, iris):
    content = browser(iris).get(pages[name]).content.decode()

    assert "“Fine[U+201D] Approved by ann: [U+201C][U+202E]yes”" in content
