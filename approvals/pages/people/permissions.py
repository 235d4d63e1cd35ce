"""Permissions by their plain names, grouped by app."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import NamedTuple

from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import Permission
from django.db.models import QuerySet

from approvals.models import Rule
from approvals.people.roles import VIEW_EVERY_TENANT, VIEW_REQUESTS
from approvals.policies.evaluation import governed_by
from audit.bus.handling import command_classes
from audit.subjects import types

# The names of permissions are rows, which are not renamed.
_LABELS = {"break_glass": "use break-glass: execute a waiting command without its approvals"}
_APP_NAMES = {"auth": "People and groups", "audit": "Audit log"}


class Named(NamedTuple):
    """A permission: its name in commands, and its plain name."""

    name: str
    label: str


class Section(NamedTuple):
    """The permissions of one app."""

    label: str
    permissions: list[Named]


def grouped(permissions: Iterable[Permission]) -> list[Section]:
    """Return permissions by app, each with its plain name; both in alphabetical order."""
    by_app: defaultdict[str, list[Named]] = defaultdict(list)
    for each in permissions:
        app = each.content_type.app_label
        by_app[_app_name(app)].append(Named(f"{app}.{each.codename}", label_of(each)))
    return [
        Section(app, sorted(named, key=lambda each: each.label))
        for app, named in sorted(by_app.items())
    ]


def label_of(permission: Permission) -> str:
    """Return the plain name of a permission: “disable API keys”."""
    return _LABELS.get(permission.codename) or permission.name.removeprefix("Can ")


def of(rows: QuerySet[Permission]) -> list[Permission]:
    """Return permissions with their apps, by one query."""
    return list(rows.select_related("content_type"))


def grantable(held: Iterable[Permission]) -> list[Section]:
    """Return the permissions that have an effect and are not among those held."""
    known = {each.pk for each in held}
    offered = filter(_has_effect(), of(Permission.objects.all()))
    return grouped(each for each in offered if each.pk not in known)


def of_the_role() -> list[Named]:
    """Return the permissions that an approver can be granted besides that to view requests.

    They are those to view the subjects of the commands that policies hold.
    """
    names = [VIEW_EVERY_TENANT, *sorted(_views_of_held_subjects() - {VIEW_REQUESTS})]
    labels = {
        f"{each.content_type.app_label}.{each.codename}": label_of(each)
        for each in of(Permission.objects.all())
    }
    return [Named(name, labels[name]) for name in names if name in labels]


def _views_of_held_subjects() -> set[str]:
    rules = Rule.objects.filter(is_dropped=False, policy__is_enabled=True)
    governs = rules.values_list("policy__governs", flat=True).distinct()
    kinds = {each.subject.type for each in governed_by(*governs) if each.subject}
    found = filter(None, map(types.subject_type, kinds))
    options = (each.model._meta for each in found)
    return {f"{each.app_label}.view_{each.model_name}" for each in options}


def _has_effect() -> Callable[[Permission], bool]:
    """Return a predicate: Django creates more permissions than commands and pages ask for."""
    required = {each.required_permission for each in command_classes()}

    def has_effect(permission: Permission) -> bool:
        app, code = permission.content_type.app_label, permission.codename
        if f"{app}.{code}" in required:
            return True
        model = permission.content_type.model_class()
        if model is None:
            return False
        is_declared = code in dict(model._meta.permissions)
        is_view = code == f"view_{model._meta.model_name}"
        return is_declared or (is_view and admin.site.is_registered(model))

    return has_effect


def _app_name(app_label: str) -> str:
    return _APP_NAMES.get(app_label) or str(apps.get_app_config(app_label).verbose_name)
