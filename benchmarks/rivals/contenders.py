"""The four that are measured, each as a view that wants a credential, and with as many rows."""

import secrets
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from knox.auth import TokenAuthentication as KnoxAuthentication
from knox.models import AuthToken
from rest_framework.authentication import TokenAuthentication
from rest_framework.authtoken.models import Token
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.test import APIRequestFactory
from rest_framework.views import APIView
from rest_framework_api_key.models import APIKey
from rest_framework_api_key.permissions import HasAPIKey

from apikeys.authentication.bearer import ApiKeyAuthentication
from benchmarks.keyring import Keyring

_BATCH = 1000
#: How many different credentials of each are shown in turn.
SHOWN = 100


class _View(APIView):
    """Answers nothing: all that it costs is the request and who it comes from."""

    def get(self, request: Request) -> Response:
        return Response()


class OpenView(_View):
    """A view without authentication."""

    authentication_classes = ()
    permission_classes = ()


class OurView(_View):
    """By a secret of ours."""

    authentication_classes = (ApiKeyAuthentication,)
    permission_classes = (IsAuthenticated,)


class HasApiKeyView(_View):
    """By djangorestframework-api-key, which says yes or no, and not whose key it is."""

    authentication_classes = ()
    permission_classes = (HasAPIKey,)


class TokenView(_View):
    """By the token of the REST framework itself."""

    authentication_classes = (TokenAuthentication,)
    permission_classes = (IsAuthenticated,)


class KnoxView(_View):
    """By knox."""

    authentication_classes = (KnoxAuthentication,)
    permission_classes = (IsAuthenticated,)


def contenders(count: int) -> dict[str, Callable[[], None]]:
    """Make N credentials of each kind, one a person; return a function that uses them in turn."""
    keyring = Keyring("contenders", known=SHOWN)
    keyring.fill(count)
    people = _people(count)
    return {
        "nobody": _showing(OpenView, "Bearer", keyring.secrets),
        "countersign": _showing(OurView, "Bearer", keyring.secrets),
        "countersign, no rate limits": _without_limits(
            _showing(OurView, "Bearer", keyring.secrets)
        ),
        "djangorestframework-api-key": _showing(HasApiKeyView, "Api-Key", _api_keys(count)),
        "REST framework's token": _showing(TokenView, "Token", _tokens(people)),
        "knox": _showing(KnoxView, "Token", _knox_tokens(people)),
    }


def _showing(view: type[APIView], scheme: str, credentials: Iterable[str]) -> Callable[[], None]:
    ask: Any = view.as_view()
    make = APIRequestFactory().get
    requests = [make("/", headers={"Authorization": f"{scheme} {each}"}) for each in credentials]
    turn = 0

    def show() -> None:
        nonlocal turn
        turn = (turn + 1) % len(requests)
        answer = ask(requests[turn])
        assert answer.status_code == HTTPStatus.OK, answer.data  # noqa: S101  # or it measures 401s

    return show


def _without_limits(show: Callable[[], None]) -> Callable[[], None]:
    """Show a credential to us as to the others, who do not count how often they are called."""
    limits = settings.RATE_LIMIT_PER_KEY, settings.RATE_LIMIT_FAILED_ATTEMPTS

    def show_without() -> None:
        settings.RATE_LIMIT_PER_KEY = settings.RATE_LIMIT_FAILED_ATTEMPTS = None
        try:
            show()
        finally:
            settings.RATE_LIMIT_PER_KEY, settings.RATE_LIMIT_FAILED_ATTEMPTS = limits

    return show_without


def _people(count: int) -> list[User]:
    people = [User(username=f"person {number}") for number in range(count)]
    return User.objects.bulk_create(people, batch_size=_BATCH)


def _api_keys(count: int) -> list[str]:
    made = [_api_key(f"key {number}") for number in range(count)]
    APIKey.objects.bulk_create([key for key, _ in made], batch_size=_BATCH)
    return [secret for _, secret in made[-SHOWN:]]


def _api_key(name: str) -> tuple[Any, str]:
    key = APIKey(name=name)
    return key, APIKey.objects.assign_key(key)


def _tokens(people: list[User]) -> list[str]:
    tokens = [Token(user=user, key=secrets.token_hex(20)) for user in people]
    Token.objects.bulk_create(tokens, batch_size=_BATCH)
    return [token.key for token in tokens[-SHOWN:]]


def _knox_tokens(people: list[User]) -> list[str]:
    return [AuthToken.objects.create(user=user)[1] for user in people][-SHOWN:]
