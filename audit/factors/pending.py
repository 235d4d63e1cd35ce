"""Sign-ins between the password and the second factor. Until then, no one is signed in."""

import time
from dataclasses import asdict, dataclass
from typing import Any, Self

from django.contrib.auth import load_backend
from django.http import HttpRequest
from django.utils.crypto import constant_time_compare

_KEY = "second_step"
_SECONDS = 600


@dataclass(frozen=True, kw_only=True)
class Pending:
    """A person whose password was right. ``page`` is the sign-in page, ``next`` the one after it.

    ``auth_hash`` is of the password: if it changes, the sign-in is no longer pending.
    """

    user_id: int
    backend: str
    auth_hash: str
    at: float
    page: str
    next: str

    @classmethod
    def begin(cls, request: HttpRequest, user: Any, *, next_page: str) -> None:
        """Begin the second step in a new session, whose key no one else can know."""
        request.session.flush()
        begun = cls(
            user_id=user.pk,
            backend=user.backend,
            auth_hash=user.get_session_auth_hash(),
            at=time.time(),
            page=request.path,
            next=next_page,
        )
        request.session[_KEY] = asdict(begun)

    @classmethod
    def of(cls, request: HttpRequest) -> Self | None:
        """Return the pending sign-in of the session; None after ten minutes."""
        stored = request.session.get(_KEY)
        if stored is None:
            return None
        found = cls(**stored)
        return found if time.time() - found.at <= _SECONDS else None

    @staticmethod
    def end(request: HttpRequest) -> None:
        """Remove the pending sign-in from the session."""
        request.session.pop(_KEY, None)

    def user(self) -> Any:
        """Return the person; None if the account or its password has changed."""
        user: Any = load_backend(self.backend).get_user(self.user_id)
        if user is None or not constant_time_compare(self.auth_hash, user.get_session_auth_hash()):
            return None
        return user
