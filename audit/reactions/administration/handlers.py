"""The handlers of the commands about subscriptions."""

from django.db.models import QuerySet

from audit.bus.context import Context
from audit.bus.handling import handles, precondition
from audit.messages.classes import Subject
from audit.messages.exceptions import Conflict, FieldError, Forbidden, Invalid, NotFound
from audit.models.subscriptions import Checkpoint, Setback
from audit.reactions import checkpoints, commands, declarations, setbacks
from audit.reactions.administration.repartitioning import repartition


class SubscriptionUnchanged(Conflict):
    """The subscription is already paused, or already running."""


class PartitionsUnchanged(Conflict):
    """The subscription has this number of partitions already."""


class NotFirstSetback(Conflict):
    """An earlier event of the subject was set aside, too: it comes first."""


@handles(commands.PauseSubscription)
def pause_subscription(command: commands.PauseSubscription, context: Context) -> None:
    check_pause(command, context)
    _set_state(command.subscription, Checkpoint.State.PAUSED)
    context.emit(commands.SubscriptionPaused(subscription=command.subscription))


@handles(commands.ResumeSubscription)
def resume_subscription(command: commands.ResumeSubscription, context: Context) -> None:
    check_resumption(command, context)
    _set_state(command.subscription, Checkpoint.State.RUNNING)
    context.emit(commands.SubscriptionResumed(subscription=command.subscription))


@handles(commands.RepartitionSubscription)
def repartition_subscription(command: commands.RepartitionSubscription, context: Context) -> None:
    repartition(check_repartition(command, context), command.partitions)
    context.emit(commands.SubscriptionRepartitioned(**command.plain()))


@handles(commands.RequeueSetback)
def requeue_setback(command: commands.RequeueSetback, context: Context) -> None:
    setback = _checked_setback(command, context)
    setback.attempts = 0
    setbacks.schedule(setback)
    context.emit(commands.SetbackRequeued(**command.plain()))


@handles(commands.SkipSetback)
def skip_setback(command: commands.SkipSetback, context: Context) -> None:
    setback = check_skip(command, context)
    setback.delete()
    setbacks.promote(command.subscription, Subject(command.about_type, command.about_id))
    context.emit(commands.SetbackSkipped(**command.plain()))


@precondition(commands.PauseSubscription)
def check_pause(command: commands.PauseSubscription, context: Context) -> None:
    """Check that the subscription is running."""
    _check_state(command.subscription, Checkpoint.State.RUNNING, context)


@precondition(commands.ResumeSubscription)
def check_resumption(command: commands.ResumeSubscription, context: Context) -> None:
    """Check that the subscription is paused."""
    _check_state(command.subscription, Checkpoint.State.PAUSED, context)


@precondition(commands.RepartitionSubscription)
def check_repartition(
    command: commands.RepartitionSubscription, context: Context
) -> declarations.Subscription:
    """Check that the number of partitions can be changed; return the subscription.

    :raises Invalid: if the number is impossible.
    """
    _check_sees_everything(context)
    subscription = declarations.find(command.subscription)
    most = subscription.most_partitions if subscription else declarations.MOST_PARTITIONS
    if not 0 < command.partitions <= most:
        message = f"must be 1 to {most}"
        raise Invalid(errors=[FieldError("partitions", "out_of_range", message)])
    stored = checkpoints.counts([command.subscription]).get(command.subscription)
    if stored is None or subscription is None:
        message = f"No worker runs the subscription {command.subscription}."
        raise NotFound(message)
    if stored == command.partitions:
        raise PartitionsUnchanged
    return subscription


@precondition(commands.RequeueSetback)
def check_setback(command: commands.RequeueSetback, context: Context) -> None:
    """Check that the event can be attempted again."""
    _checked_setback(command, context)


@precondition(commands.SkipSetback)
def check_skip(command: commands.SkipSetback, context: Context) -> Setback:
    """Check that the event can be skipped, and that there is a reason; return what is deleted.

    :raises Invalid: without a reason.
    """
    if not context.reason.strip():
        message = "is required: an event without an effect has to be explained"
        raise Invalid(errors=[FieldError("reason", "required", message)])
    return _checked_setback(command, context)


def _check_state(name: str, state: Checkpoint.State, context: Context) -> None:
    _check_sees_everything(context)
    checkpoint = _locked(name).first()
    if checkpoint is None:
        message = f"No worker has run the subscription {name} yet."
        raise NotFound(message)
    if checkpoint.state != state:
        raise SubscriptionUnchanged


def _checked_setback(
    command: commands.RequeueSetback | commands.SkipSetback, context: Context
) -> Setback:
    """Return the setback, locked, if it is the first one of its subject."""
    _check_sees_everything(context)
    of_subject = setbacks.all_of(
        command.subscription, Subject(command.about_type, command.about_id)
    )
    setback = of_subject.select_for_update().filter(number=command.number).first()
    if setback is None:
        message = "This event is no longer set aside."
        raise NotFound(message)
    if not setbacks.is_first(setback):
        raise NotFirstSetback
    return setback


def _check_sees_everything(context: Context) -> None:
    """Check that the actor may act for every tenant, as a subscription does."""
    if context.actor.is_confined:
        message = "Only someone who sees every customer may manage subscriptions."
        raise Forbidden(message)


def _set_state(name: str, state: Checkpoint.State) -> None:
    for checkpoint in _locked(name):
        checkpoint.state = state
        checkpoint.save(force_update=True, update_fields=["state"])


def _locked(name: str) -> QuerySet[Checkpoint]:
    return Checkpoint.objects.select_for_update().filter(name=name).order_by("partition")
