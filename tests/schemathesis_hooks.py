"""Hooks that supply schemathesis with data that the schema does not contain."""

import random
import re
from typing import Any
from uuid import uuid4

import schemathesis
from schemathesis.generation.meta import TestPhase

#: Rules that no schema can express, between values, on characters, existing names or settings, by
#: field and code.
RULES = {
    ("", "nothing_to_change"),
    ("Execute-After", "after_deadline"),
    ("Execute-After", "invalid"),
    ("Execute-After", "not_held"),
    ("Execute-After", "past"),
    ("address", "invalid"),
    ("allowed_networks", "host_bits"),
    ("approve_within", "out_of_range"),
    ("execute_within", "out_of_range"),
    ("minimum_membership", "out_of_range"),
    ("allowed_networks", "invalid"),
    ("condition", "condition"),
    ("condition", "irrevocable"),
    ("cursor", "invalid"),
    ("delegate", "invalid"),
    ("destination", "invalid"),
    ("effect", "irrevocable"),
    ("ends_at", "out_of_range"),
    ("expires_at", "before_start"),
    ("expires_at", "past"),
    ("governs", "finishing"),
    ("governs", "secret"),
    ("governs", "unknown"),
    ("groups", "invalid"),
    ("metadata", "invalid"),
    ("metadata", "too_deep"),
    ("metadata", "too_large"),
    ("name", "misleading"),
    ("rules", "does_not_exist"),
    ("rules", "invalid"),
    ("rules", "unsatisfiable"),
    ("signed_votes", "unavailable"),
    ("since", "out_of_range"),
    ("tenant", "invalid"),
}
_IDEMPOTENCY_KEY = re.compile(r"[!-+\--~]{1,255}")
_LONGEST_NAME = 100
#: The digests of the approval requests seen so far, by id.
_requests: dict[str, str] = {}
_ETAG = re.compile(r'\*|(W/)?"[!#-~]*"')


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: dict[str, Any]) -> None:
    """Change a call so that it more often has an effect."""
    _lengthen(case)
    if case.query and not _is_positive(case):
        # A dry run of invalid data is 200: it says that the data would be refused.
        case.query.pop("dry_run", None)
    if case.meta and case.meta.phase.name == TestPhase.COVERAGE:
        _mend(case)
    elif _is_positive(case):
        _aim(case)


@schemathesis.hook
def after_call(context: Any, case: Any, response: Any) -> None:
    """Remember the approval requests in a response."""
    if response.status_code == 200 and case.path == "/api/v2/approval-requests":
        _requests.update(
            {
                row["id"]: row["digest"]
                for row in response.json()["results"]
                if "digest" in row and "id" in row
            }
        )


def _mend(case: Any) -> None:
    """Fix headers that the coverage phase never generates correctly.

    Its valid values have only letters and digits, so an If-Match has no quotes and Execute-After is
    no time; and it uses the same Idempotency-Key for every request.
    """
    # Read once: with the first of them mended, a case still counts as negative.
    is_positive = _is_positive(case)
    for name in ("If-Match", "If-None-Match"):
        if is_positive and not _ETAG.fullmatch(case.headers.get(name, "*")):
            del case.headers[name]
    if is_positive and "T" not in case.headers.get("Execute-After", "T"):
        del case.headers["Execute-After"]
    if is_positive:
        _carry_out(case)
    if _IDEMPOTENCY_KEY.fullmatch(case.headers.get("Idempotency-Key", "")):
        case.headers["Idempotency-Key"] = str(uuid4())


def _lengthen(case: Any) -> None:
    """Make a name too long even without its surrounding white space, which version 1 strips."""
    body = case.body if isinstance(case.body, dict) else {}
    name = body.get("name") if case.path.startswith("/api/v1/") else None
    if isinstance(name, str) and len(name.strip()) <= _LONGEST_NAME < len(name):
        body["name"] = name.strip().ljust(_LONGEST_NAME + 1, "x")


def _aim(case: Any) -> None:
    """Use existing ids, half of the time, and wait at most a second for a command."""
    if case.query and case.query.get("wait"):
        case.query["wait"] = 1
    _carry_out(case)
    body = case.body if isinstance(case.body, dict) else {}
    if _requests and "approval_request_id" in case.path_parameters and _chance():
        request = random.choice(list(_requests))
        case.path_parameters["approval_request_id"] = request
        body.update({"digest": _requests[request]} if "digest" in body else {})
    if "governs" in body and _chance():
        body["governs"] = random.choice(("apikeys.enable", "apikeys.*"))
        body["condition"] = random.choice(("", "true"))
        body.pop("tenant", None)
        body["rules"] = [{"group": "Security", "quorum": 1}]


def _carry_out(case: Any) -> None:
    """Remove, three times of four, a dry run and conditions that only an ETag could meet."""
    if case.query and random.randrange(4):
        case.query.pop("dry_run", None)
    for name in ("If-Match", "If-None-Match"):
        if random.randrange(4):
            case.headers.pop(name, None)


def _chance() -> bool:
    return random.random() < 0.5


@schemathesis.check
def only_rules_refuse_valid_data(context: Any, response: Any, case: Any) -> None:
    """Assert that data that fits the document is refused only by the rules above."""
    if _is_positive(case) and response.status_code == 400:
        errors = response.json().get("errors")
        if errors is None and "Idempotency-Key" in case.headers:
            # A repeat of a refused request returns the recorded error, without fields.
            return
        errors = errors or [{}]
        refused = {(_place(error), error.get("code")) for error in errors}
        assert refused <= RULES, f"refused by {sorted(map(str, refused - RULES))}"


@schemathesis.check
def the_problem_is_documented(context: Any, response: Any, case: Any) -> None:
    """Assert that the operation documents the code of a problem."""
    told = case.operation.definition.raw["responses"].get(str(response.status_code), {})
    codes = re.findall(r"`(\w+)`", told.get("description", ""))
    if codes:
        code = response.json()["code"]
        assert code in codes, f"{code} is not among {codes}"


def _is_positive(case: Any) -> bool:
    return case.meta is None or case.meta.generation.mode.is_positive


def _place(error: dict[str, str]) -> str | None:
    """Return the first part of an error's location."""
    if "pointer" in error:
        return error["pointer"].strip("/").partition("/")[0]
    return error.get("parameter") or error.get("header")
