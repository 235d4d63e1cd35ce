"""Exports by Iris."""

import pytest


@pytest.fixture
def ask(iris, browser):
    """Iris exports what a search finds."""
    client = browser(iris)

    def post(query="", *, format_name="jsonl", reason="Yearly audit 2026"):
        return client.post(f"/audit/export?{query}", {"format": format_name, "reason": reason})

    return post


@pytest.fixture
def export(ask):
    """Iris exports, and gets a file."""

    def text(query="", **asked):
        answer = ask(query, **asked)
        assert answer.status_code == 200
        return b"".join(answer.streaming_content).decode()

    return text
