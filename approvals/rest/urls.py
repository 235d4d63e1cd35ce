"""URLs of approval requests and policies. No URL of the API ends in a slash."""

from django.urls import path

from approvals.rest.policies import PolicyViewSet
from approvals.rest.requests import ApprovalRequestViewSet

_requests = ApprovalRequestViewSet.as_view
_policies = PolicyViewSet.as_view
_item = "approval-requests/<uuid:approval_request_id>"

v2 = [
    path("approval-requests", _requests({"get": "list"}), name="approval-requests"),
    path(_item, _requests({"get": "retrieve"}), name="approval-request"),
    path(f"{_item}/approve", _requests({"post": "approve"}), name="approve"),
    path(f"{_item}/deny", _requests({"post": "deny"}), name="deny"),
    path(f"{_item}/take-back", _requests({"post": "take_back"}), name="take-back"),
    path(f"{_item}/withdraw", _requests({"post": "withdraw"}), name="withdraw"),
    path(f"{_item}/retry", _requests({"post": "retry"}), name="retry"),
    path(f"{_item}/raise-again", _requests({"post": "raise_again"}), name="raise-again"),
    path("policies", _policies({"get": "list", "post": "create"}), name="policies"),
    path(
        "policies/<uuid:policy_id>",
        _policies({"get": "retrieve", "put": "update", "delete": "disable"}),
        name="policy",
    ),
]
