from approvals.models.policies import Effect, Policy, Rule
from approvals.models.requests import ApprovalRequest
from approvals.models.seals import PolicySeal
from approvals.models.states import State
from approvals.models.votes import Decision, Delegation, Vote

__all__ = [
    "ApprovalRequest",
    "Decision",
    "Delegation",
    "Effect",
    "Policy",
    "PolicySeal",
    "Rule",
    "State",
    "Vote",
]
