"""A log of millions of records, written past the bus by SQL, and auditors who read it."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from importlib import import_module
from itertools import accumulate
from typing import Any, NamedTuple
from uuid import UUID

from django.contrib.auth.models import Permission, User
from django.db import connections
from django.db.models import Index

from apikeys.commands import AddMember, CreateApiKey, CreateCustomer
from apikeys.models import ApiKey, Customer
from audit.entry.shell import carry_out
from audit.log.search.time_ranges import Cursor
from audit.models.records import CommandRecord, EventRecord, Record
from benchmarks import rows
from benchmarks.peers import Dispatcher

_CUSTOMERS = 200
_BATCH = 250_000
_MOST_DAYS = 365
_LEAST_A_DAY = 3_000
_MOST_ACTORS = 5_000
_LEAST_OF_AN_ACTOR = 20
_MOST_KEYS = 2_500
_LEAST_OF_A_KEY = 400
_LEAST_WAITING = 6_400
_SHARE_WAITING = 0.005
# As many records of one key or actor fill each page that is about it.
_FULL_PAGE = 100
_CHANGES = 2_000
_TABLES: tuple[type[Record], ...] = (CommandRecord, EventRecord)
_BUSY_KEY = "changed often"
_WORDS_INDEX: Any = import_module("audit.migrations.0005_index_for_search")


class HalfMade(Exception):
    """An earlier run that made a log was interrupted."""


class Example(NamedTuple):
    """The record that the searches look for."""

    record: CommandRecord

    def fills_pages(self) -> bool:
        """Return True if its subject and its actor have enough other records."""
        record, records = self.record, CommandRecord.objects.order_by()
        of_subject = records.filter(subject_type=record.subject_type, subject_id=record.subject_id)
        of_actor = records.filter(actor_kind=record.actor_kind, actor_id=record.actor_id)
        return of_subject[_FULL_PAGE:].exists() and of_actor[_FULL_PAGE:].exists()

    @property
    def ticket(self) -> str:
        """A word that is in few reasons."""
        return self.record.reason.rpartition(" ")[2]

    @property
    def place(self) -> Cursor:
        """Its place in the search results."""
        return Cursor(self.record.received_at, self.record.position)

    @property
    def actor(self) -> str:
        """The actor."""
        return f"{self.record.actor_kind}:{self.record.actor_id}"

    @property
    def person(self) -> str:
        """The name of the actor, or of the person behind the key."""
        return self.record.actor_label.partition(",")[0]

    @property
    def subject(self) -> str:
        """The subject."""
        return f"{self.record.subject_type}:{self.record.subject_id}"


class Log:
    """Commands of a year, more of them by day than by night, and their events."""

    def __init__(self, records: int) -> None:
        self.records = records
        self.days = min(_MOST_DAYS, max(1, records // _LEAST_A_DAY))
        self._owner = connections["owner"].cursor()

    def is_made(self) -> bool:
        """Return True if an earlier run has made and kept it.

        :raises HalfMade: if that run did not finish.
        """
        if ApiKey.objects.filter(name=_BUSY_KEY).exists():
            return True
        if Customer.objects.exists():
            message = "The log that was kept is not complete: run once without --keep."
            raise HalfMade(message)
        return False

    def write_customers(self) -> None:
        """Make the customers; whose keys and people the records name is nowhere but in these."""
        for number in range(_CUSTOMERS):
            carry_out(CreateCustomer(name=f"Customer {number}"), reason="for a benchmark")

    def write(self) -> Iterator[int]:
        """Write the records, and yield how many there are so far."""
        shares = list(accumulate(share for *_, share in rows.KINDS))
        given = {
            "thresholds": [0.0, *(share / shares[-1] for share in shares[:-1])],
            "began": datetime.now(UTC) - timedelta(days=self.days),
            "days": self.days,
            "actors": min(_MOST_ACTORS, self.records // _LEAST_OF_AN_ACTOR),
            "keys": min(_MOST_KEYS, self.records // _LEAST_OF_A_KEY),
            "waiting": self.records - max(_LEAST_WAITING, _SHARE_WAITING * self.records),
            "total": self.records,
            "behind": self._last_position(),
        }
        types, events, channels, _ = map(list, zip(*rows.KINDS, strict=True))
        kinds = {"types": types, "events": events, "channels": channels}
        self._owner.execute(rows.TABLES, given | kinds | {"customers": self._customers()})
        with self._past_the_bus():
            for first in range(1, self.records + 1, _BATCH):
                batch = {"first": first, "last": min(first + _BATCH - 1, self.records)}
                self._owner.execute(rows.COMMANDS, given | batch)
                self._owner.execute(rows.EVENTS, given | batch)
                yield batch["last"]
        self._owner.execute(rows.MOVE_ON)

    def drop_indexes(self) -> None:
        """Drop what takes longer to keep than to make."""
        for model, index in _indexes():
            with connections["owner"].schema_editor() as editor:
                editor.remove_index(model, index)
        self._owner.execute(_WORDS_INDEX.DROP_WORDS)

    def make_indexes(self) -> Iterator[int]:
        """Make what was dropped; yield how many there are so far."""
        self._owner.execute("SET maintenance_work_mem = '1GB'")
        for made, (model, index) in enumerate(_indexes(), start=1):
            with connections["owner"].schema_editor() as editor:
                editor.add_index(model, index)
            yield made
        self._owner.execute(_WORDS_INDEX.MAKE_WORDS)
        yield self.number_of_indexes()

    def number_of_indexes(self) -> int:
        """Count what is dropped and made."""
        return len(_indexes()) + 1

    def write_changes(self) -> None:
        """Change one key often, through the bus, so that it has a history as well."""
        key = Dispatcher(self._make_key())
        for _ in range(_CHANGES):
            key.toggle()

    def settle(self) -> None:
        """Vacuum and analyze, as autovacuum does after a while."""
        self._owner.execute("VACUUM ANALYZE")

    def size(self) -> str:
        """Return its size on disk."""
        self._owner.execute(rows.SIZE)
        (found,) = self._owner.fetchone()
        return str(found)

    def auditors(self) -> dict[str, User]:
        """Make three: who sees everything, the customer with the most, and one with little."""
        chosen = User.objects.filter(username__startswith="auditor")
        if not chosen.exists():
            self._make_auditor("auditor of every customer", "view_every_tenant")
            seen = {"one customer": self._customers()[0], "a small customer": self._smallest()}
            for name, customer in seen.items():
                person = self._make_auditor(f"auditor of {name}")
                carry_out(
                    AddMember(customer_id=UUID(customer), user_id=person.pk),
                    reason="for a benchmark",
                )
        return {person.username: person for person in chosen.order_by("pk")}

    def examples(self, count: int) -> list[Example]:
        """Pick records of the customer that has the most, spread over time by chance.

        Each is of a key and an actor that have enough to fill a page, whatever the log's size.
        """
        chance = random.Random(count)  # noqa: S311  # which rows are measured, not a secret
        began = datetime.now(UTC) - timedelta(days=self.days)
        examples: list[Example] = []
        while len(examples) < count:
            example = self._example_before(
                began + timedelta(days=self.days) * chance.uniform(0.1, 0.9)
            )
            if example.fills_pages():
                examples.append(example)
        return examples

    def busy_subject(self) -> str:
        """Name the key that was changed often."""
        return f"api-key:{ApiKey.objects.get(name=_BUSY_KEY).pk}"

    def _example_before(self, moment: datetime) -> Example:
        found = CommandRecord.objects.filter(
            tenant=self._customers()[0], received_at__lt=moment, subject_type="api-key"
        )
        return Example(found.exclude(reason="").order_by("-received_at", "-position")[0])

    def _smallest(self) -> str:
        """Find the customer with the fewest records of those that fill a page."""
        self._owner.execute(rows.SMALLEST, [_FULL_PAGE])
        (found,) = self._owner.fetchone()
        return str(found)

    def _last_position(self) -> int:
        self._owner.execute("SELECT last_value FROM audit_position")
        (found,) = self._owner.fetchone()
        return int(found)

    def _customers(self) -> list[str]:
        made = Customer.objects.filter(name__startswith="Customer ").order_by("created_at", "pk")
        return [str(key) for key in made.values_list("pk", flat=True)]

    @contextmanager
    def _past_the_bus(self) -> Iterator[None]:
        tables = [model._meta.db_table for model in _TABLES]
        for table in tables:
            self._owner.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        yield
        for table in tables:
            self._owner.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")

    def _make_auditor(self, name: str, *more: str) -> User:
        person = User.objects.create_user(name, is_staff=True)
        wanted = ("view_commandrecord", "view_eventrecord", *more)
        person.user_permissions.set(Permission.objects.filter(codename__in=wanted))
        return person

    def _make_key(self) -> ApiKey:
        owner = User.objects.create_user("owner")
        owner.user_permissions.set(Permission.objects.filter(content_type__app_label="apikeys"))
        customer_id = UUID(self._customers()[0])
        carry_out(AddMember(customer_id=customer_id, user_id=owner.pk), reason="for a benchmark")
        command = CreateApiKey(customer_id=customer_id, owner_id=owner.pk, name=_BUSY_KEY)
        made: Any = carry_out(command, reason="for a benchmark")
        key: ApiKey = made.result
        return key


def _indexes() -> list[tuple[type[Record], Index]]:
    return [(model, index) for model in _TABLES for index in model._meta.indexes]
