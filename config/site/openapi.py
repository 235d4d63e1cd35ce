"""General settings of the OpenAPI document."""

from typing import Any

_DESCRIPTION = """\
API keys, and an audit log of every command that touches them. A command may be held until enough
people approve it: then the response is 202, and `Location` is the URL of the command.

Every error is a problem (RFC 9457) with a stable `type`, which is a page, and a `code`. `HEAD` is
supported wherever `GET` is.
"""


def _sent_in(place: str, name: str, description: str) -> dict[str, str]:
    return {"type": "apiKey", "in": place, "name": name, "description": description}


_SECURITY_SCHEMES = {
    "key": {"type": "http", "scheme": "bearer", "description": "The secret of an API key."},
    "session": _sent_in("cookie", "sessionid", "A user who is signed in to the admin."),
    "csrf_cookie": _sent_in("cookie", "csrftoken", "Set by the sign-in page."),
    "csrf_token": _sent_in(
        "header",
        "X-CSRFToken",
        "The value of the `csrftoken` cookie, for every write in a session.",
    ),
}


def settings() -> dict[str, Any]:
    return {
        "OAS_VERSION": "3.1.0",
        "TITLE": "Countersign",
        "VERSION": "2",
        "DESCRIPTION": _DESCRIPTION,
        "LICENSE": {"name": "MIT", "identifier": "MIT"},
        "SERVERS": [{"url": "/"}],
        "APPEND_COMPONENTS": {"securitySchemes": _SECURITY_SCHEMES},
        "COMPONENT_SPLIT_PATCH": False,
        "ENFORCE_NON_BLANK_FIELDS": True,
        "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
        "PATH_CONVERTER_OVERRIDES": {"any_uuid": {"type": "string", "format": "uuid"}},
        "CONTACT": {"name": "Countersign", "url": "https://countersign.example"},
        "POSTPROCESSING_HOOKS": ["audit.rest.openapi.schema.declare_tags"],
    }
