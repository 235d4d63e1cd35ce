"""Refusals of commands by the state of an API key."""

from audit.domain import Conflict, Forbidden


class NameTaken(Conflict):
    """There is a customer of that name already: take another name."""

    remedy = "Take another name, or use the customer that has this one."


class NotAMember(Conflict):
    """The owner of a key has to act for its customer."""

    remedy = "Have the person added to the customer, or name another owner."


class AlreadyEnabled(Conflict):
    """The API key is already enabled."""

    remedy = "Nothing is left to do."


class AlreadyDisabled(Conflict):
    """The API key is already disabled."""

    remedy = "Nothing is left to do."


class AlreadyDeleted(Conflict):
    """The API key is deleted, and that is final."""

    remedy = "Create another key: what is deleted does not come back."


class NothingToChange(Conflict):
    """The API key is already as you want it."""

    remedy = "Nothing is left to do."


class RotationUnderWay(Conflict):
    """The API key has two secrets that work already."""

    remedy = "Wait until the old secret ends, or rotate with an overlap of 0."


class NothingToPickUp(Conflict):
    """No secret of the API key waits to be picked up."""

    remedy = "Rotate the key to get another secret."


class PickUpExpired(Conflict):
    """The time to pick up the secret is over: rotate the key to get another one."""

    remedy = "Rotate the key to get another secret."


class NotYours(Forbidden):
    """Only who asked for the secret may pick it up: the same credential, or its owner signed in."""

    remedy = "Use the credential that asked, or sign in as its owner; or rotate the key."
