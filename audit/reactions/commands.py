"""The commands and events about subscriptions."""

from dataclasses import dataclass

from audit.messages.classes import Command, Event, SubjectOf

MANAGE = "audit.manage_subscriptions"
_SUBSCRIPTION = SubjectOf("subscription", "subscription")


@dataclass(frozen=True, kw_only=True)
class _OnSubscription(Command):
    required_permission = MANAGE
    subject = _SUBSCRIPTION
    depends_on = ()

    subscription: str


@dataclass(frozen=True, kw_only=True)
class _OnSetback(_OnSubscription):
    about_type: str
    about_id: str
    number: int


@dataclass(frozen=True, kw_only=True)
class _OfSubscription(Event):
    subject = _SUBSCRIPTION

    subscription: str


@dataclass(frozen=True, kw_only=True)
class _OfSetback(_OfSubscription):
    about_type: str
    about_id: str
    number: int


@dataclass(frozen=True, kw_only=True)
class PauseSubscription(_OnSubscription):
    """Pause a subscription: its function is not called until it is resumed."""

    message_type = "audit.pause_subscription"
    sentence = "Pause the subscription {subscription}"


@dataclass(frozen=True, kw_only=True)
class ResumeSubscription(_OnSubscription):
    """Resume a paused subscription, from the event where it stopped."""

    message_type = "audit.resume_subscription"
    sentence = "Resume the subscription {subscription}"


@dataclass(frozen=True, kw_only=True)
class RepartitionSubscription(_OnSubscription):
    """Change the number of partitions of a subscription: how many workers can share it."""

    message_type = "audit.repartition_subscription"
    sentence = "Divide the subscription {subscription} into {partitions} partitions"

    partitions: int


@dataclass(frozen=True, kw_only=True)
class RequeueSetback(_OnSetback):
    """Attempt an event of a subscription again that was set aside, from the first attempt on."""

    message_type = "audit.requeue_setback"
    sentence = "Retry event {number} of {about_type} {about_id} for the subscription {subscription}"


@dataclass(frozen=True, kw_only=True)
class SkipSetback(_OnSetback):
    """Skip an event of a subscription that was set aside: it will have no effect there."""

    message_type = "audit.skip_setback"
    sentence = "Skip event {number} of {about_type} {about_id} for the subscription {subscription}"


@dataclass(frozen=True, kw_only=True)
class SubscriptionPaused(_OfSubscription):
    """A subscription was paused."""

    message_type = "audit.subscription_paused"


@dataclass(frozen=True, kw_only=True)
class SubscriptionResumed(_OfSubscription):
    """A subscription was resumed."""

    message_type = "audit.subscription_resumed"


@dataclass(frozen=True, kw_only=True)
class SubscriptionRepartitioned(_OfSubscription):
    """A subscription has another number of partitions."""

    message_type = "audit.subscription_repartitioned"

    partitions: int


@dataclass(frozen=True, kw_only=True)
class SetbackRequeued(_OfSetback):
    """An event that a subscription had set aside is attempted again."""

    message_type = "audit.setback_requeued"


@dataclass(frozen=True, kw_only=True)
class SetbackSkipped(_OfSetback):
    """An event that a subscription had set aside was skipped."""

    message_type = "audit.setback_skipped"
