from approvals.models.policies import AlreadyDisabled, Effect, Policy, Rule
from approvals.models.refusals import (
    AlreadyDecided,
    AlreadyVoted,
    NotActive,
    NotAnApprover,
    NotAPerson,
    NotEnoughApprovals,
    NothingToTakeBack,
    NothingToTighten,
    NotTheRequester,
    NotToBeRaisedAgain,
    NotToBeRetried,
    NotYetExpired,
    OwnRequest,
    SeenAnother,
    TooLate,
    TooNew,
)
from approvals.models.requests import ApprovalRequest
from approvals.models.states import State
from approvals.models.votes import Decision, Vote

__all__ = [
    "AlreadyDecided",
    "AlreadyDisabled",
    "AlreadyVoted",
    "ApprovalRequest",
    "Decision",
    "Effect",
    "NotAPerson",
    "NotActive",
    "NotAnApprover",
    "NotEnoughApprovals",
    "NotTheRequester",
    "NotToBeRaisedAgain",
    "NotToBeRetried",
    "NotYetExpired",
    "NothingToTakeBack",
    "NothingToTighten",
    "OwnRequest",
    "Policy",
    "Rule",
    "SeenAnother",
    "State",
    "TooLate",
    "TooNew",
    "Vote",
]
