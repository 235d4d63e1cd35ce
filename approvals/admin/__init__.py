from approvals.admin.people import GroupAdmin, UserAdmin
from approvals.admin.policies import PolicyAdmin
from approvals.admin.requests import ApprovalRequestAdmin

__all__ = ["ApprovalRequestAdmin", "GroupAdmin", "PolicyAdmin", "UserAdmin"]
