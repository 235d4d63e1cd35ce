"""Callers of an application that is being upgraded: clients of the API, and a person in the admin.

Each request goes to one of the servers in service, in turn, over a connection of its own, and is
sent once. Whatever is not the expected status counts as a failure.
"""

import http.client
import json
import re
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from http.cookies import SimpleCookie
from itertools import count
from threading import Event, Thread
from typing import Any, NamedTuple, Self
from urllib.parse import urlencode
from uuid import uuid4

PASSWORD = "correct horse battery staple"  # noqa: S105  # of a database that is thrown away
_TIMEOUT_SECONDS, _PAUSE_SECONDS = 30, 0.02
_KEYS, _FORM = "/api/v2/api-keys", "application/x-www-form-urlencoded"
_PAGES = ("/admin/apikeys/apikey/", "/audit/", "/audit/overview", "/requests/")
_SEEN = re.compile(r'name="seen" value="([^"]*)"')
#: What creates the cast, for `manage.py shell`: a policy holds updates of keys, and nothing else.
CAST = f"""
from django.contrib.auth.models import Permission, User
from apikeys.commands import AddMember, CreateApiKey, CreateCustomer
from approvals.policies.bootstrap import Bootstrap
from audit.actors.actors import SYSTEM, actor_for_user
from audit.bus.context import Context
from audit.bus.dispatch import dispatch
def execute(command, actor=SYSTEM):
    return dispatch(command, context=Context(actor=actor, channel="shell", reason="A benchmark"))
owners = ("ann", "bob", "olga")
people = {{
    name: User.objects.create_user(name, name + "@example.com", "{PASSWORD}", is_staff=True)
    for name in ("dana", "pia", *owners)
}}
people["dana"].user_permissions.set(Permission.objects.all())
customer = execute(CreateCustomer(name="Acme")).result.pk
for person in people.values():
    execute(AddMember(customer_id=customer, user_id=person.pk))
execute(Bootstrap(owners=owners, policies=("apikeys.update:Policy owners:2",)))
first = CreateApiKey(customer_id=customer, owner_id=people["dana"].pk, name="first")
key = execute(first, actor_for_user(User.objects.get(username="dana")))
print("\\ncast", key.secret, "dana", people["pia"].pk)
"""


class Cast(NamedTuple):
    """The secret of a key that may do everything, a person of the admin, and one to be changed."""

    secret: str
    username: str
    changed_person: str


class Answer(NamedTuple):
    """A response."""

    status: int
    headers: http.client.HTTPMessage
    content: str


class Tally:
    """The requests that began in one step."""

    def __init__(self) -> None:
        self.succeeded: Counter[str] = Counter()
        self.failed: Counter[str] = Counter()
        #: Milliseconds, and of what.
        self.longest = 0.0, ""


class _Failed(Exception):
    """A request failed, so that what follows it is not sent."""


class Callers:
    """Threads that send requests until the block is left."""

    def __init__(self, ports: list[int], cast: Cast, *, clients: int) -> None:
        #: The servers in service: may be replaced at any time.
        self.ports = ports
        #: The step that is under way.
        self.step = ""
        #: The commands that were executed or held, as the responses name them.
        self.acknowledged: list[str] = []
        self.tallies: defaultdict[str, Tally] = defaultdict(Tally)
        self._cast, self._turns, self._stopping = cast, count(), Event()
        works = [*[self._use_keys] * clients, self._use_the_admin]
        self._threads = [Thread(target=self._repeat, args=[work]) for work in works]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def _repeat(self, begun: Callable[[], Callable[[], None]]) -> None:
        """Begin once, as soon as that succeeds, and work until the end."""
        work: Callable[[], None] | None = None
        while not self._stopping.is_set():
            try:
                if work is None:
                    work = begun()
                work()
            except _Failed:
                time.sleep(_PAUSE_SECONDS)

    def _use_keys(self) -> Callable[[], None]:
        first = {"Idempotency-Key": uuid4().hex}, {"name": uuid4().hex}
        original = self._api("create", "POST", _KEYS, *first, expected=201)

        def work() -> None:
            repeated = self._api("repeat", "POST", _KEYS, *first, expected=201)
            if repeated.headers["Command-Id"] != original.headers["Command-Id"]:
                self.tallies[self.step].failed["repeat: executed again"] += 1
            self._live()

        return work

    def _live(self) -> None:
        """Send what belongs to the life of one key, in version 1 and 2, and a probe."""
        name = {"name": uuid4().hex}
        made = json.loads(self._api("create", "POST", _KEYS, {}, name, expected=201).content)
        path = f"{_KEYS}/{made['id']}"
        own = {"Authorization": f"Bearer {made['secret']}"}
        self._api("read", "GET", path)
        self._api("use", "GET", "/api/v2/whoami", own)
        self._api("hold", "PATCH", path, {}, {"name": uuid4().hex}, expected=202)
        for verb in ("disable", "enable"):
            self._api(verb, "POST", f"{path}/{verb}")
        for verb in ("disable", "enable"):
            self._api(f"v1 {verb}", "POST", f"{path.replace('v2', 'v1')}/{verb}")
        self._api("list", "GET", _KEYS)
        self._api("events", "GET", f"/api/v2/events?subject=api-key:{made['id']}")
        self._api("delete", "DELETE", path)
        self._send("probe", "GET", "/readyz", {})

    def _use_the_admin(self) -> Callable[[], None]:
        cookies = SimpleCookie()
        self._page("sign-in page", "/admin/login/", cookies)
        form = {"username": self._cast.username, "password": PASSWORD}
        self._page("sign in", "/admin/login/", cookies, form, expected=302)
        ask = f"/admin/auth/user/{self._cast.changed_person}/ask/"

        def work() -> None:
            for page in _PAGES:
                self._page(page, page, cookies)
            for verb in ("deactivate", "activate"):
                asked = self._page("ask", ask, cookies, {"verb": verb}).content
                seen = {"verb": verb, "seen": _SEEN.findall(asked)[0], "reason": "An upgrade"}
                self._page(verb, ask, cookies, seen, expected=302)

        return work

    def _page(
        self,
        what: str,
        path: str,
        cookies: SimpleCookie,
        form: dict[str, str] | None = None,
        *,
        expected: int = 200,
    ) -> Answer:
        """Send a request as a browser does, with the cookies so far."""
        headers = {"Cookie": "; ".join(f"{each.key}={each.value}" for each in cookies.values())}
        if form is None:
            answer = self._send(what, "GET", path, headers, expected=expected)
        else:
            values = urlencode(form | {"csrfmiddlewaretoken": cookies["csrftoken"].value})
            headers["Content-Type"] = _FORM
            answer = self._send(what, "POST", path, headers, values, expected=expected)
        for line in answer.headers.get_all("Set-Cookie", []):
            cookies.load(line)
        return answer

    def _api(  # noqa: PLR0913  # of a request
        self,
        what: str,
        method: str,
        path: str,
        headers: dict[str, str] | None = None,
        content: Any = None,
        *,
        expected: int = 200,
    ) -> Answer:
        given = {"Authorization": f"Bearer {self._cast.secret}"}
        if method != "GET":
            given |= {"Idempotency-Key": uuid4().hex, "Content-Type": "application/json"}
        body = json.dumps(content) if content else ""
        answer = self._send(what, method, path, given | (headers or {}), body, expected=expected)
        if method != "GET":
            self.acknowledged.append(answer.headers["Command-Id"])
        return answer

    def _send(  # noqa: PLR0913  # as above
        self,
        what: str,
        method: str,
        path: str,
        headers: dict[str, str],
        body: str = "",
        *,
        expected: int = 200,
    ) -> Answer:
        """Send a request and count it.

        :raises _Failed: if its status is not the expected one, or if there is none.
        """
        time.sleep(_PAUSE_SECONDS)
        tally, started = self.tallies[self.step], time.monotonic()
        ports = self.ports
        port = ports[next(self._turns) % len(ports)]
        try:
            answer = _answer(port, method, path, headers, body)
            outcome = str(answer.status)
        except (OSError, http.client.HTTPException) as error:
            answer, outcome = None, repr(error)
        tally.longest = max(tally.longest, ((time.monotonic() - started) * 1000, what))
        if answer is None or answer.status != expected:
            is_json = answer and "json" in answer.headers.get_content_type()
            detail = answer.content[:300] if answer and is_json else ""
            tally.failed[f"{what}: {outcome} {detail}".strip()] += 1
            raise _Failed
        tally.succeeded[what] += 1
        return answer


def _answer(port: int, method: str, path: str, headers: dict[str, str], body: str) -> Answer:
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=_TIMEOUT_SECONDS)
    try:
        client.request(method, path, body, headers)
        response = client.getresponse()
        return Answer(response.status, response.headers, response.read().decode())
    finally:
        client.close()
