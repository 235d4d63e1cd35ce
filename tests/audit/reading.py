"""Reading of the audit pages."""

import re

from django.db import connection
from django.test.utils import CaptureQueriesContext


def story_of(key_id):
    return f"/audit/subjects/api-key/{key_id}"


def headlines(content):
    """Return the headlines of a timeline, in order."""
    return re.findall(r'<strong class="line-words">(.*?)</strong>', content)


def queries(client, url):
    client.get(url)
    with CaptureQueriesContext(connection) as captured:
        assert client.get(url).status_code == 200
    return len(captured)
