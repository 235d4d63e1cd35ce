"""The session engine: sessions in the database that end when idle or old."""

import time
from typing import Any

from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends import db
from django.contrib.sessions.models import Session

from audit.entry.requests import SIGNED_IN_AT
from audit.installation.settings import countersign

_SEEN_AT = "seen_at"
# So that a request seldom has to write its session.
_SEEN_EVERY_SECONDS = 60


class SessionStore(db.SessionStore):
    """Sessions that end when idle for SESSION_IDLE, or SESSION_LASTS after signing in."""

    @classmethod
    def get_model_class(cls) -> type[Session]:
        return Session

    def load(self) -> dict[str, Any]:
        """Return the data of the session; of one that has ended, none."""
        data: dict[str, Any] = super().load()
        if SESSION_KEY not in data:
            return data
        now = time.time()
        if _has_ended(data, now):
            self.delete(self.session_key)
            self._session_key = None
            return {}
        if now - data[_SEEN_AT] > _SEEN_EVERY_SECONDS:
            data[_SEEN_AT] = now
            self.modified = True
        return data


def begin(session: Any) -> None:
    """Note the time of signing in."""
    session[SIGNED_IN_AT] = session[_SEEN_AT] = time.time()


def _has_ended(data: dict[str, Any], now: float) -> bool:
    """Return True if a session is too old; those of earlier versions have no time of sign-in."""
    signed_in_at, seen_at = data.get(SIGNED_IN_AT), data.get(_SEEN_AT)
    if signed_in_at is None or seen_at is None:
        return True
    return bool(
        now - signed_in_at > countersign().session_lasts.total_seconds()
        or now - seen_at > countersign().session_idle.total_seconds()
    )
