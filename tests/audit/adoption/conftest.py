"""Authors of articles, and requests of one of them to the commanded views."""

import base64

import pytest
from django.test import Client

from tests.conftest import PASSWORD, member
from tests.http import call


def credentials(user):
    given = base64.b64encode(f"{user.username}:{PASSWORD}".encode()).decode()
    return {"Authorization": f"Basic {given}"}


@pytest.fixture
def rita(acme):
    """Writes articles; has no permission of ours."""
    return member("rita", acme)


@pytest.fixture
def sam(acme):
    """Another author."""
    return member("sam", acme)


@pytest.fixture
def as_rita(rita):
    """A function that sends a request of Rita's to the commanded views."""

    def send(method, path, body=None, **headers):
        return call(Client(), method, f"/commanded/{path}", body, **headers, **credentials(rita))

    return send
