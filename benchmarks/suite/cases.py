"""The kinds of work that are measured, as one worker does them."""

from collections.abc import Callable, Iterator
from itertools import count, cycle

from django.core.handlers.wsgi import WSGIHandler

from apikeys.commands import UpdateApiKey
from apikeys.models import ApiKey
from audit.bus.context import Context
from audit.bus.dispatch import dispatch
from benchmarks.peers import BarePsycopg, Dispatcher
from benchmarks.suite.stage import Stage
from benchmarks.suite.wsgi import application, send

Work = Callable[[], object]

# What each package wants in the middleware. Those of simple-history and reversion are there to note
# the person; they take none but Django's users, and fail where a key calls.
_MIDDLEWARE = {
    "plain": (),
    "simple-history": (),
    "auditlog": ("auditlog.middleware.AuditlogMiddleware",),
    "reversion": (),
    "pghistory": ("pghistory.middleware.HistoryMiddleware",),
}


class Cases:
    """Work by its name, each made on first use and then kept."""

    def __init__(self, stage: Stage, place: int) -> None:
        self._stage, self._place = stage, place
        self._secret = stage.secrets[place]
        # Each kind of work has a key to itself, for what one switches off, another could not.
        self._keys = iter(stage.keys[place])
        self._made: dict[str, Work] = {}

    def work(self, name: str) -> Work:
        """Make ready what does one piece of the named work: a kind, and what it is done to."""
        if name not in self._made:
            kind, _, what = name.partition(" ")
            make: Callable[[str], Work] = getattr(self, f"_{kind}")
            self._made[name] = make(what)
        return self._made[name]

    def _toggle(self, version: str) -> Work:
        """Switch a key of ours on and off, over HTTP."""
        handler, key = application(), self._key()
        verbs = _turns(key, "disable", "enable")
        path = f"/api/{version}/api-keys/{key.pk}"
        return lambda: send(handler, "POST", f"{path}/{next(verbs)}", secret=self._secret)

    def _patch(self, rival: str) -> Work:
        """Do the same to a rival's row."""
        handler, key_id = application(*_MIDDLEWARE[rival]), self._stage.rivals[rival][self._place]
        bodies = cycle((b'{"is_enabled": false}', b'{"is_enabled": true}'))
        path = f"/rivals/{rival}/{key_id}"
        return lambda: send(handler, "PATCH", path, secret=self._secret, body=next(bodies))

    def _get(self, path: str) -> Work:
        """Read something over HTTP."""
        handler: WSGIHandler = application()
        filled = path.format(key=self._stage.shared)
        return lambda: send(handler, "GET", filled, secret=self._secret)

    def _dispatch(self, _: str) -> Work:
        """Switch a key on and off through the bus, each worker its own."""
        key = self._key()
        dispatcher = Dispatcher(key)
        dispatcher.is_enabled = key.is_enabled
        return dispatcher.toggle

    def _dispatch_on(self, key_id: str) -> Work:
        """Do the same to a key that is named."""
        dispatcher = Dispatcher(_found(key_id))
        dispatcher.is_enabled = dispatcher.api_key.is_enabled
        return dispatcher.toggle

    def _dispatch_on_one(self, _: str) -> Work:
        """Change the one key that all workers change: its description, which none has refused."""
        key = _found(self._stage.shared)
        actor, turns = Dispatcher(key).actor, count()

        def change() -> None:
            words = f"turn {next(turns)} of {self._place}"
            context = Context(actor=actor, channel="benchmark", reason="To measure")
            dispatch(UpdateApiKey(api_key_id=key.pk, description=words), context=context)

        return change

    def _bare(self, _: str) -> Work:
        """Write the rows of a dispatch by hand, each worker those of its own key."""
        return BarePsycopg(self._key()).toggle

    def _bare_on_one(self, _: str) -> Work:
        """Write them by hand to the one key that all workers change."""
        return BarePsycopg(_found(self._stage.shared)).toggle

    def _key(self) -> ApiKey:
        return _found(next(self._keys))


def _found(key_id: str) -> ApiKey:
    return ApiKey.objects.select_related("owner").get(pk=key_id)


def _turns(key: ApiKey, off: str, on: str) -> Iterator[str]:
    return cycle((off, on) if key.is_enabled else (on, off))
