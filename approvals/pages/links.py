"""URLs and links that the user of a page may follow."""

from collections.abc import Collection, Mapping
from uuid import UUID

from django.contrib import admin
from django.contrib.admin.utils import quote
from django.urls import reverse
from django.utils.html import format_html

from approvals.models import ApprovalRequest
from approvals.policies import effective
from audit.actors.actors import Actor
from audit.log.visibility import VIEW_LOG
from audit.messages.characters import quoted
from audit.messages.classes import Subject
from audit.subjects import types


def request_url(request_id: UUID) -> str:
    return reverse("admin:approvals_approvalrequest_change", args=[request_id])


def pending_message(sentence: str, held: ApprovalRequest) -> str:
    """Return a message with the groups that must approve, and a link to the request."""
    effective.read([held])
    groups = ", ".join(dict.fromkeys(quoted(rule["group"]) for rule in held.required["rules"]))
    text = '{}. Waiting for approval by {}: <a href="{}">the request</a>'
    return format_html(text, sentence, groups, request_url(held.pk))


def subject_url(subject: Subject | None, *, actor: Actor, exists: bool) -> str:
    """Return the URL of a subject; empty if the actor may see none.

    Auditors get its timeline, which begins before the row exists; others its row in the admin.
    """
    if subject is None:
        return ""
    if may_read_log(actor):
        return reverse("countersign:subject", args=subject)
    return _admin_url(subject) if exists and may_see_kind(subject.type, actor=actor) else ""


def may_read_log(actor: Actor) -> bool:
    return actor.may(VIEW_LOG)


def may_see_kind(subject_type: str, *, actor: Actor) -> bool:
    """Return True if the actor may see subjects of the type in the admin."""
    found = types.subject_type(subject_type)
    if found is None:
        return False
    options = found.model._meta
    return actor.may(f"{options.app_label}.view_{options.model_name}")


def policy_urls(policy_ids: Collection[str], *, actor: Actor) -> Mapping[str, str]:
    """Return the URLs of policies by id; empty if the actor may not see policies."""
    if not actor.may("approvals.view_policy"):
        return {}
    return {each: reverse("admin:approvals_policy_change", args=[each]) for each in policy_ids}


def _admin_url(subject: Subject) -> str:
    found = types.subject_type(subject.type)
    if found is None or not admin.site.is_registered(found.model):
        return ""
    options = found.model._meta
    page = f"admin:{options.app_label}_{options.model_name}_change"
    return reverse(page, args=[quote(subject.id)])
