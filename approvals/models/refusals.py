"""Why a request is not decided the way somebody wants."""

from audit.exceptions import Conflict, Forbidden, PreconditionFailed


class AlreadyDecided(Conflict):
    """The request is decided already."""


class AlreadyVoted(Conflict):
    """You have voted on this request already."""


class NothingToTakeBack(Conflict):
    """You have no vote on this request that could be taken back."""


class TooLate(Conflict):
    """The time to approve this request is over."""


class NotToBeRetried(Conflict):
    """Only what failed in a way that may pass can be tried again."""


class NothingToTighten(Conflict):
    """The policies ask for nothing by now that this request does not ask for already."""


class NotToBeRaisedAgain(Conflict):
    """Only what was refused, failed, expired or was denied can be asked for once more."""


class NotYetExpired(Conflict):
    """The time to approve this request is not over yet."""


class NotEnoughApprovals(Conflict):
    """Not enough of those who approved still count."""


class OwnRequest(Forbidden):
    """You asked for this yourself, or a key of yours did: others have to approve it."""


class NotAnApprover(Forbidden):
    """You belong to no group that may approve this request."""


class TooNew(Forbidden):
    """You have not been a member long enough to approve this request."""


class NotAPerson(Forbidden):
    """Only people vote, signed in as themselves; keys and programs do not."""


class NotActive(Forbidden):
    """Your account is not active."""


class NotTheRequester(Forbidden):
    """Only who asked for this may withdraw it, or ask for it again."""


class SeenAnother(PreconditionFailed):
    """What you saw is not what this request asks for: open it again, then decide."""
