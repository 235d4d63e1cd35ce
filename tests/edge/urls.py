"""The product's URLs, and pages that respond slowly, at length or not at all."""

import json
import threading
import time

from django.http import HttpResponse, HttpResponseNotModified, JsonResponse, StreamingHttpResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

from config.urls import handler400, handler404, handler500, urlpatterns

__all__ = ["handler400", "handler404", "handler500", "urlpatterns"]

PART = b"x" * 65536


@csrf_exempt
def mark(request, name):
    """Log that a request got here, whatever its body."""
    print(f"reached {name}: {len(request.body)} bytes", flush=True)  # noqa: T201
    return HttpResponse(b"reached")


@csrf_exempt
def echo(request):
    """Return what reached Django of a request, with bytes as Latin-1."""
    seen = {name: value for name, value in request.META.items() if isinstance(value, str)}
    return JsonResponse({"meta": seen, "body": request.body.decode("latin-1")})


def sleep(request, seconds):
    print("slow page begun", flush=True)  # noqa: T201
    time.sleep(seconds)
    return HttpResponse(b"slept")


def fixed(request, size):
    return HttpResponse(b"x" * size)


def paced(request, parts):
    """Send some parts, ten a second."""
    print("slow page begun", flush=True)  # noqa: T201

    def content():
        for _ in range(parts):
            time.sleep(0.1)
            yield PART * 5

    return StreamingHttpResponse(content())


def stream(request, parts):
    return StreamingHttpResponse(PART for _ in range(parts))


def broken(request, parts):
    """Send some parts, then raise."""

    def content():
        for _ in range(parts):
            yield PART
        message = "broken on purpose"
        raise RuntimeError(message)

    return StreamingHttpResponse(content())


def unchanged(request):
    return HttpResponseNotModified()


def header(request):
    return HttpResponse(b"", headers={"X-City": "Köln".encode().decode("latin-1")})


def threads(request):
    """Return the ids of the threads that made the parts of a stream and closed it."""
    idents = [threading.get_ident()]

    class Content:
        def __iter__(self):
            for _ in range(20):
                idents.append(threading.get_ident())
                yield PART

        def close(self):
            idents.append(threading.get_ident())
            print(json.dumps({"one_thread": len(set(idents)) == 1}), flush=True)  # noqa: T201

    return StreamingHttpResponse(Content())


urlpatterns = [
    *urlpatterns,
    path("edge/echo", echo),
    path("edge/mark/<slug:name>", mark),
    path("edge/sleep/<int:seconds>", sleep),
    path("edge/fixed/<int:size>", fixed),
    path("edge/paced/<int:parts>", paced),
    path("edge/stream/<int:parts>", stream),
    path("edge/broken/<int:parts>", broken),
    path("edge/unchanged", unchanged),
    path("edge/header", header),
    path("edge/threads", threads),
]
