"""Refusals of commands on webhook endpoints."""

from audit.messages.exceptions import Conflict, Forbidden


class EndpointDeleted(Conflict):
    """The webhook endpoint is deleted, and that is final."""

    remedy = "Create another endpoint: deletion cannot be undone."


class SecretRotationUnderWay(Conflict):
    """The webhook endpoint already has two secrets that sign."""

    title = "Rotation in progress"
    remedy = "Wait until the old secret expires, or rotate with an overlap of 0."


class NoSecretWaiting(Conflict):
    """The webhook endpoint has no secret to pick up."""

    remedy = "Rotate the secret of the endpoint to get another one."


class NotRequesterOfSecret(Forbidden):
    """Only the requester of the secret may pick it up: the same credential, or its owner."""

    title = "Not the requester of the secret"
    remedy = "Use the requesting credential, or sign in as its owner; or rotate the secret."


class NoSecretToSign(Conflict):
    """The webhook endpoint has no secret yet, so nothing can be sent to it."""

    remedy = "Pick up the secret, or rotate it."


class EndpointDisabled(Conflict):
    """The webhook endpoint is disabled, so nothing can be sent to it."""

    remedy = "Enable the endpoint, then repeat the command."


class TooManyDeliveries(Conflict):
    """Too many deliveries would be sent again at once."""

    remedy = "Choose a later time: the detail names the limit."
