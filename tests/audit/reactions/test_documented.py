"""The examples of docs/reactions.md, run as they stand, with the events and tables they name."""

import re
import sys
import urllib.request
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO
from types import ModuleType
from uuid import UUID

import pytest
from django.core import mail
from django.db import models
from django.test.utils import isolate_apps

from apikeys import events
from apikeys.commands import DisableApiKey, EndOverlap
from audit.bus.handling import handles
from audit.domain import Process, on, process
from audit.messages.classes import Command, Event, SubjectOf
from audit.models.records import EventRecord
from audit.reactions import declarations, workers
from audit.reactions.processes import declarations as declared
from audit.testing import react
from tests.conftest import AS_SYSTEM, completed
from tests.notes.handlers import NoteWritten, WriteNote
from tests.structure import ROOT

PAGE = (ROOT / "docs/reactions.md").read_text()
BLOCKS = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
_ORDER = SubjectOf("order", "order_id")
TABLES = {
    "notecount": "tenant text PRIMARY KEY, total int NOT NULL",
    "ordersummary": "order_id text PRIMARY KEY, stage text, version int",
    "seenevent": "id uuid PRIMARY KEY, type text",
}


@dataclass(frozen=True, kw_only=True)
class NoteDeleted(Event):
    """A note was deleted."""

    message_type = "test.note_deleted"
    subject = SubjectOf("note", "note_id")
    note_id: UUID


@dataclass(frozen=True, kw_only=True)
class _OfOrder(Event):
    subject = _ORDER
    order_id: str


@dataclass(frozen=True, kw_only=True)
class OrderPlaced(_OfOrder):
    """An order was placed."""

    message_type = "test.order_placed"


@dataclass(frozen=True, kw_only=True)
class OrderPaid(_OfOrder):
    """An order was paid."""

    message_type = "test.order_paid"
    cents: int = 250


@dataclass(frozen=True, kw_only=True)
class OrderShipped(_OfOrder):
    """An order was shipped."""

    message_type = "test.order_shipped"
    tracking_url: str = "https://post.example.com/1"
    email: str = "ann@example.com"


@dataclass(frozen=True, kw_only=True)
class CompleteOrder(Command):
    """Place, pay and ship an order at once."""

    message_type = "test.complete_order"
    order_id: str


@handles(CompleteOrder)
def complete_order(command, context):
    for event in (OrderPlaced, OrderPaid, OrderShipped):
        context.emit(event(order_id=command.order_id))


@pytest.fixture(autouse=True)
def own_reactions(monkeypatch):
    """Only those of an example."""
    monkeypatch.setattr(declarations, "_subscriptions", {})
    monkeypatch.setattr(declared, "_processes", {})
    monkeypatch.setattr(workers, "_runs", {})


@pytest.fixture
def tables(owner):
    """The models that the examples name, by name."""
    for name, columns in TABLES.items():
        owner.execute(f"CREATE TABLE example_{name} ({columns})")
        owner.execute(f"GRANT SELECT, INSERT, UPDATE ON example_{name} TO PUBLIC")
    yield _models()
    for name in TABLES:
        owner.execute(f"DROP TABLE example_{name}")


@isolate_apps("tests.notes")
def _models():
    text, number = models.TextField, models.IntegerField
    return {
        "NoteCount": _model("NoteCount", tenant=text(primary_key=True), total=number(default=0)),
        "OrderSummary": _model(
            "OrderSummary", order_id=text(primary_key=True), stage=text(), version=number()
        ),
        "SeenEvent": _model("SeenEvent", id=models.UUIDField(primary_key=True), type=text()),
    }


def _model(name, **fields):
    meta = type("Meta", (), {"app_label": "notes", "db_table": f"example_{name.lower()}"})
    return type(name, (models.Model,), {**fields, "Meta": meta, "__module__": __name__})


@pytest.fixture
def example(tables, monkeypatch):
    """A function that runs the block that declares a function, and returns its names."""
    known = [NoteWritten, NoteDeleted, OrderPlaced, OrderPaid, OrderShipped]
    for app in ("notes", "orders", "reports"):
        module(monkeypatch, app)
        module(monkeypatch, f"{app}.events", **{each.__name__: each for each in known})
        module(monkeypatch, f"{app}.models", **tables)

    def run(name, **names):
        (block,) = (
            each for each in BLOCKS if re.search(rf"^(def|class) {name}\b", each, re.MULTILINE)
        )
        exec(block, names)  # a block of our own page
        return names

    return run


def module(monkeypatch, name, **names):
    made = ModuleType(name)
    vars(made).update(names)
    monkeypatch.setitem(sys.modules, name, made)


def ids(message_type):
    return [str(each.id) for each in EventRecord.objects.filter(message_type=message_type)]


def test_a_table_is_derived_from_events_and_its_test_passes(example, tables, given, acme):
    example("count_notes")
    tested = example("test_notes_are_counted", WriteNote=WriteNote, react=react, **tables)

    tested["test_notes_are_counted"](given, acme)
    react()

    assert tables["NoteCount"].objects.get().total == 1


def test_events_of_a_subject_come_in_order(example, tables):
    example("summarize")
    completed(CompleteOrder(order_id="o1"))
    react()

    summary = tables["OrderSummary"].objects.get()
    assert (summary.order_id, summary.stage, summary.version) == ("o1", "OrderShipped", 3)


def test_mail_is_sent(example):
    example("announce")
    completed(CompleteOrder(order_id="o1"))
    react()

    (message,) = mail.outbox
    assert (message.to, message.body) == (["ann@example.com"], "https://post.example.com/1")


def test_a_request_has_the_id_of_the_event_as_its_key_also_when_it_is_repeated(
    example, monkeypatch
):
    sent = []

    def open_url(request, timeout):
        sent.append((request.get_header("Idempotency-key"), request.data))
        if len(sent) == 1:
            raise TimeoutError
        return BytesIO()

    monkeypatch.setattr(urllib.request, "urlopen", open_url)
    book = example("book")
    object.__setattr__(declarations.find("orders.booking"), "backoff", (0.0, 0.0))
    completed(CompleteOrder(order_id="o1"))
    react()
    react()

    assert book["book"]
    assert sent == [(*ids("test.order_paid"), b'{"order": "o1", "cents": 250}')] * 2


def test_a_pattern_selects_types_from_a_time_on(example, tables, first_key):
    example("remember")
    assert declarations.find("reports.keys").starts == datetime(2026, 1, 1, tzinfo=UTC)
    completed(DisableApiKey(api_key_id=first_key.id), context=AS_SYSTEM)
    completed(CompleteOrder(order_id="o1"))
    react()

    seen = set(tables["SeenEvent"].objects.values_list("type", flat=True))
    assert seen > {"apikeys.created", "apikeys.disabled"}
    assert all(each.startswith("apikeys.") for each in seen)


def test_the_process_can_be_declared(example):
    example(
        "Rotation",
        Process=Process,
        on=on,
        process=process,
        EndOverlap=EndOverlap,
        UUID=UUID,
        ApiKeyRotated=events.ApiKeyRotated,
        ApiKeyDeleted=events.ApiKeyDeleted,
    )

    assert declared.find("apikeys.rotation").reactions == {
        "apikeys.rotated": "begin",
        "apikeys.deleted": "forget",
    }
