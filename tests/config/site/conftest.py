"""These tests, unlike those beside them, use the application's database."""

from tests.conftest import clean_database  # noqa: F401
