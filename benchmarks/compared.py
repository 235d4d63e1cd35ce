"""One side of `benchmarks.compare`: the code of the checkout in the current directory.

It reads "write 100" or "dispatch 100" from its input, repeats that work, and prints the median of
the seconds that it took. It uses few names of the product, because modules move between commits.
With BENCHMARK_CLOCK=processor, it counts the processor time of this process and its server process,
without waiting: other load on the machine hardly affects it.
"""

import logging
import os
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from importlib import import_module
from itertools import cycle
from pathlib import Path
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
os.environ["RATE_LIMIT_PER_KEY"] = "600000/60"


def main(database: str) -> None:
    """Work until the input ends."""
    logging.disable()
    warnings.filterwarnings("ignore", message="No directory at")
    with import_module("benchmarks.scratch").database(database):
        keys = _keys("dispatched", "written", "calling")
        works = {
            "dispatch": _dispatching(keys["dispatched"].result),
            "write": _writing(keys["written"].result, secret=keys["calling"].secret),
        }
        _answer("ready")
        for line in sys.stdin:
            name, count = line.split()
            _answer(str(statistics.median(_seconds(works[name]) for _ in range(int(count)))))


def _keys(*names: str) -> dict[str, Any]:
    """Return the outcomes of commands that create keys of one owner."""
    # Modules with models can be imported once Django is set up.
    auth, dispatch = import_module("django.contrib.auth.models"), _dispatch_as_system()
    owner = auth.User.objects.create_user("owner")
    owner.user_permissions.set(auth.Permission.objects.filter(content_type__app_label="apikeys"))
    customer_id = dispatch(_command("CreateCustomer")(name="customer")).result.pk
    dispatch(_command("AddMember")(customer_id=customer_id, user_id=owner.pk))
    given, create = {"customer_id": customer_id, "owner_id": owner.pk}, _command("CreateApiKey")
    return {name: dispatch(create(name=name, **given)) for name in names}


def _dispatching(key: Any) -> Callable[[], object]:
    owner = type(key.owner).objects.get(pk=key.owner_id)
    actor = _found("actor_for_user", "audit.actors.actors", "audit.actors")(owner)
    context = _found("Context", "audit.bus.context", "audit.context")
    dispatch = _dispatch()
    commands = cycle((_command("DisableApiKey"), _command("EnableApiKey")))
    return lambda: dispatch(
        next(commands)(api_key_id=key.pk), context=context(actor=actor, channel="benchmark")
    )


def _writing(key: Any, *, secret: str) -> Callable[[], object]:
    client = import_module("django.test").Client(
        headers={"Authorization": f"Bearer {secret}"}, SERVER_NAME="localhost"
    )
    paths = cycle(f"/api/v2/api-keys/{key.pk}/{verb}" for verb in ("disable", "enable"))

    def write() -> None:
        response = client.post(next(paths), content_type="application/json")
        if response.status_code != HTTPStatus.OK:
            raise RuntimeError(response.content)

    return write


def _dispatch_as_system() -> Callable[[Any], Any]:
    system = _found("SYSTEM", "audit.actors.actors", "audit.actors")
    context = _found("Context", "audit.bus.context", "audit.context")(actor=system)
    return partial(_dispatch(), context=context)


def _dispatch() -> Any:
    return _found("dispatch", "audit.bus.dispatch", "audit.bus")


def _command(name: str) -> Any:
    return _found(name, "apikeys.commands")


def _found(name: str, *modules: str) -> Any:
    """Return the object of a name in the first of the modules that exists.

    :raises ImportError: if there is none.
    """
    for module in modules:
        try:
            return getattr(import_module(module), name)
        except ModuleNotFoundError:
            continue
    message = f"{name} is in none of {', '.join(modules)}"
    raise ImportError(message)


def _seconds(work: Callable[[], object]) -> float:
    started = _clock()
    work()
    return _clock() - started


def _processor_seconds() -> float:
    """Return the time that this process and its server process have computed: on Linux only."""
    raw = import_module("django.db").connection.connection
    statistics_ = Path(f"/proc/{raw.info.backend_pid}/schedstat").read_text()
    return time.process_time() + int(statistics_.split()[0]) / 1e9


_clock = (
    _processor_seconds if os.environ.get("BENCHMARK_CLOCK") == "processor" else time.perf_counter
)


def _answer(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1])
