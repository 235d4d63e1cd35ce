"""Why a request is not decided the way somebody wants."""

from audit.messages.exceptions import Conflict, Forbidden, PreconditionFailed


class AlreadyDecided(Conflict):
    """The request is decided already."""

    remedy = "Read the request: its state and its outcome tell what was decided."


class AlreadyVoted(Conflict):
    """You have voted on this request already."""

    remedy = "Nothing is left to do; to vote otherwise, take your vote back first."


class NothingToTakeBack(Conflict):
    """You have no vote on this request that could be taken back."""

    remedy = "Read the request: its votes tell which of them stand."


class TooLate(Conflict):
    """The time to approve this request is over."""

    remedy = "Have whoever asked raise it again, and approve that request."


class NotToBeRetried(Conflict):
    """Only what failed in a way that may pass can be tried again."""

    remedy = "Raise it again instead, where it is still needed."


class NothingToTighten(Conflict):
    """The policies ask for nothing by now that this request does not ask for already."""

    remedy = "Nothing is left to do: the request asks for all of it already."


class NotToBeRaisedAgain(Conflict):
    """Only what was refused, failed, expired or was denied can be asked for once more."""

    remedy = "Follow the request as it is, or ask for the same anew."


class NotYetExpired(Conflict):
    """The time to approve this request is not over yet."""

    remedy = "Wait until approve_by has passed, or deny the request."


class NotEnoughApprovals(Conflict):
    """Not enough of those who approved still count."""

    remedy = "Have others who may approve vote on it."


class OwnRequest(Forbidden):
    """You asked for this yourself, or a key of yours did: others have to approve it."""

    remedy = "Have somebody else of the group vote."


class NotAnApprover(Forbidden):
    """You belong to no group that may approve this request."""

    remedy = "Have somebody vote who belongs to a group that the requirements name."


class TooNew(Forbidden):
    """You have not been a member long enough to approve this request."""

    remedy = "Have somebody vote who has belonged to the group for longer."


class NotAPerson(Forbidden):
    """Only people vote, signed in as themselves; keys and programs do not."""

    remedy = "Sign in as a person and vote there."


class NotActive(Forbidden):
    """Your account is not active."""

    remedy = "Have an administrator activate the account."


class NotTheRequester(Forbidden):
    """Only who asked for this may withdraw it, or ask for it again."""

    remedy = "Have whoever asked do it, or deny the request instead."


class SeenAnother(PreconditionFailed):
    """What you saw is not what this request asks for: open it again, then decide."""

    remedy = "Read the request again, and send its present digest if you still agree."
