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
    return len(statements(client, url))


def statements(client, url):
    """Return the statements of a page that was read before."""
    client.get(url)
    with CaptureQueriesContext(connection) as captured:
        assert client.get(url).status_code == 200
    return [each["sql"] for each in captured]


def rows_returned(statement):
    """Return the number of rows that a statement without parameters returns now."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM ({statement}) AS returned")
        return cursor.fetchone()[0]
