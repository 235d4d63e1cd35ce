"""URLs of approval requests, policies and delegations. No URL of the API ends in a slash."""

from django.urls import path

from approvals.rest.delegations import DelegationViewSet
from approvals.rest.policies import PolicyViewSet
from approvals.rest.requests import ApprovalRequestViewSet

_requests = ApprovalRequestViewSet.as_view
_policies = PolicyViewSet.as_view
_delegations = DelegationViewSet.as_view
_item = "approval-requests/<any_uuid:approval_request_id>"

v2 = [
    path("approval-requests", _requests({"get": "list"}), name="approval-requests"),
    path(_item, _requests({"get": "retrieve"}), name="approval-request"),
    *(
        path(f"{_item}/{verb}", _requests({"post": verb.replace("-", "_")}), name=verb)
        for verb in (
            *("approve", "deny", "request-changes", "remind", "take-back"),
            *("withdraw", "retry", "raise-again"),
        )
    ),
    path(f"{_item}/evidence", _requests({"get": "evidence"}), name="evidence"),
    path(f"{_item}/comments", _requests({"post": "comment"}), name="comments"),
    path("policies", _policies({"get": "list", "post": "create"}), name="policies"),
    path(
        "policies/<any_uuid:policy_id>",
        _policies({"get": "retrieve", "put": "update", "delete": "disable"}),
        name="policy",
    ),
    path("delegations", _delegations({"get": "list", "post": "create"}), name="delegations"),
    path(
        "delegations/<any_uuid:delegation_id>",
        _delegations({"get": "retrieve", "delete": "end"}),
        name="delegation",
    ),
]
