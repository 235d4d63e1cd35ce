"""Managers of approval requests and policies: locks, and the reads that go with them."""

import json
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import cache, lru_cache
from typing import Any, TypeVar

from django.db import models

from approvals.models import eligibility
from approvals.models.past import read_as_of
from approvals.models.seals import PolicySeal
from approvals.models.states import State
from approvals.models.votes import Vote
from audit.actors.actors import Actor
from audit.bus import cases
from audit.installation import users
from audit.installation.settings import countersign
from audit.messages.classes import Subject
from audit.models.lean import LeanManager
from audit.wire import pipeline, rows
from audit.wire.arrays import array
from audit.wire.statements import Call, Row, Statement

_Request = TypeVar("_Request", bound=models.Model)
_Policy = TypeVar("_Policy", bound=models.Model)

_WAIT_FOR_TURN = Statement("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))")


class RequestManager(LeanManager[_Request]):
    """The approval requests."""

    def locked(
        self,
        *,
        voter: Actor | None = None,
        also: Callable[[_Request], Sequence[Call]] = lambda _: (),
        **columns: Any,
    ) -> _Request:
        """Return a request, locked before anything else is read: other voters have to wait.

        The record of the held command, the votes, the groups of the voter, and what ``also``
        returns are prefetched in one round trip.

        :raises ObjectDoesNotExist: if there is no such request.
        """
        request: Any = super().locked(**columns)
        reads = [
            cases.selection_of_held(request.command_id),
            rows.selection(Vote, request=request.pk),
        ]
        if voter is not None and voter.kind == "user":
            reads.append(eligibility.selection(voter, tenant=request.tenant))
        pipeline.prefetch(*reads, *also(request))
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

    def approver_row(self, person_id: int, *, owners: str, effect: str) -> Row:
        """Return what decides which requests need a person's vote, by one statement.

        These are the attributes of `approvals.requests.voting.approver.Approver` after the id.
        ``owners`` is the group of policy owners, ``effect`` that of policies that hold commands.
        """
        statement = _approver(eligibility.can_sign_in_sql())
        (row,) = pipeline.execute(statement, [owners, effect, person_id])
        return row


@cache
def array_of_names(names: tuple[str, ...]) -> str:
    """Return the parameter of `IS_GOVERNED`: psycopg takes 8 µs to write a list of three."""
    return array(names)


class PolicyManager(models.Manager[_Policy]):
    """The policies."""

    def governing(self, names: Sequence[str], *, at: datetime | None = None) -> list[_Policy]:
        """Return the enabled policies on one of the names, with their rules as `current_rules`.

        Altered policies are returned as well, whatever they govern now. One statement reads all, so
        that each policy, its rules and its seals are of one version. It is written in SQL because
        every held command needs it, and because the ORM takes four times as long to compile it as
        PostgreSQL takes to execute it. The policies are as of now, or ``at`` a time.
        """
        found = read_as_of(at, *self.selection(names))
        return [_with_rules(self.model, *row) for row in found]

    def selection(self, names: Sequence[str]) -> Call:
        """Return the statement that `governing` executes, to be prefetched."""
        given = array_of_names(tuple(names))
        return Call(_governing(self.model), [given, given])


def _with_rules(
    model: type[_Policy], rules: str, seals: str, sealed_names: list[str], *values: Any
) -> _Policy:
    policy: Any = rows.loaded(model, values)
    policy.current_rules = json.loads(rules)
    policy.names = {policy.governs, *sealed_names}
    keys = tuple(countersign().payload_keys.items())
    policy.problem = _problem(model, rules, seals, values, keys)
    return policy  # type: ignore[no-any-return]  # it is one of the manager's model


# By all that it depends on, so a result is never outdated: a policy is verified once, not in every
# dispatch, which would take 60 µs.
@lru_cache(maxsize=1000)
def _problem(
    model: type[models.Model], rules: str, seals: str, values: tuple[Any, ...], keys: object
) -> str:
    policy: Any = rows.loaded(model, values)
    found = [PolicySeal.read(policy_id=policy.pk, **each) for each in json.loads(seals)]
    return str(policy.problem_with(json.loads(rules), found))


# Versions before that of the row need not be read: the newest one is decisive.
@cache
def _governing(model: type[models.Model]) -> Statement:
    return Statement(f"""
        SELECT (
            SELECT coalesce(jsonb_agg(jsonb_build_object('id', rule.id, 'group_id', group_id,
                'group', grp.name, 'quorum', quorum) ORDER BY rule.id), '[]')::text
            FROM approvals_rule AS rule JOIN auth_group AS grp ON grp.id = group_id
            WHERE policy_id = policy.id AND NOT is_dropped
        ), (
            SELECT coalesce(jsonb_agg(jsonb_build_object('version', seal.version,
                'governs', seal.governs, 'content', content::text, 'mac', mac)), '[]')::text
            FROM approvals_policyseal AS seal
            WHERE policy_id = policy.id AND seal.version >= policy.version
        ), ARRAY(
            SELECT governs FROM approvals_policyseal WHERE policy_id = policy.id
        ), {rows.columns(model, of="policy")}
        FROM approvals_policy AS policy
        WHERE governs = ANY(%s::text[]) AND is_enabled
            OR id IN (SELECT policy_id FROM approvals_policyseal WHERE governs = ANY(%s::text[]))
        ORDER BY policy.id
    """)  # noqa: S608  # of the names of our own columns


@cache
def _approver(can_sign_in: str) -> Statement:
    names = users.tables()
    return Statement(f"""
        SELECT EXISTS (
            SELECT FROM {names.users} AS person
            WHERE person.{names.pk} = asked.person_id AND {can_sign_in}
        ), own.groups, delegated.groups, EXISTS (
            SELECT FROM auth_group WHERE name = %s AND id = ANY(own.groups || delegated.groups)
        ), EXISTS (
            SELECT FROM approvals_vote WHERE delegator_id = asked.person_id
        ), EXISTS (
            SELECT FROM approvals_approvalrequest
            WHERE state = '{State.PENDING.value}' AND approver_groups IS NULL
        ), (
            SELECT coalesce(jsonb_agg(jsonb_build_array(
                governs, tenant,
                jsonb_build_array(jsonb_build_object('id', id, 'version', version))::text,
                rules.ask, minimum_membership > interval '0'
            ) ORDER BY id), '[]')::text
            FROM approvals_policy AS policy, LATERAL (SELECT EXISTS (
                SELECT FROM approvals_rule
                WHERE policy_id = policy.id AND NOT is_dropped
                    AND group_id = ANY(own.groups || delegated.groups)
            )) AS rules (ask)
            WHERE is_enabled AND effect = %s
                AND (rules.ask OR minimum_membership > interval '0')
        )
        FROM (SELECT %s::integer) AS asked (person_id), LATERAL (SELECT ARRAY(
            SELECT group_id FROM {names.of_groups}
            WHERE {names.of_groups_user} = asked.person_id ORDER BY group_id
        )) AS own (groups), LATERAL (SELECT ARRAY(
            SELECT id FROM auth_group WHERE id IN (
                SELECT unnest(groups) FROM approvals_delegation
                WHERE delegate_id = asked.person_id AND ends_at > statement_timestamp()
            ) ORDER BY id
        )) AS delegated (groups)
    """)  # noqa: S608  # of models
