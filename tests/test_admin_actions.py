"""Malformed input to the actions of every admin list is refused, and changes nothing."""

import pytest
from django.contrib import admin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.auth.models import Permission
from django.urls import reverse

from audit.models.records import EventRecord
from tests.conftest import member

LISTS = [
    pytest.param(model, list(listed.actions or ()), id=model._meta.model_name)
    for model, listed in admin.site._registry.items()
]
SELECTED = ["x", "", "-1", "9" * 40, "1\x00", "\N{FULLWIDTH DIGIT ONE}", "'; --", "0" * 5_000]


_MORE = [
    {},
    *({ACTION_CHECKBOX_NAME: [each], "index": "0"} for each in SELECTED),
    *({ACTION_CHECKBOX_NAME: ["x"], "index": index} for index in ("x", "-7", "9" * 30)),
    {ACTION_CHECKBOX_NAME: ["x"], "select_across": "1"},
]


@pytest.fixture
def client(acme, browser):
    """The browser of a person with every permission."""
    permissions = tuple(Permission.objects.values_list("codename", flat=True))
    return browser(member("zed", acme, permissions=permissions, is_staff=True))


def test_the_lists_of_people_requests_and_deliveries_have_actions():
    assert sum(bool(actions) for _, actions in (each.values for each in LISTS)) == 3


@pytest.mark.sweep
@pytest.mark.parametrize(("model", "actions"), LISTS)
def test_malformed_actions_are_refused(model, actions, client, disabling_needs_two):
    page = f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist"
    url, before = reverse(page), EventRecord.objects.count()
    client.raise_request_exception = False

    answers = {}
    for action in [*actions, "delete_selected", ""]:
        for more in _MORE:
            form = {"action": action, **more}
            answers[str(form)[:200]] = client.post(url, form).status_code

    allowed = (200, 302, 400, 403)
    assert {form: code for form, code in answers.items() if code not in allowed} == {}
    assert EventRecord.objects.count() == before
