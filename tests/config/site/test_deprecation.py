"""Version 1 says that it ends, and where to read how to move on."""

from datetime import UTC, date, datetime
from email.utils import parsedate_to_datetime

import pytest

from tests.http import call


@pytest.mark.parametrize("path", ["/api/v1/api-keys", "/api/v1/nothing-here"])
def test_every_response_of_version_1_has_a_sunset_header(client, first_key, path):
    answer = call(client, "GET", path, key=first_key)

    assert datetime.fromtimestamp(int(answer["Deprecation"][1:]), UTC).date() == date(2026, 11, 23)
    assert parsedate_to_datetime(answer["Sunset"]).date() == date(2027, 12, 31)


def test_the_page_that_the_header_links_to_exists(client, first_key):
    link = call(client, "GET", "/api/v1/api-keys", key=first_key)["Link"]
    address = link.partition(">")[0].lstrip("<")

    page = client.get(address)

    assert page.status_code == 200
    assert b"From version 1" in b"".join(page.streaming_content)


def test_responses_of_version_2_have_no_sunset_header(client, first_key):
    answer = call(client, "GET", "/api/v2/whoami", key=first_key)

    assert not {"Deprecation", "Sunset"} & set(answer.headers)
