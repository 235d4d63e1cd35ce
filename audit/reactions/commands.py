"""The commands and events about subscriptions."""

from dataclasses import dataclass

from audit.messages.classes import Command, Event, SubjectOf

MANAGE = "audit.manage_subscriptions"
_SUBSCRIPTION = SubjectOf("subscription", "subscription")


@dataclass(frozen=True, kw_only=True)
class PauseSubscription(Command):
    """Pause a subscription: its function is not called until it is resumed."""

    message_type = "audit.pause_subscription"
    required_permission = MANAGE
    subject = _SUBSCRIPTION
    sentence = "Pause the subscription {subscription}"
    depends_on = ()

    subscription: str


@dataclass(frozen=True, kw_only=True)
class ResumeSubscription(Command):
    """Resume a paused subscription, from the event where it stopped."""

    message_type = "audit.resume_subscription"
    required_permission = MANAGE
    subject = _SUBSCRIPTION
    sentence = "Resume the subscription {subscription}"
    depends_on = ()

    subscription: str


@dataclass(frozen=True, kw_only=True)
class RequeueSetback(Command):
    """Attempt an event of a subscription again that was set aside, from the first attempt on."""

    message_type = "audit.requeue_setback"
    required_permission = MANAGE
    subject = _SUBSCRIPTION
    sentence = "Retry event {number} of {about_type} {about_id} for the subscription {subscription}"
    depends_on = ()

    subscription: str
    about_type: str
    about_id: str
    number: int


@dataclass(frozen=True, kw_only=True)
class SkipSetback(Command):
    """Skip an event of a subscription that was set aside: it will have no effect there."""

    message_type = "audit.skip_setback"
    required_permission = MANAGE
    subject = _SUBSCRIPTION
    sentence = "Skip event {number} of {about_type} {about_id} for the subscription {subscription}"
    depends_on = ()

    subscription: str
    about_type: str
    about_id: str
    number: int


@dataclass(frozen=True, kw_only=True)
class SubscriptionPaused(Event):
    """A subscription was paused."""

    message_type = "audit.subscription_paused"
    subject = _SUBSCRIPTION

    subscription: str


@dataclass(frozen=True, kw_only=True)
class SubscriptionResumed(Event):
    """A subscription was resumed."""

    message_type = "audit.subscription_resumed"
    subject = _SUBSCRIPTION

    subscription: str


@dataclass(frozen=True, kw_only=True)
class SetbackRequeued(Event):
    """An event that a subscription had set aside is attempted again."""

    message_type = "audit.setback_requeued"
    subject = _SUBSCRIPTION

    subscription: str
    about_type: str
    about_id: str
    number: int


@dataclass(frozen=True, kw_only=True)
class SetbackSkipped(Event):
    """An event that a subscription had set aside was skipped."""

    message_type = "audit.setback_skipped"
    subject = _SUBSCRIPTION

    subscription: str
    about_type: str
    about_id: str
    number: int
