"""These tests use the application's database, unlike those in the other folders of config."""

from tests.conftest import clean_database  # noqa: F401
