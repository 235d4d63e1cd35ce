"""Every method on every route: none breaks it, and none makes it tell of our code."""

import pytest
from django.urls import get_resolver

from tests.http import call


def _routes(patterns, prefix=""):
    for each in patterns:
        path = prefix + str(each.pattern)
        if hasattr(each, "url_patterns"):
            yield from _routes(each.url_patterns, path)
        else:
            yield path


EVERY = _routes(get_resolver("tests.urls").url_patterns)
ROUTES = sorted({path for path in EVERY if path.startswith("api/")})


@pytest.mark.sweep
@pytest.mark.parametrize("method", ["OPTIONS", "HEAD", "TRACE", "PROPFIND", "PUT"])
@pytest.mark.parametrize("route", ROUTES)
def test_no_method_breaks_a_route_or_makes_it_talk(client, first_key, route, method):
    path = "/" + "".join(str(first_key.id) if ">" in part else part for part in _parts(route))

    answer = call(client, method, path, key=first_key)

    assert answer.status_code < 500
    if method == "OPTIONS" and "Allow" in answer:
        assert (answer.status_code in (204, 405), answer.content) == (True, b"")
    if method == "HEAD":
        assert answer.content == b""
    if method in ("TRACE", "PROPFIND"):
        assert answer.status_code in (401, 404, 405)


def _parts(route):
    rest = route
    while "<" in rest:
        before, _, after = rest.partition("<")
        name, _, rest = after.partition(">")
        yield from (before, f"{name}>")
    yield rest
