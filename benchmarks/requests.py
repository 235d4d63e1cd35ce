"""Many requests that wait, sealed and voted on as the bus would, and people who look at them."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

from django.contrib.auth.models import Group, Permission, User
from django.db import connections
from django.utils import timezone
from uuid_utils.compat import uuid7

from apikeys.commands import AddMember, CreateCustomer, DisableApiKey
from apikeys.models import ApiKey
from approvals.models import ApprovalRequest, Decision, Policy, Rule, Vote
from approvals.policies import evaluation
from approvals.sealing import payloads
from approvals.sealing import values as subjects
from audit.entry.shell import carry_out
from audit.outside import outside_command
from benchmarks.reading import Reader, Reading

_BATCH = 1000
_APPROVER = ("view_approvalrequest", "view_apikey")


class Cast:
    """Acme with its keys, Dana the requester, the approvers of Security, and Carol the reader.

    Erin belongs to Billing, which approves other commands.
    """

    def __init__(self) -> None:
        made: Any = carry_out(CreateCustomer(name="Acme"), reason="for a benchmark")
        self.customer_id: UUID = made.result.pk
        self.security = Group.objects.create(name="Security")
        self.dana = self._person("dana")
        names = ("ann", "bob", "carol", "erin")
        self.ann, self.bob, self.carol, self.erin = map(self._person, names)
        self.security.user_set.add(self.ann, self.bob)
        billing = Group.objects.create(name="Billing")
        billing.user_set.add(self.erin)
        self._policy("apikeys.rotate", billing)
        policy = self._policy("apikeys.disable", self.security)
        rules = [self._rule(policy)]
        policy.current_rules = rules  # type: ignore[attr-defined]  # as judge() annotates it
        self.requirements = evaluation.added_up([policy])

    def make_requests(self, count: int) -> Iterator[int]:
        """Make keys and requests to disable them; yield how many there are so far."""
        for first in range(0, count, _BATCH):
            size = min(_BATCH, count - first)
            keys = [
                ApiKey(customer_id=self.customer_id, owner=self.dana, name=f"key {first + place}")
                for place in range(size)
            ]
            with outside_command("Requests to measure with"):
                ApiKey.objects.bulk_create(keys)
                values = subjects.present_values(
                    DisableApiKey(api_key_id=keys[0].pk).subject_reference()
                )
                made = [self._request(key, values or {}) for key in keys]
                ApprovalRequest.objects.bulk_create(made)
            yield first + size

    def make_votes(self, count: int) -> Iterator[int]:
        """Approve the newest requests as Bob; yield the number so far."""
        newest = ApprovalRequest.objects.order_by("-requested_at", "-pk")[:count]
        waiting = list(newest)
        for first in range(0, count, _BATCH):
            voted_on = waiting[first : first + _BATCH]
            with outside_command("Votes to measure with"):
                Vote.objects.bulk_create(map(self._vote, voted_on))
                for request in voted_on:
                    request.voters = [self.bob.pk]
                    request.keep_voters()
            yield first + len(voted_on)

    def settle(self) -> None:
        """Vacuum and analyze, as autovacuum does after a while."""
        with connections["owner"].cursor() as cursor:
            cursor.execute("VACUUM ANALYZE")

    def pages(self) -> Iterator[tuple[str, Callable[[], Reading]]]:
        """Name the pages, and what reads each of them once."""
        admin = "/admin/approvals/approvalrequest/"
        api = "/api/v2/approval-requests"
        people = {"nothing voted on": self.ann, "nearly all voted on": self.bob}
        for words, person in {**people, "of another group": self.erin}.items():
            yield f"admin inbox, {words}", _reader(person, admin)
            for tab in ("mine", "watching", "done"):
                yield f"admin inbox, {tab}, {words}", _reader(person, f"{admin}?tab={tab}")
        for words, person in people.items():
            yield f"API needs_my_vote, {words}", _reader(person, f"{api}?view=needs_my_vote")
        yield "API needs_my_vote, in no group", _reader(self.carol, f"{api}?view=needs_my_vote")
        yield "API all pending", _reader(self.ann, f"{api}?state=pending")

    def _person(self, name: str) -> User:
        # Those who cannot sign in are asked for no votes.
        person = User.objects.create_user(name, password=uuid7().hex, is_staff=True)
        person.user_permissions.set(Permission.objects.filter(codename__in=_APPROVER))
        carry_out(
            AddMember(customer_id=self.customer_id, user_id=person.pk), reason="for a benchmark"
        )
        return person

    def _policy(self, governs: str, group: Group) -> Policy:
        with outside_command("A policy to measure with"):
            policy = Policy.objects.create(governs=governs, effect="require_approval")
            Rule.objects.create(policy=policy, group=group, quorum=2)
            policy.seal()
        return policy

    def _rule(self, policy: Policy) -> dict[str, Any]:
        rule = policy.rules.get()
        group = {"group_id": self.security.pk, "group": self.security.name}
        return {"id": str(rule.pk), "quorum": rule.quorum, **group}

    def _request(self, key: ApiKey, values: dict[str, Any]) -> ApprovalRequest:
        command = DisableApiKey(api_key_id=key.pk)
        request = ApprovalRequest(
            command_id=uuid7(),
            message_type=command.message_type,
            tenant=str(self.customer_id),
            subject_type="api-key",
            subject_id=str(key.pk),
            subject_number=0,
            subject_values=values | {"name": key.name},
            requester_kind="user",
            requester_id=str(self.dana.pk),
            requester_person=str(self.dana.pk),
            requester_label="dana",
            channel="benchmark",
            reason="To measure",
            approve_by=timezone.now() + timedelta(days=7),
            requirements=self.requirements,
            digest=payloads.digest(command),
        )
        sealed = payloads.seal(command, request.binding)
        request.payload, request.seal = sealed.payload, sealed.seal
        request.approver_groups = [self.security.pk]
        request.seal_row()
        return request

    def _vote(self, request: ApprovalRequest) -> Vote:
        vote = Vote(
            request=request,
            voter=self.bob,
            voter_label="bob",
            decision=Decision.APPROVE,
            rules=[rule["id"] for rule in request.requirements["rules"]],
            digest=request.digest,
        )
        vote.mac = payloads.sign(vote.signed_content)
        return vote


def _reader(person: User, path: str) -> Callable[[], Reading]:
    return partial(Reader(person).read, path)
