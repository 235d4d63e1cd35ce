"""Delegations for tests."""

from datetime import timedelta

from django.utils import timezone

from approvals.delegations.commands import Delegate
from approvals.models import Delegation
from audit.bus.context import Context
from tests.conftest import actor, completed


def delegated(delegator, delegate, *, groups, days=7, **fields):
    """Delegate the votes of a person for some groups; return the delegation."""
    command = Delegate(
        delegate_id=delegate.pk,
        groups=tuple(each.pk for each in groups),
        ends_at=timezone.now() + timedelta(days=days),
        **fields,
    )
    completed(command, context=Context(actor=actor(delegator)))
    return Delegation.objects.latest("pk")
