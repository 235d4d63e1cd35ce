"""Events by subjects that only the log has."""

import pytest

from audit.models.records import CommandRecord


@pytest.fixture
def exported(iris, browser):
    """The id of an export by Iris."""
    form = {"format": "jsonl", "reason": "Audit"}
    b"".join(browser(iris).post("/audit/export", form).streaming_content)
    return CommandRecord.objects.get(message_type="audit.export").subject_id


def test_the_events_of_an_export_are_found(exported, iris, browser):
    response = browser(iris).get("/api/v2/events", {"subject": f"export:{exported}"})

    assert response.status_code == 200
    types = [each["type"] for each in response.json()["results"]]
    assert sorted(types) == ["audit.export_begun", "audit.exported"]


@pytest.mark.parametrize("subject", ["export:", "export:a b", "exports:1", "nothing:1", "export"])
def test_other_subjects_are_invalid(subject, iris, browser):
    response = browser(iris).get("/api/v2/events", {"subject": subject})

    assert response.status_code == 400
