"""Settings are typed, and refused in words that name the variable and never its value."""

import base64
import traceback
from datetime import timedelta

import pytest
from django.core.exceptions import ImproperlyConfigured

from config import environment

OLD_KEY = base64.b64encode(b"o" * 32).decode()
NEW_KEY = base64.b64encode(b"n" * 48).decode()
SHORT_KEY = base64.b64encode(b"short-secret").decode()


@pytest.fixture
def setting(monkeypatch):
    """Set the variable that is read by the test."""

    def set_to(value):
        monkeypatch.setenv("SETTING", value)

    monkeypatch.delenv("SETTING", raising=False)
    return set_to


@pytest.mark.parametrize("empty", ["", "  "])
def test_an_empty_value_counts_as_missing(setting, empty):
    setting(empty)

    assert environment.text("SETTING", default="default") == "default"


def test_a_missing_value_is_refused_by_name(setting):
    with pytest.raises(ImproperlyConfigured, match="SETTING is missing"):
        environment.text("SETTING")


@pytest.mark.parametrize(
    ("value", "meaning"),
    [("true", True), ("Yes", True), ("1", True), ("off", False), ("FALSE", False), ("0", False)],
)
def test_a_flag_can_be_written_in_several_ways(setting, value, meaning):
    setting(value)

    assert environment.flag("SETTING", default=not meaning) is meaning


def test_a_flag_has_a_default(setting):
    assert environment.flag("SETTING", default=True) is True
    assert environment.flag("SETTING", default=False) is False


def test_a_number_must_be_an_integer(setting):
    setting("15")

    assert environment.number("SETTING", default=7) == 15


def test_a_list_drops_blanks(setting):
    setting(" a, b ,,c,")

    assert environment.listing("SETTING") == ["a", "b", "c"]


def test_a_choice_defaults_to_its_first(setting):
    assert environment.choice("SETTING", among=("json", "console")) == "json"


def test_keys_keep_their_order_the_newest_first(setting):
    setting(f"k2:{NEW_KEY},k1:{OLD_KEY}")

    assert list(environment.keys("SETTING").items()) == [("k2", b"n" * 48), ("k1", b"o" * 32)]


def test_a_database_over_the_network(setting):
    setting("postgresql://app%40x:p%2Fw%3A@db.example:6432/orders?sslmode=verify-full")

    assert environment.database("SETTING") == {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": "orders",
        "USER": "app@x",
        "PASSWORD": "p/w:",
        "HOST": "db.example",
        "PORT": "6432",
        "OPTIONS": {"sslmode": "verify-full"},
    }


def test_a_database_behind_a_socket(setting):
    setting("postgresql://app@/orders?host=/run/a%20b&port=5432")

    found = environment.database("SETTING")

    assert (found["HOST"], found["PORT"]) == ("/run/a b", "5432")
    assert found["OPTIONS"] == {}


@pytest.mark.parametrize("value", ["-1", "2", "3.5", ""])
def test_a_number_has_a_least_value(setting, value):
    setting(value)

    with pytest.raises(ImproperlyConfigured, match="SETTING is not a whole number of at least 3"):
        environment.number("SETTING", default=0, least=3)


@pytest.mark.parametrize("value", ["4", "8760001", "99999999999999", "-5", "1.5"])
def test_a_time_is_between_two_limits_which_the_error_names(setting, value):
    setting(value)

    with pytest.raises(ImproperlyConfigured, match="whole number of hours from 5 to 8760000"):
        environment.duration("SETTING", unit="hours", default=9, least=5)


def test_a_time_has_a_unit(setting):
    setting("8760000")
    assert environment.duration("SETTING", unit="hours", default=9) == timedelta(days=365_000)

    setting("")
    assert environment.duration("SETTING", unit="minutes", default=9) == timedelta(minutes=9)


def test_a_signing_key_is_there_once(setting):
    setting(f"k2:{OLD_KEY},k1:{OLD_KEY}")

    with pytest.raises(ImproperlyConfigured, match="same key under two ids") as refusal:
        environment.seeds("SETTING")
    assert OLD_KEY not in str(refusal.value)


def test_a_limit_is_requests_in_seconds(setting):
    setting("6000/60")

    assert environment.limit("SETTING", default="1/1") == (6000, 60)


def test_a_limit_is_disabled_by_a_keyword_and_not_by_an_empty_value(setting):
    setting("none")
    assert environment.limit("SETTING", default="30/60") is None

    setting("")
    assert environment.limit("SETTING", default="30/60") == (30, 60)


@pytest.mark.parametrize("value", ["60", "0/60", "60/0", "-1/60", "1.5/60", "60/60/60", "off"])
def test_an_invalid_limit_is_refused_with_an_example(setting, value):
    setting(value)

    with pytest.raises(ImproperlyConfigured, match="SETTING=30/60, or SETTING=none"):
        environment.limit("SETTING", default="30/60")


REFUSALS = [
    (lambda name: environment.flag(name, default=True), "s3cret"),
    (lambda name: environment.number(name, default=1), "12s3cret"),
    (lambda name: environment.day(name, default="2027-12-31"), "s3cret"),
    (lambda name: environment.choice(name, among=("json",)), "s3cret"),
    (lambda name: environment.limit(name, default="30/60"), "s3cret/60"),
    (environment.key, "not base64, s3cret"),
    (environment.key, SHORT_KEY),
    (environment.keys, OLD_KEY),
    (environment.keys, f"k1:{SHORT_KEY}"),
    (environment.keys, f"k1:{OLD_KEY},k1:{NEW_KEY}"),
    (environment.keys, f"s3cret id:{OLD_KEY}"),
    (environment.database, "mysql://app:s3cret@host/orders"),
    (environment.database, "postgresql://app:s3cret@host/"),
    (environment.database, "postgresql://app:s3%cret@host/orders"),
    (environment.database, "postgresql://app:s3cret@host:port/orders"),
    (environment.database, "postgresql://app:s3cret@host/orders?sslmood=on"),
    (environment.database, "host=db dbname=orders password=s3cret"),
]
SECRET_PARTS = ("s3cret", "s3%cret", OLD_KEY, NEW_KEY, SHORT_KEY)


@pytest.mark.parametrize(("read", "value"), REFUSALS)
def test_a_refusal_names_the_variable_and_not_its_value(setting, read, value):
    setting(value)

    with pytest.raises(ImproperlyConfigured) as refusal:
        read("SETTING")

    # A traceback shows what an exception was raised from, so that must not tell either.
    told = "".join(traceback.format_exception_only(refusal.value))
    told += str(None if refusal.value.__suppress_context__ else refusal.value.__context__)
    assert "SETTING " in told
    assert not [part for part in SECRET_PARTS if part in told]
