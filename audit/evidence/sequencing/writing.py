"""The right to write rows of the log, which a process proves by a secret from LOG_KEYS.

Workers have the same role in the database as the application, so privileges alone cannot
distinguish them. A trigger of each table of the log demands the secret; the database has only its
digest.
"""

import hashlib
import hmac
from collections.abc import Collection
from typing import Any

import psycopg
from django.db import DEFAULT_DB_ALIAS, connection, connections

from audit.evidence.models import LogWriter
from audit.installation.settings import countersign

_PURPOSE = b"countersign/log-writer/v1"
_SHOW = "SELECT set_config('audit.log_writer', %s, true)"


class UnknownWriter(Exception):
    """No key of LOG_KEYS may write the log of this database: run `manage.py migrate`.

    In a rotation, the new key gets the right from the former one: keep both for the overlap.
    """

    def __str__(self) -> str:
        return "No key of LOG_KEYS may write the log of this database: run `manage.py migrate`."


def authorize() -> None:
    """Show the database that this process has LOG_KEYS, until the end of the transaction.

    The first process registers its keys; later ones register and remove keys with one that the
    database knows.

    :raises UnknownWriter: if it knows others only.
    """
    secrets, known = _secrets(), _known()
    shown = next((each for each in secrets if each in known), None)
    if shown is None and known:
        raise UnknownWriter
    _show(secrets[shown or next(iter(secrets))])
    if known != secrets.keys():
        _replace(known, secrets, using=DEFAULT_DB_ALIAS)


def is_known() -> bool:
    """Return True if this process may write the log, or register its keys as the first one."""
    known = _known()
    return not known or not known.isdisjoint(_secrets())


def restore(*, using: str, **signal: Any) -> None:
    """Register LOG_KEYS after a run of migrate, if the database knows other keys only.

    Only the owner of the tables can do that.
    """
    target = connections[using]
    if "plan" not in signal or target.vendor != "postgresql":
        return
    if LogWriter._meta.db_table not in target.introspection.table_names():
        return
    secrets, known = _secrets(), _known(using=using)
    if known and known.isdisjoint(secrets):
        _replace(known, secrets, using=using)


def _replace(known: Collection[bytes], wanted: Collection[bytes], *, using: str) -> None:
    rows = LogWriter.objects.using(using)
    rows.bulk_create([LogWriter(digest=each) for each in wanted if each not in known])
    rows.filter(digest__in=[each for each in known if each not in wanted]).delete()


def _known(*, using: str = DEFAULT_DB_ALIAS) -> set[bytes]:
    return set(map(bytes, LogWriter.objects.using(using).values_list("digest", flat=True)))


def _secrets() -> dict[bytes, str]:
    """Return the secrets of LOG_KEYS by their digests, the newest first."""
    found = (
        hmac.new(seed, _PURPOSE, hashlib.sha256).hexdigest()
        for seed in countersign().log_keys.values()
    )
    return {hashlib.sha256(each.encode()).digest(): each for each in found}


def _show(secret: str) -> None:
    """Set the secret for this transaction, as a parameter.

    Others of the role see statements in pg_stat_activity, but not their parameters.
    """
    connection.ensure_connection()
    with psycopg.Cursor[Any](connection.connection) as cursor:
        cursor.execute(_SHOW, [secret], prepare=False)
