"""Text from users on pages: isolated from the text around it, and without invisible characters."""

import re
from pathlib import Path

import pytest
from django.contrib.auth.models import Permission, User
from django.contrib.staticfiles import finders

from apikeys.models import ApiKey, Customer, Membership
from audit.models.records import CommandRecord
from audit.outside import outside_command

UNSEEN = "\u202e\u2066\u200b\x07\x1b"
NUMBERS = "[U+202E][U+2066][U+200B][U+0007][U+001B]"


@pytest.fixture
def odd(first_key):
    """A key with invisible characters in its name and in two values of its description."""
    for text in ("disabled", "enabled"):
        with outside_command("By hand"):
            ApiKey.objects.update(name=f"name{UNSEEN}", description=f"{text}{UNSEEN}")
    with outside_command("By hand"):
        Customer.objects.update(name=f"customer{UNSEEN}")
        User.objects.filter(username="dana").update(username=f"dana{UNSEEN}")
    return first_key


@pytest.mark.parametrize(
    "page",
    [
        "/admin/apikeys/apikey/",
        "/admin/apikeys/apikey/{key}/change/",
        "/admin/apikeys/apikey/{key}/history/",
        "/admin/apikeys/apikey/{key}/history/{version}/",
        "/audit/subjects/api-key/{key}",
        "/audit/cases/{case}",
        "/audit/",
        "/audit/actors/user/{dana}",
        "/admin/apikeys/customer/",
        "/admin/apikeys/customer/{customer}/change/",
        "/admin/apikeys/customer/{customer}/history/",
        "/admin/apikeys/membership/",
        "/admin/apikeys/membership/{membership}/change/",
        "/admin/audit/commandrecord/",
        "/admin/auth/user/",
        "/admin/auth/user/{dana}/change/",
        "/admin/auth/group/{group}/change/",
    ],
)
def test_invisible_characters_are_shown_by_their_numbers(odd, dana, iris, security, read, page):
    iris.user_permissions.add(*Permission.objects.filter(codename__startswith="view_"))
    newest = ApiKey.history.latest("history_id")
    record = CommandRecord.objects.filter(channel="outside").latest("position")

    dana.groups.add(security)
    content = read(
        page.format(
            group=security.pk,
            key=odd.id,
            version=newest.pk,
            case=record.correlation_id,
            dana=dana.pk,
            customer=odd.row.customer_id,
            membership=Membership.objects.get(user=dana).pk,
        )
    )

    assert not re.findall(r".*[\u202e\u2066\u200b\x07\x1b].*", content)
    assert NUMBERS in content


@pytest.mark.parametrize(
    "page", ["/admin/apikeys/apikey/{}/history/", "/audit/subjects/api-key/{}"]
)
def test_the_values_of_a_change_are_isolated_from_each_other(odd, read, page):
    content = read(page.format(odd.id))

    assert f"<del>disabled{NUMBERS}</del> → <ins>enabled{NUMBERS}</ins>" in content
    styles = Path(finders.find("audit/countersign.css")).read_text()
    assert re.search(r"del,\s*ins \{\s*unicode-bidi: isolate;", styles)
