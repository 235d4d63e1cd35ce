from accounts.models import User
from django.core import mail
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import TestCase, TransactionTestCase
from rest_framework.authtoken.models import Token
from rest_framework.test import APIClient

from articles.models import Article, Comment, Tag


class ArticleTests(TestCase):
    @classmethod
    def setUpTestData(cls):
        cls.ann = User.objects.create_user("ann@example.com", "correct horse")
        cls.bob = User.objects.create_user("bob@example.com", "correct horse")
        cls.article = Article.objects.create(title="First steps", author=cls.ann)
        cls.article.tags.add(Tag.objects.create(name="django"))

    def client_of(self, user):
        client = APIClient()
        client.credentials(HTTP_AUTHORIZATION=f"Token {Token.objects.create(user=user)}")
        return client

    def test_sign_up_and_sign_in(self):
        given = {"email": "cem@example.com", "password": "correct horse"}
        client = APIClient()
        self.assertEqual(client.post("/api/users/", given).status_code, 201)
        self.assertIn("token", client.post("/api/users/sign-in/", given).data)

    def test_an_article_is_written_with_its_parts(self):
        given = {"title": "Second", "tags": ["django", "new"], "sections": [{"heading": "One"}]}
        response = self.client_of(self.ann).post("/api/articles/", given, format="json")
        self.assertEqual(response.status_code, 201)
        article = Article.objects.get(slug="second")
        self.assertEqual(article.tags.count(), 2)
        self.assertEqual(article.sections.get().heading, "One")

    def test_an_article_is_changed_by_its_author_only(self):
        path = "/api/articles/first-steps/"
        self.assertEqual(self.client_of(self.bob).patch(path, {"title": "x"}).status_code, 403)
        self.assertEqual(self.client_of(self.ann).patch(path, {"title": "x"}).status_code, 200)
        self.assertEqual(Article.objects.get().title, "x")

    def test_an_article_is_deleted(self):
        client = self.client_of(self.ann)
        self.assertEqual(client.delete("/api/articles/none/").status_code, 404)
        self.assertEqual(client.delete("/api/articles/first-steps/").status_code, 200)
        self.assertFalse(Article.objects.exists())

    def test_a_comment_is_counted_and_its_author_told(self):
        client = self.client_of(self.bob)
        with self.captureOnCommitCallbacks(execute=True):
            response = client.post("/api/articles/first-steps/comments/", {"text": "Fine."})
        self.assertEqual(response.status_code, 201)
        self.assertEqual(Article.objects.get().comment_count, 1)
        self.assertEqual(mail.outbox[0].to, ["ann@example.com"])
        self.assertEqual(Comment.history.get().history_type, "+")

    def test_a_tag_may_exist_already(self):
        client = self.client_of(self.ann)
        for _ in range(2):
            response = client.post("/api/articles/first-steps/tag/", {"name": "new"})
        self.assertEqual(response.data, {"tags": ["django", "new"]})

    def test_a_cover_is_uploaded(self):
        file = SimpleUploadedFile("cover.txt", b"a cover")
        path = "/api/articles/first-steps/cover/"
        response = self.client_of(self.ann).put(path, {"cover": file}, format="multipart")
        self.assertEqual(response.data, {"size": 7})

    def test_an_article_is_published(self):
        client = self.client_of(self.ann)
        client.post("/api/articles/first-steps/publication/")
        self.assertTrue(Article.objects.get().is_published)

    def test_the_admin_changes_an_article(self):
        root = User.objects.create_superuser("root@example.com", "correct horse")
        self.client.force_login(root)
        data = {"slug": "first-steps", "title": "Changed", "author": self.ann.pk}
        path = f"/admin/articles/article/{self.article.pk}/change/"
        self.assertEqual(self.client.post(path, data).status_code, 302)
        self.assertEqual(Article.objects.get().title, "Changed")


class CommittedTests(TransactionTestCase):
    """The database is flushed after each."""

    def setUp(self):
        self.ann = User.objects.create_user("ann@example.com", "correct horse")
        self.article = Article.objects.create(title="First steps", author=self.ann)

    def comment(self):
        client = APIClient()
        client.credentials(HTTP_AUTHORIZATION=f"Token {Token.objects.create(user=self.ann)}")
        return client.post("/api/articles/first-steps/comments/", {"text": "Fine."})

    def test_an_author_is_told_once_a_comment_is_committed(self):
        self.assertEqual(self.comment().status_code, 201)
        self.assertEqual(mail.outbox[0].to, ["ann@example.com"])

    def test_no_row_of_another_test_is_left(self):
        self.assertEqual(self.comment().status_code, 201)
        self.assertEqual(Comment.objects.count(), 1)
