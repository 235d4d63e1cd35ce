"""Requests to the admin's approval pages."""

import html
import re

from django.contrib.auth import SESSION_KEY
from django.contrib.auth.models import Permission, User
from django.contrib.messages import get_messages
from django.urls import reverse

from apikeys.commands import DisableApiKey
from approvals.models import ApprovalRequest
from approvals.requests.presentation import Ballot, present
from audit.actors.actors import actor_for_user
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


def select(client, verb, *requests, reason="", **changed):
    """Decide on the selected requests, as the form of the confirmation page does."""
    return client.post(SELECTED, selection(client, verb, *requests) | {"reason": reason} | changed)


def selection(client, verb, *requests):
    """Return the fields of the form that confirms the decision on the selected requests."""
    fields = {"verb": verb, "request": [str(each.pk) for each in requests]}
    for each in requests:
        seen = displayed(client, each, verb)
        fields |= {f"{name}-{each.pk}": value for name, value in seen.items()}
    return fields


def results(response):
    """Return the message of each row of the results."""
    assert response.status_code == 200
    return [feedback.message for _, feedback in response.context["results"]]


def decide(client, request, decision, *, reason="", **changed):
    """Decide on the page of a request, with what it displays now."""
    return send(client, request, form(client, request, decision) | {"reason": reason} | changed)


def send(client, request, fields):
    """Send the form on the page of a request."""
    url = reverse("admin:approvals_approvalrequest_decide", args=[request.pk])
    return client.post(url, fields)


def form(client, request, decision):
    """Return the fields of the form on the page of a request, as it is displayed now."""
    seen = displayed(client, request, decision)
    return {"decision": decision, f"effect-{decision}": seen.pop("effect"), **seen}


def displayed(client, request, decision):
    """Return what a page displays of a request; a forged effect if it offers no such decision."""
    actor = actor_for_user(User.objects.get(pk=client.session[SESSION_KEY]))
    now = ApprovalRequest.objects.get(pk=request.pk)
    (presented,) = present([now], actor=actor)
    effect = Ballot(presented, actor=actor).effects.get(decision, "executes")
    return {"digest": now.digest, "number": str(now.number), "effect": effect}


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
