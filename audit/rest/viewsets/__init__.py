"""Viewsets that send commands to the bus, and read the log."""

from audit.rest.viewsets.actors import ActorViewSet, ExceptionHandler, WhoamiViewSet
from audit.rest.viewsets.commands import LONGEST_REASON, CommandInput, CommandViewSet, status_url
from audit.rest.viewsets.log import CommandLogViewSet, EventViewSet

__all__ = [
    "LONGEST_REASON",
    "ActorViewSet",
    "CommandInput",
    "CommandLogViewSet",
    "CommandViewSet",
    "EventViewSet",
    "ExceptionHandler",
    "WhoamiViewSet",
    "status_url",
]
