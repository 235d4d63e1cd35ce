"""Rate limits: exact whoever asks at the same moment, constant in their answers, and closed."""

import pytest
import structlog.testing
from django.db import connection, transaction

from apikeys.authentication import usage
from apikeys.authentication.credentials import Authentication, BadCredential, authenticate
from apikeys.commands import DisableApiKey
from apikeys.models.tokens import Token
from audit.entry import rate_limits
from audit.entry.rate_limits import Limit, LimitReached, Quota
from audit.models import Allowance
from benchmarks.protocol import Traffic, traffic_of
from tests.conftest import completed, create_key
from tests.http import call
from tests.threads import Crowd

WHOAMI = "/api/v2/whoami"
HERE, THERE = "192.0.2.1", "198.51.100.9"


@pytest.fixture
def limits(settings):
    """Set limits; an hour is long enough that none of the allowance comes back within a test."""

    def set_to(*, per_key=None, failed_attempts=None):
        settings.RATE_LIMIT_PER_KEY = per_key
        settings.RATE_LIMIT_FAILED_ATTEMPTS = failed_attempts

    set_to()
    return set_to


@pytest.fixture
def without_table(owner):
    """The limiter as it is when its table is not there."""
    owner.execute("ALTER TABLE apikeys_allowance RENAME TO gone")
    yield
    owner.execute("ALTER TABLE gone RENAME TO apikeys_allowance")


def shifted(owner, table, column, by):
    """Have it be later, as far as one column is concerned."""
    owner.execute(f"UPDATE {table} SET {column} = {column} - %s::interval", [by])


def fail(client, times, **extra):
    """Show as many secrets that look right and are none."""
    return [call(client, "GET", WHOAMI, key=Token.generate().text, **extra) for _ in range(times)]


def from_address(client, address):
    """Have all that this client sends come from an address."""
    client.defaults["REMOTE_ADDR"] = address
    return client


def test_of_many_at_the_same_moment_exactly_as_many_pass_as_may(first_key, limits):
    limits(per_key=(7, 3600))
    ask = lambda: authenticate(first_key.secret, address=HERE)  # noqa: E731

    with Crowd(16) as crowd:
        came_to = crowd.at_once(*[ask] * 16) + crowd.at_once(*[ask] * 16)

    assert sum(isinstance(each, Authentication) for each in came_to) == 7
    assert sum(isinstance(each, LimitReached) for each in came_to) == 25


def test_an_answer_to_a_key_tells_how_it_stands(client, first_key, limits):
    limits(per_key=(10, 3600))

    first, second = (call(client, "GET", WHOAMI, key=first_key) for _ in range(2))
    missing = call(client, "GET", "/api/v1/api-keys/nothing", key=first_key)

    assert first["RateLimit-Policy"] == '"key";q=10;w=3600'
    assert first["RateLimit"] == '"key";r=9;t=360'
    assert second["RateLimit"] == '"key";r=8;t=720'
    assert missing.status_code == 404
    forbidden = call(client, "POST", "/api/v2/api-keys/verify", {"secret": "x"}, key=first_key)
    assert (forbidden.status_code, forbidden["RateLimit"]) == (403, '"key";r=7;t=1080')


@pytest.mark.parametrize("per_key", [(9_999_999, 1), (2_000_000, 1), (1, 99_999)])
def test_an_extreme_limit_is_a_limit(per_key, client, first_key, limits):
    limits(per_key=per_key)

    answer = call(client, "GET", WHOAMI, key=first_key)

    assert answer.status_code == 200
    assert answer["RateLimit-Policy"] == f'"key";q={per_key[0]};w={per_key[1]}'
    assert Limit(*per_key).cost.total_seconds() > 0


def test_nobody_else_is_told_of_limits(client, dana, browser, limits):
    limits(per_key=(10, 3600), failed_attempts=(10, 3600))

    answers = [call(browser(dana), "GET", WHOAMI), call(client, "GET", WHOAMI), *fail(client, 1)]

    assert [answer.status_code for answer in answers] == [200, 401, 401]
    assert not [answer for answer in answers if "RateLimit" in answer]


def test_who_has_used_up_a_limit_is_told_when_to_come_back(client, first_key, limits, owner):
    limits(per_key=(2, 3600))
    for _ in range(2):
        assert call(client, "GET", WHOAMI, key=first_key).status_code == 200

    refused = call(client, "GET", WHOAMI, key=first_key)

    assert refused.status_code == 429
    assert refused["Content-Type"] == "application/problem+json"
    assert (refused.json()["code"], refused.json()["status"]) == ("rate_limited", 429)
    assert refused["Retry-After"] == "1800"
    assert refused["RateLimit"] == '"key";r=0;t=1800'
    assert refused["RateLimit-Policy"] == '"key";q=2;w=3600'
    shifted(owner, "apikeys_allowance", "restored_at", "1790 s")
    assert call(client, "GET", WHOAMI, key=first_key).status_code == 429
    shifted(owner, "apikeys_allowance", "restored_at", "10 s")
    assert call(client, "GET", WHOAMI, key=first_key).status_code == 200
    assert call(client, "GET", WHOAMI, key=first_key).status_code == 429


def test_version_1_says_it_in_plain_json(client, first_key, limits):
    limits(per_key=(1, 3600))
    call(client, "GET", "/api/v1/api-keys", key=first_key)

    refused = call(client, "GET", "/api/v1/api-keys", key=first_key)

    assert (refused.status_code, refused["Content-Type"]) == (429, "application/json")
    assert refused.json() == {
        "detail": "Too many requests: wait Retry-After seconds.",
        "code": "rate_limited",
    }
    assert refused["Retry-After"] == "3600"


def test_keys_do_not_share_a_limit(first_key, dana, acme, limits):
    limits(per_key=(1, 3600))
    other = create_key(dana, acme, name="other")

    for key in (first_key, other):
        authenticate(key.secret, address=HERE)
        with pytest.raises(LimitReached):
            authenticate(key.secret, address=HERE)


def test_a_key_that_is_turned_away_takes_nothing_from_its_limit(first_key, limits):
    limits(per_key=(5, 3600))
    completed(DisableApiKey(api_key_id=first_key.id))

    with pytest.raises(BadCredential, match="disabled"):
        authenticate(first_key.secret, address=HERE)

    assert not Allowance.objects.exists()


def test_an_address_that_keeps_failing_is_turned_away_whatever_it_shows(client, first_key, limits):
    limits(per_key=(10, 3600), failed_attempts=(3, 3600))
    assert [answer.status_code for answer in fail(client, 3)] == [401] * 3

    (wrong,) = fail(client, 1, X_Request_Id="req-1")
    right = call(client, "GET", WHOAMI, key=first_key, X_Request_Id="req-1")

    assert (wrong.status_code, right.status_code) == (429, 429)
    assert wrong.content == right.content
    assert sorted(wrong.headers) == sorted(right.headers)
    assert wrong["RateLimit-Policy"] == right["RateLimit-Policy"] == '"address";q=3;w=3600'
    assert wrong["Retry-After"] == right["Retry-After"] == "1200"
    assert not Allowance.objects.filter(pk__startswith="key:").exists()
    elsewhere = from_address(client, THERE)
    assert call(elsewhere, "GET", WHOAMI, key=first_key).status_code == 200


def test_attempts_that_fail_at_the_same_moment_all_count(first_key, limits):
    limits(failed_attempts=(8, 3600))
    attempt = lambda: authenticate(Token.generate().text, address=HERE)  # noqa: E731

    with Crowd(8) as crowd:
        came_to = crowd.at_once(*[attempt] * 8)

    assert {type(each) for each in came_to} == {BadCredential}
    with pytest.raises(LimitReached):
        authenticate(first_key.secret, address=HERE)


def test_an_attempt_that_is_turned_away_does_not_prolong_it(first_key, limits, owner):
    limits(failed_attempts=(2, 3600))
    for kind in (BadCredential, BadCredential, LimitReached, LimitReached):
        with pytest.raises(kind):
            authenticate(Token.generate().text, address=HERE)

    shifted(owner, "apikeys_allowance", "restored_at", "1800 s")

    authenticate(first_key.secret, address=HERE)


def test_a_key_known_at_an_address_is_let_through_there_and_only_there(first_key, limits, owner):
    limits(failed_attempts=(1, 3600))
    authenticate(first_key.secret, address=HERE)
    usage.flush()
    for address in (HERE, THERE):
        with pytest.raises(BadCredential):
            authenticate(Token.generate().text, address=address)

    authenticate(first_key.secret, address=HERE)
    with pytest.raises(LimitReached):
        authenticate(first_key.secret, address=THERE)
    with pytest.raises(LimitReached):
        authenticate(Token.generate().text, address=HERE)

    shifted(owner, "apikeys_apikeyusage", "last_used_at", "25 hours")
    with pytest.raises(LimitReached):
        authenticate(first_key.secret, address=HERE)


def test_garbage_is_not_counted(client, first_key, limits):
    limits(failed_attempts=(1, 3600))

    for text in ("", "x", "cs_live_" + "0" * 33, first_key.secret[:-1]):
        assert call(client, "GET", WHOAMI, key=text).status_code == 401

    assert call(client, "GET", WHOAMI, key=first_key).status_code == 200


def test_an_ipv6_network_counts_as_one_address(first_key, limits):
    limits(failed_attempts=(1, 3600))
    with pytest.raises(BadCredential):
        authenticate(Token.generate().text, address="2001:db8:1:2::1")

    with pytest.raises(LimitReached):
        authenticate(first_key.secret, address="2001:db8:1:2:ffff::9")
    authenticate(first_key.secret, address="2001:db8:1:3::1")


def test_a_limit_takes_no_second_trip(first_key, limits):
    limits(per_key=(100, 60), failed_attempts=(100, 60))
    ask = lambda: authenticate(first_key.secret, address=HERE)  # noqa: E731
    ask()

    assert traffic_of(ask) == Traffic(statements=1, round_trips=1)


def test_what_is_off_writes_nothing_and_needs_no_table(client, first_key, limits, without_table):
    answer = call(client, "GET", WHOAMI, key=first_key)

    assert answer.status_code == 200
    assert "RateLimit" not in answer
    assert fail(client, 1)[0].status_code == 401


def test_with_only_failures_limited_a_good_key_writes_nothing(first_key, limits):
    limits(failed_attempts=(10, 3600))

    found = authenticate(first_key.secret, address=HERE)

    assert found.quota is None
    assert not Allowance.objects.exists()


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_a_limiter_that_fails_closes_the_door(version, client, first_key, without_table):
    answers = [
        call(client, "GET", f"/api/{version}/api-keys", key=first_key),
        call(client, "GET", f"/api/{version}/api-keys", key=Token.generate().text),
    ]

    for answer in answers:
        assert (answer.status_code, answer["Retry-After"]) == (503, "5")
        assert answer.json()["code"] == "rate_limit_unknown"


def test_garbage_and_people_do_not_depend_on_the_limiter(client, dana, browser, without_table):
    assert call(client, "GET", WHOAMI, key="garbage").status_code == 401
    assert call(browser(dana), "GET", WHOAMI).status_code == 200


def test_a_setting_leaves_it_open(client, first_key, configure, without_table):
    configure(RATE_LIMIT_FAILS_OPEN=True)

    answer = call(client, "GET", WHOAMI, key=first_key)

    assert answer.status_code == 200
    assert "RateLimit" not in answer
    assert fail(client, 1)[0].status_code == 401


def test_a_limiter_that_is_locked_fails_as_well(client, first_key, owner):
    with connection.cursor() as cursor:
        cursor.execute("SET lock_timeout = '100ms'")

    with owner.transaction():
        owner.execute("LOCK TABLE apikeys_allowance")
        answer = call(client, "GET", WHOAMI, key=first_key)

    connection.close()
    assert answer.status_code == 503
    assert call(client, "GET", WHOAMI, key=first_key).status_code == 200


def test_rows_are_swept_once_they_say_nothing(first_key, dana, acme, limits, owner):
    limits(per_key=(2, 3600))
    authenticate(first_key.secret, address=HERE)
    shifted(owner, "apikeys_allowance", "restored_at", "2 hours")
    authenticate(create_key(dana, acme, name="other").secret, address=HERE)

    rate_limits.sweep()

    assert Allowance.objects.count() == 1
    assert not Allowance.objects.filter(pk=f"key:{first_key.id}").exists()


def test_the_table_is_not_logged(owner):
    row = owner.execute("SELECT relpersistence FROM pg_class WHERE relname = 'apikeys_allowance'")

    assert row.fetchone() in (("u",), (b"u",))


@pytest.mark.parametrize(
    ("owed", "fields"),
    [
        (0.01, '"key";r=5999;t=1'),
        (59.99, '"key";r=1;t=60'),
        (60.0, '"key";r=0;t=60'),
        (30.005, '"key";r=2999;t=31'),
    ],
)
def test_what_is_left_is_rounded_to_the_careful_side(owed, fields):
    quota = Quota.after("key", Limit(6000, 60), owed=owed)

    assert quota.headers()["RateLimit"] == fields


def test_a_sweep_that_fails_is_logged_and_raises_nothing(monkeypatch):
    monkeypatch.setattr(rate_limits, "_SWEEP", "SELECT 1 / 0")

    with structlog.testing.capture_logs() as lines:
        rate_limits.sweep()

    assert [line["event"] for line in lines] == ["old rate limits could not be swept"]


def test_a_sweep_skips_a_row_that_is_in_use(first_key, limits, owner):
    limits(per_key=(2, 3600))
    authenticate(first_key.secret, address=HERE)
    shifted(owner, "apikeys_allowance", "restored_at", "2 hours")

    with owner.transaction():
        owner.execute("SELECT FROM apikeys_allowance FOR UPDATE")
        rate_limits.sweep()
        assert Allowance.objects.count() == 1


def test_inside_a_transaction_the_commit_still_waits_for_the_disk(first_key, limits):
    limits(per_key=(9, 60))
    authenticate(first_key.secret, address=HERE)

    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL synchronous_commit = on")
        authenticate(first_key.secret, address=HERE)
        cursor.execute("SHOW synchronous_commit")
        assert cursor.fetchone() == ("on",)


def test_all_unknown_addresses_share_one_limit(client, limits, configure):
    configure(TRUSTED_PROXIES=1)
    limits(failed_attempts=(3, 3600))

    answers = fail(client, 2) + fail(client, 2, X_Forwarded_For="garbage")

    assert [answer.status_code for answer in answers] == [401, 401, 401, 429]
