"""What the page of an actor shows: all that one did, and as which."""

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from urllib.parse import urlencode

from django.db.models import QuerySet

from audit.actors.actors import Actor
from audit.models.records import CommandRecord
from audit.pages.lines import Line, bare_lines, window

PERSON = "user"
ACTOR_LINES = 50
# Among so many of the newest attempts the ways to act are looked for: the log has no end.
LOOKED_AT = 500


class Credential(NamedTuple):
    """One of the ways in which an actor acted: signed in, or with one of several keys."""

    kind: str
    id: str
    label: str
    person: str
    last_at: datetime

    @property
    def value(self) -> str:
        """What stands for it in an address."""
        return f"{self.kind}:{self.id}"

    @property
    def query(self) -> str:
        """The address that narrows a page down to it."""
        return urlencode({"acted_as": self.value})

    @property
    def words(self) -> str:
        """How it was used."""
        return f"{self.label}, signed in" if self.kind == PERSON else self.label


@dataclass(frozen=True, slots=True, kw_only=True)
class ActorPage:
    """What one actor did, newest first. ``older`` is where the next page begins."""

    kind: str
    id: str
    label: str
    person: str
    credentials: list[Credential]
    is_cut: bool
    acted_as: str
    lines: list[Line]
    older: int | None

    @property
    def is_person(self) -> bool:
        """Whether this is a person, who may act with keys as well."""
        return self.kind == PERSON

    @property
    def search(self) -> str:
        """The address that searches for what is shown; the search knows no persons, only keys."""
        one = self.acted_as or ("" if self.is_person else f"{self.kind}:{self.id}")
        return urlencode({"actor": one}) if one else ""

    @property
    def looked_at(self) -> int:
        """Among how many of the newest attempts the ways to act were looked for."""
        return LOOKED_AT


def actor_page(
    kind: str, identifier: str, *, reader: Actor, acted_as: str, before: int | None
) -> ActorPage | None:
    """Read what an actor did; None if there is nothing of it that the reader may see.

    A person did what was done with the person's keys, too.
    """
    done = reader.confine(_done_by(kind, identifier))
    credentials, is_cut = _credentials(done, kind)
    if not credentials:
        return None
    label, person = _named(kind, identifier, credentials)
    as_kind, _, as_id = acted_as.partition(":")
    chosen = done.filter(actor_kind=as_kind, actor_id=as_id) if acted_as else done
    records = chosen.defer("fingerprint", "data", "decision")
    page, older = window(records, before=before, size=ACTOR_LINES)
    return ActorPage(
        kind=kind,
        id=identifier,
        label=label,
        person=person,
        credentials=credentials,
        is_cut=is_cut,
        acted_as=acted_as,
        lines=bare_lines(page, actor=reader),
        older=older,
    )


def _done_by(kind: str, identifier: str) -> QuerySet[CommandRecord]:
    if kind == PERSON:
        return CommandRecord.objects.filter(actor_person=identifier)
    return CommandRecord.objects.filter(actor_kind=kind, actor_id=identifier)


class _Ways(NamedTuple):
    credentials: list[Credential]
    is_cut: bool


def _credentials(done: QuerySet[CommandRecord], kind: str) -> _Ways:
    """Tell as which the actor acted, the last one used first, and whether more were not looked at.

    Who is no person acted as nothing but itself, so the newest attempt tells it all.
    """
    columns = ("actor_kind", "actor_id", "actor_label", "actor_person", "received_at")
    newest = done.order_by("-position").values_list(*columns)
    if kind != PERSON:
        is_cut = done.order_by("-position")[LOOKED_AT : LOOKED_AT + 1].exists()
        return _Ways([Credential(*row) for row in newest[:1]], is_cut)
    rows = list(newest[: LOOKED_AT + 1])
    last: dict[tuple[str, str], Credential] = {}
    for row in rows[:LOOKED_AT]:
        last.setdefault(row[:2], Credential(*row))
    by_time = sorted(last.values(), key=lambda credential: credential.last_at, reverse=True)
    return _Ways(by_time, is_cut=len(rows) > LOOKED_AT)


def _named(kind: str, identifier: str, credentials: list[Credential]) -> tuple[str, str]:
    """Name the actor as it was called last, and the person behind it."""
    for credential in credentials:
        if (credential.kind, credential.id) == (kind, identifier):
            return credential.label, credential.person
    return f"{kind} {identifier}", credentials[0].person
