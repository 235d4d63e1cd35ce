from apikeys.models.customers import Customer, Membership
from apikeys.models.keys import ApiKey, Environment, State
from apikeys.models.names import KeyName
from apikeys.models.secrets import ApiKeySecret, PickUp
from apikeys.models.usage import ApiKeyUsage

__all__ = [
    "ApiKey",
    "ApiKeySecret",
    "ApiKeyUsage",
    "Customer",
    "Environment",
    "KeyName",
    "Membership",
    "PickUp",
    "State",
]
