"""The first run: a database and secrets for a fresh machine, created once and kept."""

import base64
import os
import secrets
import signal
import tempfile
from contextlib import suppress
from pathlib import Path

from config.first_run import database_roles, embedded_postgres, stopping
from config.first_run.database_roles import APPLICATION, DATABASE, OWNER
from config.first_run.postgres_programs import ServerUnavailable

_FIXED_SETTINGS = {
    "ALLOWED_HOSTS": "localhost,127.0.0.1,[::1]",
    "HTTPS": "false",
    "DEMO": "true",
    "LOG_FORMAT": "console",
}


def prepare_command_line() -> None:
    """Prepare as `prepare` does, with orderly stops on signals and a directory for e-mails.

    :raises ServerUnavailable: if there is no DATABASE_URL and no server can be started.
    """
    if os.environ.get("DATABASE_URL"):
        return
    stopping.raise_on_signals(signal.SIGTERM, signal.SIGHUP)
    prepare()
    if not os.environ.get("EMAIL_HOST"):
        mail = Path(os.environ.get("EMAIL_FILE_PATH") or Path(os.environ["DATA_DIR"]) / "mail")
        mail.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.environ["EMAIL_FILE_PATH"] = str(mail.resolve())


def prepare() -> None:
    """Fill in the settings that the environment lacks; do nothing if it names a database.

    Starts or joins the embedded PostgreSQL server, which then runs for as long as this process.

    :raises ServerUnavailable: if there is no DATABASE_URL and no server can be started.
    """
    if os.environ.get("DATABASE_URL"):
        return
    base = _base()
    os.environ.update(_database_settings(base), DATA_DIR=str(base))
    for name, value in (_FIXED_SETTINGS | _kept_settings(base)).items():
        # An empty value counts as none, as it does for config.environment.
        os.environ[name] = os.environ.get(name) or value


def _base() -> Path:
    """Create the data directory, and return it.

    :raises ServerUnavailable: if it is not ours to use.
    """
    repository = Path(__file__).resolve().parent.parent.parent
    base = Path(os.environ.get("DATA_DIR") or repository / ".data").resolve()
    with suppress(OSError):
        if os.access(embedded_postgres.make_directory(base), os.R_OK | os.W_OK | os.X_OK):
            return base
    raise ServerUnavailable(
        f"{base} belongs to another account, or cannot be written to. Set DATA_DIR to your own "
        "directory, or DATABASE_URL to your own server."
    )


def _database_settings(base: Path) -> dict[str, str]:
    _forget_other_servers()
    server = embedded_postgres.start(base / "postgres")
    database_roles.ensure(server)
    return {
        "DATABASE_URL": server.url(user=APPLICATION, database=DATABASE),
        "MIGRATION_DATABASE_URL": server.url(user=OWNER, database=DATABASE),
    }


def _forget_other_servers() -> None:
    """Drop libpq's own variables, such as PGSERVICE: they refer to another server."""
    for name in [name for name in os.environ if name.startswith("PG")]:
        del os.environ[name]


def _kept_settings(base: Path) -> dict[str, str]:
    """Return the secrets of this checkout, created by the first process that needs them.

    A checkout from before a secret was needed gets it in another file.
    """
    found: dict[str, str] = {}
    for kept in (base / f"environment{suffix}" for suffix in ("", "-2", "-3", "-4")):
        missing = {name: value for name, value in _new_secrets().items() if name not in found}
        if missing and not kept.exists():
            _write_once(kept, text="".join(f"{name}={missing[name]}\n" for name in missing))
        if missing:
            found |= _read(kept)
    return found


def _read(kept: Path) -> dict[str, str]:
    lines = kept.read_text(encoding="ascii").splitlines()
    return dict(line.split("=", maxsplit=1) for line in lines)


def _new_secrets() -> dict[str, str]:
    return {
        "SECRET_KEY": secrets.token_urlsafe(64),
        "PAYLOAD_KEYS": f"k1:{_random_key()}",
        "FINGERPRINT_KEY": _random_key(),
        "EVIDENCE_KEY": _random_key(),
        "WEBHOOK_KEYS": f"k1:{_random_key()}",
        "LOG_KEYS": f"k1:{_random_key()}",
    }


def _random_key() -> str:
    return base64.b64encode(secrets.token_bytes(32)).decode()


def _write_once(path: Path, *, text: str) -> None:
    """Write a file that only this user can read, atomically, unless it exists."""
    descriptor, draft = tempfile.mkstemp(prefix="new-", dir=path.parent)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(text)
    # Linking, unlike renaming, does not replace what another process wrote meanwhile.
    with suppress(FileExistsError):
        os.link(draft, path)
    Path(draft).unlink()
