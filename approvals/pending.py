"""What waits for approval, as other resources tell of it."""

from collections import defaultdict
from collections.abc import Collection, Iterator
from uuid import UUID

from django.db.models import Q
from django.urls import reverse
from django.utils import timezone

from approvals import policies
from approvals.models import ApprovalRequest, State
from audit.messages import Subject
from audit.postponements import Need, Pending, Progress, pending, postponement


def request_url(request: ApprovalRequest) -> str:
    """Tell where a request is found."""
    return reverse("approval-request", kwargs={"approval_request_id": request.pk})


@postponement
def progress(command_id: UUID) -> Progress | None:
    """Tell how many of the needed approvals a held command has."""
    request = ApprovalRequest.of_command(command_id).first()
    if request is None:
        return None
    counted = policies.counted_voters(request)
    needs = tuple(
        Need(rule["group"], needed=rule["quorum"], have=min(counted[rule["id"]], rule["quorum"]))
        for rule in request.requirements["rules"]
    )
    return Progress(
        state=request.present_state,
        have=sum(need.have for need in needs),
        needed=sum(need.needed for need in needs),
        approve_by=request.approve_by,
        request_id=str(request.pk),
        url=request_url(request),
        subject_type=request.subject_type,
        needs=needs,
    )


@pending
def pending_requests(subjects: Collection[Subject]) -> Iterator[Pending]:
    """Find the requests about some subjects that can still be approved, in one query."""
    identifiers: defaultdict[str, list[str]] = defaultdict(list)
    for subject in subjects:
        identifiers[subject.type].append(subject.id)
    if not identifiers:
        return
    about = Q()
    for subject_type, those in identifiers.items():
        about |= Q(subject_type=subject_type, subject_id__in=those)
    waiting = ApprovalRequest.objects.filter(
        about, state=State.PENDING, approve_by__gt=timezone.now()
    )
    for request in waiting.defer("payload", "seal").order_by("requested_at", "pk"):
        yield _pending(request)


def _pending(request: ApprovalRequest) -> Pending:
    return Pending(
        subject=Subject(request.subject_type, request.subject_id),
        request_id=str(request.pk),
        url=request_url(request),
        command_id=str(request.command_id),
        message_type=request.message_type,
        approve_by=request.approve_by,
    )
