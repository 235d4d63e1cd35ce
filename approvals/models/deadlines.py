"""How long a request may take, by the options of its policies."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings


def approve_by(options: Mapping[str, Any], *, now: datetime) -> datetime:
    """Tell until when a request that begins now can be approved."""
    within = options.get("approve_within_s")
    usual: timedelta = settings.APPROVALS_APPROVE_WITHIN
    return now + (usual if within is None else timedelta(seconds=within))


def execute_by(options: Mapping[str, Any], *, now: datetime) -> datetime | None:
    """Tell until when it can be carried out; None is no limit."""
    within = options.get("execute_within_s")
    return now + timedelta(seconds=within) if within else None
