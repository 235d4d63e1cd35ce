"""The Content-Security-Policy is that of the settings, on every answer."""

from csp.utils import build_policy
from django.conf import settings

from tests.http import call


def directives(policy):
    return set(policy.split("; "))


def test_every_response_has_the_configured_policy(client, first_key):
    usual = directives(build_policy(config=settings.CONTENT_SECURITY_POLICY["DIRECTIVES"]))

    answers = [
        call(client, "GET", "/api/v2/whoami", key=first_key),
        call(client, "GET", "/api/v2/nowhere", key=first_key),
        client.get("/admin/login/"),
    ]

    for answer in answers:
        assert directives(answer["Content-Security-Policy"]) == usual


def test_a_view_with_its_own_policy_keeps_it(client):
    page = client.get("/api/v2/docs")

    assert "style-src 'self'" in page["Content-Security-Policy"]
    assert "connect-src 'self'" in page["Content-Security-Policy"]
