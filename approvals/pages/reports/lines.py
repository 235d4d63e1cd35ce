"""The lines of the report, for the page and for the file."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from approvals.pages.reports.filters import ReportFilter
from approvals.reports import answers, gaps, periods
from approvals.reports.answers import Answer, Approver, Question
from approvals.reports.scenarios import Scenario
from audit.messages.characters import quoted

#: The most changes of a period that a page evaluates.
MOST_CHANGES = 50


@dataclass(frozen=True, kw_only=True)
class Line:
    """A person who could have approved for a rule, or why such commands were refused.

    ``since`` and ``until`` are those of the period: None at a time, or if they are outside it.
    """

    governs: str
    condition: str
    tenant: str
    policies: str
    group: str
    quorum: int | None
    person: str
    person_id: int | None
    reason: str
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Report:
    """The lines, and sentences on what the log lacks; ``resumes_at`` is where a period goes on."""

    lines: Sequence[Line]
    gaps: Sequence[str]
    resumes_at: datetime | None = None


def read(form: ReportFilter, *, most: int) -> Report:
    """Return the report of a valid form, with at most ``most`` changes of a period."""
    return _in_period(form, *form.period, most=most) if form.period else _at(form, form.moment)


def _question(form: ReportFilter) -> Question:
    return Question(form.command_class, form.tenant_id, form.person_id)


def _at(form: ReportFilter, at: datetime) -> Report:
    given = answers.answers(_question(form), at=at)
    rules = [each for answer in given for each in answer.rules]
    lacking = gaps.gaps({each.rule["group_id"] for each in rules}, at=at)
    people = _people(each for rule in rules for each in rule.approvers)
    names = answers.person_names(people | lacking.people, at=at)
    groups = {each.rule["group_id"]: each.rule["group"] for each in rules}
    return Report(
        lines=[line for answer in given for line in _lines(answer, names)],
        gaps=list(gaps.sentences(lacking, names=names, groups=groups)),
    )


def _in_period(form: ReportFilter, since: datetime, until: datetime, *, most: int) -> Report:
    found, resumes_at = periods.periods(_question(form), since=since, until=until, most=most)
    lacking = gaps.gaps({each.rule["group_id"] for each in found}, at=since)
    people = _people(each.approver for each in found) | lacking.people
    # Those who are there today, and those who were at the start: others had an account in between.
    names = answers.person_names(people, at=since) | answers.person_names(people, at=None)
    for each in found:
        if missing := _people([each.approver]) - names.keys():
            names |= answers.person_names(missing, at=each.since)
    groups = {each.rule["group_id"]: each.rule["group"] for each in found}
    return Report(
        lines=[_line_of(each, names) for each in found],
        gaps=list(gaps.sentences(lacking, names=names, groups=groups)),
        resumes_at=resumes_at,
    )


def _people(approvers: Iterable[Approver]) -> set[int]:
    found = {each for a in approvers for each in (a.person_id, a.delegator_id)}
    return {each for each in found if each is not None}


def _lines(answer: Answer, names: dict[int, str]) -> Iterator[Line]:
    scenario = answer.scenario
    if scenario.problem:
        nobody: dict[str, Any] = {"group": "", "quorum": None, "person": "", "person_id": None}
        yield Line(**_of(scenario), **nobody, reason=f"refused: {scenario.problem}")
    for rule, approvers in answer.rules:
        for each in approvers:
            yield Line(**_of(scenario), **_rule(rule), **_person(each, names))
        if not approvers:
            yield Line(**_of(scenario), **_rule(rule), person="", person_id=None, reason="no one")


def _line_of(period: periods.Period, names: dict[int, str]) -> Line:
    return Line(
        **_of(period.scenario),
        **_rule(period.rule),
        **_person(period.approver, names),
        since=None if period.began_before else period.since,
        until=period.until,
    )


def _of(scenario: Scenario) -> dict[str, Any]:
    policies = [f"{each.governs}, version {each.version}" for each in scenario.policies]
    return {
        "governs": scenario.governs or "what could undo approvals",
        "condition": scenario.condition,
        "tenant": scenario.tenant,
        "policies": "; ".join([*(["built-in policy"] if scenario.is_built_in else []), *policies]),
    }


def _rule(rule: Any) -> dict[str, Any]:
    return {"group": rule["group"], "quorum": rule["quorum"]}


def _person(approver: Approver, names: dict[int, str]) -> dict[str, Any]:
    return {
        "person": names.get(approver.person_id, f"user {approver.person_id}"),
        "person_id": approver.person_id,
        "reason": _reason(approver, names),
    }


def _reason(approver: Approver, names: dict[int, str]) -> str:
    if approver.delegator_id is not None and approver.delegated_until is not None:
        delegator = names.get(approver.delegator_id, f"user {approver.delegator_id}")
        until = f"{approver.delegated_until:%Y-%m-%d %H:%M} UTC"
        reason = f"delegate of {quoted(delegator)} until {until} at the latest"
    elif approver.member_since is not None:
        reason = f"member since {approver.member_since:%Y-%m-%d %H:%M} UTC"
    else:
        reason = "member; no command that added the person is recorded"
    if not approver.can_sign:
        reason += "; could not vote without a passkey, because votes had to be signed"
    return reason
