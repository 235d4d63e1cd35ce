"""Refusals of commands by the state of an API key."""

from audit.domain import Conflict, Forbidden


class NameTaken(Conflict):
    """A customer with this name already exists: use another name."""

    remedy = "Use another name, or the existing customer."


class NotAMember(Conflict):
    """The owner of a key must be a member of its customer."""

    remedy = "Ask an administrator to add the user to the customer, or name another owner."


class AlreadyEnabled(Conflict):
    """The API key is already enabled."""

    remedy = "No action is needed."


class AlreadyDisabled(Conflict):
    """The API key is already disabled."""

    remedy = "No action is needed."


class AlreadyDeleted(Conflict):
    """The API key is deleted, and that is final."""

    remedy = "Create another key: deletion cannot be undone."


class NothingToChange(Conflict):
    """The API key is already as you want it."""

    remedy = "No action is needed."


class RotationUnderWay(Conflict):
    """The API key already has two valid secrets."""

    title = "Rotation in progress"
    remedy = "Wait until the old secret expires, or rotate with an overlap of 0."


class RevocationWaiting(Conflict):
    """A key cannot change itself while a request to disable or delete it is waiting."""

    title = "Revocation waiting"
    remedy = "Wait for the decision on the request, or use another credential."


class PickUpWaiting(Conflict):
    """A secret of the API key is waiting to be picked up: a rotation would give it up."""

    title = "Secret not picked up yet"
    remedy = "Have the secret picked up, or rotate with replace_pick_up, which gives it up."


class NothingToPickUp(Conflict):
    """The API key has no secret to pick up."""

    remedy = "Rotate the key to get another secret."


class PickUpExpired(Conflict):
    """The deadline for picking up the secret has passed: rotate the key to get another one."""

    remedy = "Rotate the key to get another secret."


class NotYours(Forbidden):
    """Only the credential that requested the secret, or its owner signed in, may pick it up."""

    title = "Not the requester of the secret"
    remedy = "Use the requesting credential, or sign in as its owner; or rotate the key."
