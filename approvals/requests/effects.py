"""Effects of decisions on a request: displayed before the decision, and sent back with it."""

import re
from collections.abc import Collection

EXECUTES = "executes"
REFUSED = "refused_on_execution"
SCHEDULES = "schedules_execution"
ENDS = "ends_request"
TAKES_BACK = "takes_back_vote"
#: The effects of a decision that executes the command.
OF_EXECUTION = (EXECUTES, REFUSED)
_IN_WORDS = {
    EXECUTES: "execute it",
    REFUSED: "lead to a refused execution",
    SCHEDULES: "let it be executed later, at the requested time",
    ENDS: "end it",
    TAKES_BACK: "take back your vote",
}
_APPROVE_LABELS = {
    EXECUTES: "Approve: last vote, executes now",
    REFUSED: "Approve anyway: last vote, but execution would currently be refused",
    SCHEDULES: "Approve: last vote, executes at the requested time",
}
_NEEDS_MORE = "needs_([1-9][0-9]{0,8})_more"
#: Every effect, as a regular expression. In Python, "$" alone also matches before a line break.
PATTERN = f"^({'|'.join([_NEEDS_MORE, *_IN_WORDS])})(?!\\n)$"


def of_approval(*, missing: int, warnings: Collection[str], is_early: bool) -> str:
    """Return the effect of an approval after which ``missing`` more are needed.

    ``is_early`` until the time before which the command is not executed.
    """
    if missing:
        return f"needs_{missing}_more"
    return SCHEDULES if is_early else of_execution(warnings)


def of_execution(warnings: Collection[str]) -> str:
    """Return the effect of an execution, given the reasons why it would be refused."""
    return REFUSED if warnings else EXECUTES


def approve_label(effect: str) -> str:
    """Return the text of the approve button, with a warning if the approval would not help."""
    more = f"Approve ({missing_after_it(effect)} more needed after you)"
    return _APPROVE_LABELS.get(effect, more)


def in_words(effect: str) -> str:
    """Return what a decision with this effect would do."""
    missing = missing_after_it(effect)
    return _IN_WORDS.get(effect) or f"leave {missing} more approval{'s' * (missing > 1)} needed"


def missing_after_it(effect: str) -> int:
    """Return the number of approvals needed after an approval with this effect."""
    found = re.fullmatch(_NEEDS_MORE, effect)
    return int(found[1]) if found else 0
