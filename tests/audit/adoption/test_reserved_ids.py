"""Ids that are reserved before there is a row."""

from django.conf import settings

from approvals.models import ApprovalRequest
from audit.domain import from_sequence
from audit.messages.catalog import message_class
from tests.articles.models import Article
from tests.conftest import approved, policy


def test_a_held_request_knows_the_id_of_what_it_creates(as_rita, security, ann, owner):
    role = settings.DATABASES["default"]["USER"]
    owner.execute(f'GRANT USAGE ON SEQUENCE articles_article_id_seq TO "{role}"')
    policy("articles.draft", group=security, quorum=1)

    held = as_rita("POST", "drafts/", {"slug": "one", "title": "One"})
    approved(ApprovalRequest.objects.get(), ann)

    article = Article.objects.get()
    assert held.json()["resource"] == {"type": "article", "id": str(article.pk)}
    assert from_sequence(Article)() == article.pk + 1
    assert message_class("articles.draft").subject == ("article", "new_id")
