"""The reasons in a timeline why a held command was not executed."""

from approvals.decisions import commands
from audit.messages.characters import actor_name
from audit.models.records import CommandRecord
from audit.pages.safe_text import one_line

_LONGEST = 160
_BY_PERSON = {
    "denied": "denied it",
    "withdrawn": "withdrew it",
}
_WITHOUT = {
    "expired": "it was not decided in time",
    "superseded": "a newer request replaced it",
    "too_late": "the time for execution had passed",
    "unloadable": "its content was no longer readable",
}


def why_cancelled(cancelled: CommandRecord, cause: CommandRecord | None) -> str:
    """Return the label of a cancelled attempt, with the person who ended the request."""
    did = _BY_PERSON.get(cancelled.error_code)
    if cause and cause.message_type == commands.RequestChanges.message_type:
        did = "requested changes"
    if did and cause:
        name = one_line(actor_name(cause.actor_label), longest=_LONGEST)
        return f"Not executed: {name} {did}"
    because = _WITHOUT.get(cancelled.error_code)
    return f"Not executed: {because}" if because else "Not executed"
