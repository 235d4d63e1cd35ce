"""The public API for adopting an existing project: its views and admin pages as commands."""

from audit.adoption.admin import CommandedAdmin
from audit.adoption.commands import ViewCommand
from audit.adoption.functions import commanded
from audit.adoption.views import CommandedView

__all__ = [
    "CommandedAdmin",
    "CommandedView",
    "ViewCommand",
    "commanded",
]
