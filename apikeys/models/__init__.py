from apikeys.models.allowances import Allowance
from apikeys.models.customers import Customer, Membership
from apikeys.models.keys import ApiKey, Environment, State
from apikeys.models.refusals import (
    AlreadyDeleted,
    AlreadyDisabled,
    AlreadyEnabled,
    NameTaken,
    NotAMember,
    NothingToChange,
    NothingToPickUp,
    NotYours,
    PickUpExpired,
    RotationUnderWay,
)
from apikeys.models.secrets import ApiKeySecret, PickUp
from apikeys.models.usage import ApiKeyUsage

__all__ = [
    "Allowance",
    "AlreadyDeleted",
    "AlreadyDisabled",
    "AlreadyEnabled",
    "ApiKey",
    "ApiKeySecret",
    "ApiKeyUsage",
    "Customer",
    "Environment",
    "Membership",
    "NameTaken",
    "NotAMember",
    "NotYours",
    "NothingToChange",
    "NothingToPickUp",
    "PickUp",
    "PickUpExpired",
    "RotationUnderWay",
    "State",
]
