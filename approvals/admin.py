from approvals.people_admin import GroupAdmin, UserAdmin
from approvals.policy_admin import PolicyAdmin
from approvals.request_admin import ApprovalRequestAdmin

__all__ = ["ApprovalRequestAdmin", "GroupAdmin", "PolicyAdmin", "UserAdmin"]
