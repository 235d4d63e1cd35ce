"""The page of an actor: its commands, and the credentials used for them."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from operator import attrgetter
from typing import Any, NamedTuple
from urllib.parse import urlencode

from django.db.models import QuerySet

from audit.actors.actors import Actor
from audit.messages.characters import actor_name
from audit.models.records import CommandRecord
from audit.pages.lines import bare_lines, window

PERSON = "user"
ACTOR_LINES = 50
# The newest attempts in which credentials are looked for: the log is unlimited.
LOOKED_AT = 500
_COLUMNS = ("actor_kind", "actor_id", "actor_label", "actor_person", "received_at")


class Credential(NamedTuple):
    """A credential that an actor used: a person's session, or one of the person's keys."""

    kind: str
    id: str
    label: str
    person: str
    last_at: datetime

    @property
    def value(self) -> str:
        """The credential in the URL of the page with only its commands."""
        return f"{self.kind}:{self.id}"

    @property
    def words(self) -> str:
        """The label of the credential."""
        return f"{actor_name(self.label)}, signed in" if self.kind == PERSON else self.label


def actor_page(
    kind: str, identifier: str, *, reader: Actor, acted_as: str, before: int | None
) -> dict[str, Any] | None:
    """Return the page of an actor; None if the reader may see none of its commands.

    The commands of a person include those sent with the person's keys.
    """
    done = reader.confine(_commands_of(kind, identifier))
    is_person = kind == PERSON
    # Other actors have only themselves as a credential.
    most = LOOKED_AT + 1 if is_person else 1
    rows = list(done.order_by("-position").values_list(*_COLUMNS)[:most])
    credentials = _credentials(Credential(*row) for row in rows[:LOOKED_AT])
    if not credentials:
        return None
    label, person = _named(kind, identifier, credentials)
    as_kind, _, as_id = acted_as.partition(":")
    chosen = done.filter(actor_kind=as_kind, actor_id=as_id) if acted_as else done
    records = chosen.defer("fingerprint", "data", "decision")
    page, older = window(records, before=before, size=ACTOR_LINES)
    # The search finds credentials, not persons.
    searched = acted_as or ("" if is_person else f"{kind}:{identifier}")
    return {
        "label": label,
        "person": person,
        "is_person": is_person,
        "credentials": credentials,
        "is_cut": len(rows) > LOOKED_AT,
        "looked_at": LOOKED_AT,
        "acted_as": acted_as,
        "search": urlencode({"actor": searched}) if searched else "",
        "lines": bare_lines(page, actor=reader),
        "older": older,
    }


def _commands_of(kind: str, identifier: str) -> QuerySet[CommandRecord]:
    if kind == PERSON:
        return CommandRecord.objects.filter(actor_person=identifier)
    return CommandRecord.objects.filter(actor_kind=kind, actor_id=identifier)


def _credentials(newest: Iterable[Credential]) -> list[Credential]:
    """Return each credential once, the last one used first."""
    last: dict[str, Credential] = {}
    for credential in newest:
        last.setdefault(credential.value, credential)
    return sorted(last.values(), key=attrgetter("last_at"), reverse=True)


def _named(kind: str, identifier: str, credentials: Sequence[Credential]) -> tuple[str, str]:
    """Return the last label of the actor, and the person behind it."""
    for credential in credentials:
        if (credential.kind, credential.id) == (kind, identifier):
            return credential.label, credential.person
    return f"{kind} {identifier}", credentials[0].person
