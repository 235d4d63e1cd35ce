"""Requests to the admin's pages of people and groups: each button leads to a confirmation."""

import html
import re

from django.contrib.messages import get_messages

from approvals.pages.people.confirmation import Asked

USERS, GROUPS = "/admin/auth/user/", "/admin/auth/group/"
NEW_APPROVER = f"{USERS}new-approver/"


def asked(client, path, form):
    """Return what the confirmation page of a form shows."""
    answer = client.post(path, form)
    assert answer.status_code == 200, said(answer)
    return answer.context["asked"]


def confirmed(client, path, form, *, reason="", **boxes):
    """Send a form, confirm it with the boxes that are checked, and return the page that follows."""
    found = asked(client, path, form)
    inputs = {}
    for name, value in found.inputs:
        inputs.setdefault(name, []).append(value)
    return client.post(path, inputs | boxes | {"seen": found.seen, "reason": reason}, follow=True)


def sent(client, path, form):
    """Send any form of the admin; if a confirmation follows, confirm that as well."""
    answer = client.post(path, form)
    found = (answer.context or {}).get("asked")
    return client.post(path, form | {"seen": found.seen}) if isinstance(found, Asked) else answer


def button(client, row, verb, *, reason="", **form):
    """Press a button on the page of a person or group, and confirm it."""
    return confirmed(client, f"{url_of(row)}ask/", {"verb": verb, **form}, reason=reason)


def url_of(row):
    place = USERS if hasattr(row, "username") else GROUPS
    return f"{place}{row.pk}/"


def said(answer):
    return [str(each) for each in answer.context["messages"]] or [
        str(each) for each in get_messages(answer.wsgi_request)
    ]


def text(answer):
    """Return the text of a page, without its tags."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", answer.content.decode())).split())
