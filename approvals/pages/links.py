"""Where pages lead to, as far as their reader may follow."""

from collections.abc import Collection, Mapping
from uuid import UUID

from django.contrib import admin
from django.urls import reverse
from django.utils.html import format_html

from approvals.models import ApprovalRequest
from audit.actors.actors import Actor
from audit.log.visibility import VIEW_LOG
from audit.messages.classes import Subject
from audit.subjects import types


def request_url(request_id: UUID) -> str:
    """Tell where the page of a request is."""
    return reverse("admin:approvals_approvalrequest_change", args=[request_id])


def pending_message(sentence: str, held: ApprovalRequest) -> str:
    """Say who has to approve what somebody has asked for, with a link to the request."""
    groups = ", ".join(dict.fromkeys(rule["group"] for rule in held.requirements["rules"]))
    page = reverse("admin:approvals_approvalrequest_change", args=[held.pk])
    text = '{}. Waiting for approval by {}: <a href="{}">the request</a>'
    return format_html(text, sentence, groups, page)


def command_url(command_id: UUID, *, actor: Actor) -> str:
    """Tell where auditors read about a command; nothing for others."""
    return reverse("audit:command", args=[command_id]) if may_read_log(actor) else ""


def case_url(correlation_id: UUID, *, actor: Actor) -> str:
    """Tell where auditors read about a whole case; nothing for others."""
    return reverse("audit:case", args=[correlation_id]) if may_read_log(actor) else ""


def actor_url(kind: str, identifier: str, *, actor: Actor) -> str:
    """Tell where auditors read what somebody did; nothing for others, or of nobody."""
    if not (identifier and may_read_log(actor)):
        return ""
    return reverse("audit:actor", args=[kind, identifier])


def subject_url(subject: Subject | None, *, actor: Actor, exists: bool) -> str:
    """Tell where somebody may read about a subject.

    Auditors read its story, which begins before there is a row; others the row in the admin.
    """
    if subject is None:
        return ""
    if may_read_log(actor):
        return reverse("audit:subject", args=subject)
    return _admin_url(subject) if exists and may_see_kind(subject.type, actor=actor) else ""


def may_read_log(actor: Actor) -> bool:
    """Tell whether somebody is an auditor."""
    return actor.may(VIEW_LOG)


def may_see_kind(subject_type: str, *, actor: Actor) -> bool:
    """Tell whether somebody may see subjects of a type in the admin."""
    found = types.subject_type(subject_type)
    if found is None:
        return False
    options = found.model._meta
    return actor.may(f"{options.app_label}.view_{options.model_name}")


def policy_urls(policy_ids: Collection[str], *, actor: Actor) -> Mapping[str, str]:
    """Tell where policies are found, for whoever may see them."""
    if not actor.may("approvals.view_policy"):
        return {}
    return {each: reverse("admin:approvals_policy_change", args=[each]) for each in policy_ids}


def _admin_url(subject: Subject) -> str:
    found = types.subject_type(subject.type)
    if found is None or not admin.site.is_registered(found.model):
        return ""
    options = found.model._meta
    return reverse(f"admin:{options.app_label}_{options.model_name}_change", args=[subject.id])
