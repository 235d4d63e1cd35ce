"""Requests whose row is not as their last command left it."""

from collections.abc import Iterator

from approvals.models import ApprovalRequest


def altered() -> Iterator[ApprovalRequest]:
    """Yield the requests that are set aside, in the order of their ids."""
    for request in ApprovalRequest.objects.order_by("pk").iterator():
        if not request.is_intact:
            yield request


def problems() -> Iterator[str]:
    """Yield one sentence for each of them."""
    for request in altered():
        why = "was altered in the database" if request.row_seal else "has no seal"
        yield f"The {request} {why}: it is set aside."
