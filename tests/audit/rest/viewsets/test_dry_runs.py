"""Dry runs: what a write would do, without a trace of it."""

import pytest
from django.db import connection

from approvals.models import ApprovalRequest
from approvals.models.requests import State
from tests.conftest import create_key, policy
from tests.http import call

KEYS = "/api/v2/api-keys"
notified = []


def listen(notification):
    notified.append(notification)


@pytest.fixture(autouse=True)
def hook(configure):
    """A hook that hears of every request."""
    configure(NOTIFY=[f"{__name__}.listen"])
    notified.clear()


@pytest.fixture
def caller(dana, acme):
    return create_key(dana, acme, name="caller")


@pytest.fixture
def path(first_key):
    return f"{KEYS}/{first_key.id}"


#: The caller's own rate limit and last use are no effects of what it asks for.
OF_CALLERS = ("apikeys_allowance", "apikeys_apikeyusage")


def everything():
    """Return every row of every table."""
    names = [name for name in connection.introspection.table_names() if name not in OF_CALLERS]
    with connection.cursor() as cursor:
        found = {}
        for name in names:
            cursor.execute(f'SELECT t::text FROM "{name}" AS t ORDER BY 1')
            found[name] = cursor.fetchall()
    return found


@pytest.fixture
def tried(client, caller, mailoutbox, django_capture_on_commit_callbacks):
    """A function that makes a dry run, checks that it leaves no trace, and returns the body."""

    def attempt(method, path, body=None, *, status=200, by=client, key=caller, **headers):
        call(by, "GET", "/api/v2/whoami", key=key)
        before = everything()
        answer = call(by, method, f"{path}?dry_run=true", body, key=key, **headers)
        assert everything() == before
        assert (mailoutbox, notified) == ([], [])
        assert answer.status_code == status, answer.content
        if status == 200:
            assert (answer["Dry-Run"], answer["Cache-Control"]) == ("true", "no-store")
        assert not {"Command-Id", "ETag", "Location", "Idempotency-Replayed"} & set(answer.headers)
        return answer.json()

    return attempt


WRITES = [
    ("POST", "", {"name": "new"}),
    ("PATCH", "/{id}", {"name": "new"}),
    ("POST", "/{id}/disable", {"reason": "Leaked"}),
    ("POST", "/{id}/enable", None),
    ("POST", "/{id}/rotate", {"overlap_seconds": 60}),
    ("DELETE", "/{id}", None),
]


@pytest.mark.parametrize(("method", "action", "body"), WRITES)
def test_a_write_that_would_succeed_shows_the_resource_as_it_would_be(
    client, caller, first_key, tried, method, action, body
):
    path = f"{KEYS}{action.format(id=first_key.id)}"

    told = tried(method, path, body)
    done = call(client, method, path, body, key=caller).json()

    assert (told["dry_run"], told["outcome"]) == (True, "would_succeed")
    assert (told["approval"], told["problem"]) == (None, None)
    differing = {"id", "url", "created_at", "prefix", "secrets", "secret", "secret_note"}
    assert {k: v for k, v in told["resource"].items() if k not in differing} == {
        k: v for k, v in done.items() if k not in differing
    }
    assert not {"secret", "secret_note"} & set(told["resource"])


@pytest.mark.parametrize(("method", "action", "body"), [*WRITES[:3], *WRITES[4:]])
def test_a_write_that_would_be_held_shows_by_whom(
    first_key, tried, security, ann, bob, method, action, body
):
    policy("apikeys.*", group=security, quorum=2)

    told = tried(method, f"{KEYS}{action.format(id=first_key.id)}", body)

    assert (told["outcome"], told["resource"], told["problem"]) == ("would_be_held", None, None)
    assert told["approval"]["requirements"] == [{"group": "Security", "needed": 2, "have": 0}]
    assert told["approval"]["approve_by"]
    assert told["approval"]["command"] is None


def test_what_is_waiting_already_is_named(client, caller, path, tried, disabling_needs_two):
    held = call(client, "POST", f"{path}/disable", key=caller)
    notified.clear()

    told = tried("POST", f"{path}/disable")

    assert told["outcome"] == "would_be_held"
    assert told["approval"]["command"]["id"] == held["Command-Id"]
    assert told["approval"]["requirements"] == [{"group": "Security", "needed": 2, "have": 0}]


@pytest.mark.parametrize(
    ("method", "action", "body", "headers", "status", "code"),
    [
        ("POST", "/secret", None, {}, 409, "nothing_to_pick_up"),
        ("PATCH", "", {"name": ""}, {}, 400, "invalid"),
        ("PATCH", "", {"nome": "x"}, {}, 400, "invalid"),
        ("POST", "/rotate", {"overlap_seconds": -1}, {}, 400, "invalid"),
        ("POST", "/disable", None, {"If_Match": '"9"'}, 412, "precondition_failed"),
        ("POST", "/disable", None, {"If_Match": "9"}, 400, "invalid"),
    ],
)
def test_a_write_that_would_be_refused_shows_why(
    client, caller, path, tried, method, action, body, headers, status, code
):
    told = tried(method, f"{path}{action}", body, **headers)
    done = call(client, method, f"{path}{action}", body, key=caller, **headers)

    assert (told["outcome"], told["resource"]) == ("would_be_refused", None)
    assert (told["problem"]["status"], told["problem"]["code"]) == (status, code)
    real = done.json()
    assert (told["problem"].get("errors"), told["problem"]["detail"]) == (
        real.get("errors"),
        real["detail"],
    )
    assert "command_id" not in told["problem"]


def test_what_a_policy_forbids_would_be_refused(path, tried, security):
    policy("apikeys.disable", group=security, quorum=1, effect="forbid")

    told = tried("POST", f"{path}/disable")

    assert (told["outcome"], told["problem"]["code"]) == ("would_be_refused", "forbidden_by_policy")


def test_it_needs_the_permission_of_the_write(path, tried, dana):
    dana.user_permissions.remove(dana.user_permissions.get(codename="disable_apikey"))

    assert tried("POST", f"{path}/disable", status=403)["code"] == "forbidden"


def test_it_needs_a_scope_for_the_write(path, tried, dana, acme):
    reader = create_key(dana, acme, name="reader", scopes=("read",))

    assert tried("POST", f"{path}/disable", key=reader, status=403)["code"] == "insufficient_scope"


def test_another_customers_key_is_missing(tried, gus, globex):
    theirs = create_key(gus, globex, name="theirs")

    told = tried("POST", f"{KEYS}/{theirs.id}/disable")

    assert (told["outcome"], told["problem"]["status"]) == ("would_be_refused", 404)


def test_a_vote_can_be_tried(client, caller, path, tried, disabling_needs_two, ann, bob, browser):
    call(client, "POST", f"{path}/disable", key=caller)
    request = ApprovalRequest.objects.get()
    notified.clear()
    where, vote = f"/api/v2/approval-requests/{request.pk}/approve", {"digest": request.digest}
    for_ann, for_bob = browser(ann), browser(bob)

    first = tried("POST", where, vote, by=for_ann, key=None)
    call(for_ann, "POST", where, vote)
    notified.clear()
    last = tried("POST", where, vote, by=for_bob, key=None)

    assert (first["resource"]["state"], len(first["resource"]["votes"])) == ("pending", 1)
    assert (last["resource"]["state"], len(last["resource"]["votes"])) == ("executed", 2)
    request.refresh_from_db()
    assert request.state == State.PENDING


def test_an_idempotency_key_is_not_used_up(client, caller, tried):
    tried("POST", KEYS, {"name": "ci"}, Idempotency_Key="k-1")

    created = call(client, "POST", KEYS, {"name": "cd"}, key=caller, Idempotency_Key="k-1")

    assert created.status_code == 201


def test_commands_of_other_apps_can_be_tried(tried, security, ann, bob):
    succeeding = tried("POST", "/api/v2/notes", {"text": "Buy milk"})
    policy("notes.write", group=security, quorum=2)
    held = tried("POST", "/api/v2/notes", {"text": "Buy milk"})

    assert (succeeding["outcome"], succeeding["resource"]["text"]) == ("would_succeed", "Buy milk")
    assert held["outcome"] == "would_be_held"


@pytest.mark.parametrize("query", ["dry_run=yes", "dry_run=1", "dry_run=", "dryrun=true", "x=1",
                                   "dry_run=true&dry_run=false"])  # fmt: skip
def test_a_misspelled_parameter_executes_nothing(client, caller, path, query, assert_recorded):
    answer = call(client, "POST", f"{path}/disable?{query}", key=caller)

    assert answer.status_code == 400
    assert answer.json()["errors"][0]["parameter"] in query
    assert call(client, "GET", path, key=caller).json()["state"] == "enabled"


def test_dry_run_false_is_a_write(client, caller, path):
    answer = call(client, "POST", f"{path}/disable?dry_run=false", key=caller)

    assert (answer.status_code, answer.json()["state"]) == (200, "disabled")


def test_it_is_in_the_log_of_requests(client, caller, path, caplog):
    call(client, "POST", f"{path}/disable?dry_run=true", key=caller)

    (line,) = [r.msg for r in caplog.records if isinstance(r.msg, dict) and "request" in r.msg]
    assert (line["request"], line["dry_run"]) == (f"POST {path}/disable", True)
    assert line["command_id"] is None
