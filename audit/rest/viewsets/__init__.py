"""Viewsets that send commands to the bus, and read the log."""

from audit.rest.viewsets.actors import ActorViewSet, ExceptionHandler, WhoamiViewSet
from audit.rest.viewsets.commands import CommandInput, CommandViewSet, status_url
from audit.rest.viewsets.log import CommandLogViewSet, EventViewSet

__all__ = [
    "ActorViewSet",
    "CommandInput",
    "CommandLogViewSet",
    "CommandViewSet",
    "EventViewSet",
    "ExceptionHandler",
    "WhoamiViewSet",
    "status_url",
]
