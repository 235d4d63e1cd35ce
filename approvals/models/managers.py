"""Managers of approval requests: locks, and the reads that go with them."""

from typing import Any, TypeVar

from django.contrib.auth import get_user_model
from django.db import models

from approvals.models import eligibility
from approvals.models.states import State
from approvals.models.votes import Vote
from audit.actors.actors import Actor
from audit.bus import cases
from audit.messages.classes import Subject
from audit.models.lean import LeanManager
from audit.wire import pipeline, rows
from audit.wire.statements import Call, Statement

_Request = TypeVar("_Request", bound=models.Model)

_WAIT_FOR_TURN = Statement("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))")


class RequestManager(LeanManager[_Request]):
    """The approval requests."""

    def locked(self, *, voter: Actor | None = None, **columns: Any) -> _Request:
        """Return a request, locked before anything else is read: other voters have to wait.

        The record of the held command, the votes, and the groups of the voter are prefetched in one
        round trip.

        :raises ObjectDoesNotExist: if there is no such request.
        """
        request: Any = super().locked(**columns)
        reads = [
            cases.selection_of_held(request.command_id),
            rows.selection(Vote, request=request.pk),
        ]
        if voter is not None and voter.kind == "user":
            reads += [
                eligibility.selection(voter, tenant=request.tenant),
                rows.selection(get_user_model(), pk=int(voter.person_id)),
            ]
        pipeline.prefetch(*reads)
        request.keep_votes(Vote.objects.every(request=request.pk))
        return request  # type: ignore[no-any-return]  # it is one of our model's

    def pending_twins(self, message_type: str, subject: Subject) -> list[_Request]:
        """Return the pending requests of a type of command on a subject.

        Waits for other transactions that request the same: there may be no row yet to lock.
        """
        turn = Call(_WAIT_FOR_TURN, [f"{message_type} {subject}"])
        pending = rows.selection(
            self.model,
            state=State.PENDING,
            message_type=message_type,
            subject_type=subject.type,
            subject_id=subject.id,
        )
        # The read takes its snapshot once it holds the lock, so it sees every earlier commit.
        _, found = pipeline.send(turn, pending)
        return [rows.loaded(self.model, values) for values in found]
