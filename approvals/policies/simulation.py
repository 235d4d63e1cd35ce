"""Simulation of a draft of a policy on logged commands."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from time import monotonic

from approvals.models import Effect, Policy
from approvals.models.eligibility import Members
from approvals.policies import slots as matching
from approvals.policies.commands import CreatePolicy, EditPolicy
from approvals.policies.explanations import Explanation, Past, explain
from audit.models.records import CommandRecord


@dataclass(frozen=True, slots=True)
class Simulation:
    """The explanations of a draft for recorded commands.

    ``given`` is the number of these commands; fewer are explained if the time was used up.
    ``unsatisfiable`` are those that it matches, but the people of today could not have approved.
    """

    given: int
    explanations: list[Explanation]
    unsatisfiable: list[CommandRecord] = field(default_factory=list)

    @property
    def looked_at(self) -> int:
        """The number of commands that it was run on."""
        return len(self.explanations)

    @property
    def is_cut_short(self) -> bool:
        """True if the time was used up before all commands were evaluated."""
        return self.looked_at < self.given

    @property
    def matched(self) -> list[CommandRecord]:
        """The commands that it matches."""
        return [each.record for each in self.explanations if not each.unmet]

    @property
    def not_evaluable(self) -> list[tuple[CommandRecord, str]]:
        """The commands for which its condition cannot be evaluated, each with the reason."""
        failed = (each for each in self.explanations if not each.is_evaluable)
        return [(each.record, each.unmet) for each in failed]

    @property
    def by_requester(self) -> list[tuple[str, int]]:
        """The number of commands of each actor that it matches, most first."""
        return Counter(record.actor_label for record in self.matched).most_common()


def simulate(
    draft: CreatePolicy | EditPolicy, records: Iterable[CommandRecord], *, seconds: float
) -> Simulation:
    """Run a draft over first attempts at commands, with the values that their subjects had then.

    It ends with the first command after ``seconds``.
    """
    given, until = list(records), monotonic() + seconds
    past, policy = Past(given), Policy(**draft.columns())
    simulation = Simulation(len(given), [])
    for record in given:
        simulation.explanations.append(explain(policy, record, past=past))
        if monotonic() > until:
            break
    if draft.effect == Effect.REQUIRE_APPROVAL.value:
        members = draft.members()
        simulation.unsatisfiable.extend(
            record for record in simulation.matched if not _can_be_met(draft, record, members)
        )
    return simulation


def _can_be_met(draft: CreatePolicy | EditPolicy, record: CommandRecord, members: Members) -> bool:
    without = None if draft.requester_may_vote else int(record.actor_person or 0)
    return matching.are_filled(draft.slots(members, without=without))
