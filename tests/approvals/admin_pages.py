"""Requests to the admin's approval pages."""

import html
import re

from django.contrib.auth.models import Permission, User
from django.contrib.messages import get_messages
from django.urls import reverse

from apikeys.commands import DisableApiKey
from approvals.models import ApprovalRequest
from audit.bus.dispatch import dispatch

LIST = "/admin/approvals/approvalrequest/"
SELECTED = f"{LIST}selected/"


def ask(key, user, context_of, *, reason="Leaked"):
    """Send a command to disable a key as the user, and return its request."""
    context = context_of(user, channel="v1", reason=reason)
    outcome = dispatch(DisableApiKey(api_key_id=key.id), context=context)
    return ApprovalRequest.objects.get(command_id=outcome.command_id)


def confirm(client, verb, *requests):
    """Select rows of the list, and open the confirmation page."""
    return client.get(SELECTED, {"verb": verb, "request": [str(each.pk) for each in requests]})


def select(client, verb, *requests, reason="", digests=None):
    """Decide on the selected requests, as the form of the confirmation page does."""
    seen = {f"digest-{each.pk}": each.digest for each in requests} if digests is None else digests
    chosen = [str(each.pk) for each in requests]
    return client.post(SELECTED, {"verb": verb, "reason": reason, "request": chosen, **seen})


def results(response):
    """Return the message of each row of the results."""
    assert response.status_code == 200
    return [feedback.message for _, feedback in response.context["results"]]


def decide(client, request, decision, *, reason="", digest=None):
    """Decide on the page of a request."""
    url = reverse("admin:approvals_approvalrequest_decide", args=[request.pk])
    seen = request.digest if digest is None else digest
    return client.post(url, {"decision": decision, "reason": reason, "digest": seen})


def said(response):
    return [str(message) for message in get_messages(response.wsgi_request)]


def page(client, request):
    answer = client.get(f"{LIST}{request.pk}/change/")
    assert answer.status_code == 200
    return answer.content.decode()


def listed(client, **query):
    """Return the HTML of the inbox for this query."""
    answer = client.get(LIST, query)
    assert answer.status_code == 200
    return answer.content.decode()


def attempt(client, request):
    """Rehearse the command of a request, as the button does."""
    answer = client.post(f"{LIST}{request.pk}/try/")
    assert answer.status_code == 200
    return answer


def text(content):
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", content)).split())


def section(content, identifier):
    """Return the text of one section of a page, by the id of its heading."""
    return text(content.partition(f'<h2 id="{identifier}">')[2].partition("</section>")[0])


def rows_of(context):
    return {row.name: row for row in context["changes"].rows}


def sequences(owner):
    found = owner.execute("SELECT sequencename, last_value FROM pg_sequences").fetchall()
    return {name: value for name, value in found if "historical" not in name}


def let_in(person):
    """Let a user enter the admin and see requests."""
    person.user_permissions.add(Permission.objects.get(codename="view_approvalrequest"))
    User.objects.filter(pk=person.pk).update(is_staff=True)
