"""The service layer of the log itself."""

from django.utils import timezone

from audit.commands import BeginEpoch, EpochBegun
from audit.context import Context
from audit.models import Epoch
from audit.registry import handles


@handles(BeginEpoch)
def begin_epoch(command: BeginEpoch, context: Context) -> Epoch:
    epoch = Epoch.objects.create(
        number=Epoch.objects.latest("number").number + 1,
        began_at=timezone.now(),
        command_id=context.command_id,
    )
    context.emit(EpochBegun(number=epoch.number))
    return epoch
