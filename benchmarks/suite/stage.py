"""The data of the measurement: a database of its own, with callers, keys, and the rivals' rows."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from django.db import connection, connections

from benchmarks import scratch

#: As many callers as there are at most at the same time, and keys that each of them may write.
CALLERS, KEYS_EACH = 8, 6
_SPARE, _SERVED = 3, 16
_STOCK_TABLES = ("rivals_simplehistorykey", "rivals_historicalsimplehistorykey")


class Stage(NamedTuple):
    """The values that another process needs to take part; they can be pickled."""

    database: str
    #: Secrets of keys that call, one for each caller.
    secrets: list[str]
    #: Ids of keys of ours that are written: those of each caller.
    keys: list[list[str]]
    #: One that all callers write.
    shared: str
    #: Some more, for whatever is done to one key only.
    spare: list[str]
    #: And some that are written over the real server only.
    served: list[str]
    #: The same of each rival.
    rivals: dict[str, list[str]]


@contextmanager
def staged() -> Iterator[Stage]:
    """Make the database, and throw it away after it."""
    with scratch.database():
        _let_rivals_write()
        yield _stage()


def _let_rivals_write() -> None:
    """Take our own guard off the tables of stock simple-history, which knows no commands."""
    with connections["owner"].cursor() as cursor:
        for table in _STOCK_TABLES:
            cursor.execute(f"DROP TRIGGER IF EXISTS audit_guard ON {table}")


def _stage() -> Stage:
    # Models can be imported once Django is set up.
    from apikeys.models import ApiKey  # noqa: PLC0415
    from benchmarks.keyring import Keyring  # noqa: PLC0415
    from benchmarks.rivals.viewsets import MODELS  # noqa: PLC0415

    callers = Keyring("callers", known=CALLERS)
    owner_id = ApiKey.objects.get(pk=callers.model_id).owner_id
    rivals = {
        name: [_rival(model, callers.customer_id, owner_id) for _ in range(CALLERS)]
        for name, model in MODELS.items()
    }

    def made(number: int) -> list[str]:
        return [_key(callers.customer_id, owner_id) for _ in range(number)]

    stage = Stage(
        database=connection.settings_dict["NAME"],
        secrets=callers.secrets,
        keys=[made(KEYS_EACH) for _ in range(CALLERS)],
        shared=made(1)[0],
        spare=made(_SPARE),
        served=made(_SERVED),
        rivals=rivals,
    )
    settle()
    return stage


def _key(customer_id: Any, owner_id: int) -> str:
    from apikeys.commands import CreateApiKey  # noqa: PLC0415  # models
    from audit.entry.shell import carry_out  # noqa: PLC0415

    command = CreateApiKey(customer_id=customer_id, owner_id=owner_id, name="measured")
    made: Any = carry_out(command, reason="for a benchmark")
    return str(made.result.pk)


def _rival(model: Any, customer_id: Any, owner_id: Any) -> str:
    made = model.objects.create(
        customer_id=customer_id, owner_id=owner_id, name="measured", prefix="cs_live_abcd"
    )
    return str(made.pk)


def settle() -> None:
    """Do now what autovacuum would do in the middle of it."""
    with connections["owner"].cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")


def join(database: str) -> None:
    """Work on a database of another process's making."""
    connections.close_all()
    for alias in connections:
        connections[alias].settings_dict["NAME"] = database
