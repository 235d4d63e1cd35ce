"""The HTTP contract of the project: run in a copy of it, this writes what each call comes to."""

import json
import os
import re
import sys
from pathlib import Path

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup()

from accounts.models import User  # noqa: E402  # after django.setup()
from articles.models import Article, Comment, Section, Tag  # noqa: E402
from django.conf import settings  # noqa: E402
from django.core import mail, serializers  # noqa: E402
from django.core.files.uploadedfile import SimpleUploadedFile  # noqa: E402
from django.test import Client  # noqa: E402
from django.test.client import BOUNDARY, MULTIPART_CONTENT, encode_multipart  # noqa: E402
from rest_framework.authtoken.models import Token  # noqa: E402

JSON, FORM = "application/json", "application/x-www-form-urlencoded"
#: What a wrapped view adds to a response, and what differs in every response.
OURS = {"Command-Id", "X-Request-Id", "Date", "Expires"}
_TIME = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:\d\d)")
# What is new in the list of all models that Django's admin shows on each page.
_NEW_MODELS = re.compile(
    r'(?:<div class="app-(?:audit|approvals) module.*?</div>|'
    r'<tr class="model-historicalarticle.*?</tr>)\s*',
    re.DOTALL,
)
_CSRF = re.compile(r'(?<=name="csrfmiddlewaretoken" value=")\w+')
_ADMIN = "/admin/articles/article"
_FORM = "slug=by-hand&title=By+hand&author=1"

# Method, path below api/, body, content type, and who calls.
CALLS = [
    # The first command in a copied database runs twice, because it begins an epoch: no id is taken.
    ("DELETE", "articles/none/", "", JSON, "ann"),
    ("POST", "users/", '{"email": "dan@example.com", "password": "battery"}', JSON, None),
    ("POST", "users/", '{"email": "dan@example.com", "password": "battery"}', JSON, None),
    ("POST", "users/", "email=gil%40example.com&password=staple&name=Gil", FORM, None),
    ("POST", "users/", '{"email": "no address"}', JSON, None),
    ("POST", "users/sign-in/", '{"email": "dan@example.com", "password": "battery"}', JSON, None),
    ("POST", "users/sign-in/", '{"email": "dan@example.com", "password": "x"}', JSON, None),
    ("GET", "articles/", "", JSON, None),
    ("POST", "articles/", '{"title": "Two", "tags": ["b", "a"]}', JSON, "ann"),
    ("POST", "articles/", '{"title": "Two"}', JSON, "ann"),
    ("POST", "articles/", '{"title": "T", "sections": [{"heading": "1"}, {}]}', JSON, "ann"),
    ("POST", "articles/", '{"title": "T", "sections": [{"heading": "1"}]}', JSON, "bob"),
    ("POST", "articles/", '{"slug": "two", "title": "Again"}', JSON, "bob"),
    ("POST", "articles/", "title=Form&tags=a&tags=c", FORM, "ann"),
    ("POST", "articles/", "{}", JSON, "ann"),
    ("POST", "articles/", "", JSON, "ann"),
    ("POST", "articles/", '{"title": ', JSON, "ann"),
    ("POST", "articles/", "[1]", JSON, "ann"),
    ("POST", "articles/", "<title>x</title>", "application/xml", "ann"),
    ("POST", "articles/", '{"title": "x"}', JSON, None),
    ("POST", "articles/", '{"title": "x"}', JSON, "unknown"),
    ("PUT", "articles/", '{"title": "x"}', JSON, "ann"),
    ("GET", "articles/two/", "", JSON, None),
    ("PUT", "articles/two/", '{"title": "Deux", "tags": ["d"]}', JSON, "ann"),
    ("PUT", "articles/two/", '{"title": "", "tags": 1}', JSON, "ann"),
    ("PUT", "articles/two/", "{", JSON, "ann"),
    ("PUT", "articles/none/", '{"title": "x"}', JSON, "ann"),
    ("PATCH", "articles/two/", '{"title": "x"}', JSON, "bob"),
    ("PATCH", "articles/two/", '{"sections": [{"heading": "new"}]}', JSON, "ann"),
    ("PATCH", "articles/two/", '{"slug": "one"}', JSON, "ann"),
    ("PATCH", "articles/two/", '{"title": "x"}', JSON, None),
    ("POST", "articles/two/tag/", '{"name": "a"}', JSON, "bob"),
    ("POST", "articles/two/tag/", '{"name": "fresh"}', JSON, "bob"),
    ("POST", "articles/none/tag/", '{"name": "a"}', JSON, "bob"),
    ("GET", "articles/two/tag/", "", JSON, "bob"),
    ("POST", "articles/two/comments/", '{"text": "First!"}', JSON, "bob"),
    ("POST", "articles/two/comments/", '{"text": ""}', JSON, "bob"),
    ("POST", "articles/none/comments/", '{"text": "x"}', JSON, "bob"),
    ("GET", "articles/two/comments/", "", JSON, None),
    ("PUT", "articles/two/cover/", "", "file", "ann"),
    ("PUT", "articles/two/cover/", "", "file", "bob"),
    ("PUT", "articles/two/cover/", "{}", JSON, "ann"),
    ("POST", "articles/two/publication/", "", JSON, "ann"),
    ("POST", "articles/two/publication/", "", JSON, "bob"),
    ("GET", "articles/two/publication/", "", JSON, "ann"),
    ("OPTIONS", "articles/", "", JSON, "ann"),
    ("DELETE", "articles/two/", "", JSON, "bob"),
    ("DELETE", "articles/none/", "", JSON, "ann"),
    ("DELETE", "articles/form/", "", JSON, "ann"),
    ("DELETE", "articles/form/", "", JSON, "ann"),
    ("GET", "articles/", "", JSON, None),
    ("GET", f"{_ADMIN}/", "", FORM, "root"),
    ("GET", f"{_ADMIN}/add/", "", FORM, "root"),
    ("POST", f"{_ADMIN}/add/", _FORM, FORM, "root"),
    ("POST", f"{_ADMIN}/1/change/", _FORM.replace("by-hand", "one"), FORM, "root"),
    ("POST", f"{_ADMIN}/", "action=publish&_selected_action=1", FORM, "root"),
    ("POST", f"{_ADMIN}/1/delete/", "post=yes", FORM, "root"),
    ("POST", f"{_ADMIN}/add/", _FORM, FORM, "bob"),
]


def seed():
    """Write the rows that were there before."""
    for name in ("ann", "bob"):
        user = User.objects.create_user(f"{name}@example.com", "correct horse")
        Token.objects.create(user=user, key=name)
    for name in ("root", "eva", "fay"):
        User.objects.create_superuser(f"{name}@example.com", "correct horse")
    article = Article.objects.create(title="One", author=User.objects.first())
    article.tags.add(Tag.objects.create(name="a"))
    Section.objects.create(article=article, heading="Introduction")
    Comment.objects.create(article=article, author=article.author, text="Mine.")


def response_to(client, method, path, body, content_type, caller):
    """Send a call, and return what it comes to, the e-mails that it sent included."""
    is_page = path.startswith("/")
    headers = {"X-Request-Id": "the-same"}
    if caller and not is_page:
        headers["Authorization"] = f"Token {caller}"
    if content_type == "file":
        content = {"cover": SimpleUploadedFile("cover.txt", b"a cover")}
        body, content_type = encode_multipart(BOUNDARY, content), MULTIPART_CONTENT
    if caller and is_page:
        client.force_login(User.objects.get(email=f"{caller}@example.com"))
    client.cookies.pop("messages", None)
    mail.outbox = []
    response = client.generic(
        method, path if is_page else f"/api/{path}", body, content_type=content_type,
        headers=headers,
    )  # fmt: skip
    shown = {name: value for name, value in response.headers.items() if name not in OURS}
    content = _TIME.sub("<time>", response.content.decode("latin-1"))
    if is_page:
        # Its header has the length with that list.
        del shown["Content-Length"]
        content = _CSRF.sub("<token>", _NEW_MODELS.sub("", content))
    if path.endswith("sign-in/"):
        content = re.sub(r"[0-9a-f]{40}", "<token>", content)
    sent = [(each.subject, each.body, each.to) for each in mail.outbox]
    cookie = response.cookies.get("messages")
    # The rest of it is the time and the signature.
    told = cookie.value.split(":")[0] if cookie else ""
    return [response.status_code, shown, content, sent, told]


def rows():
    """Return all rows that the calls leave in the tables of the project."""
    models = (Tag, Article, Section, Comment, Comment.history.model)
    left = serializers.serialize(
        "json", [row for model in models for row in model.objects.order_by("pk")]
    )
    return re.sub(r"_[A-Za-z0-9]{7}\.txt", ".txt", _TIME.sub("<time>", left))


def main(action, *arguments):
    settings.ALLOWED_HOSTS = ["testserver"]
    mail.outbox = []
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    if action == "seed":
        seed()
        return
    client = Client(raise_request_exception=False)
    found = [[*call, response_to(client, *call)] for call in CALLS]
    Path(arguments[0]).write_text(json.dumps({"calls": found, "rows": rows()}, indent=1))


main(*sys.argv[1:])
