"""The same views as commands."""

from rest_framework.generics import CreateAPIView

from audit.adoption import CommandedView, ViewCommand, commanded
from tests.articles import views
from tests.articles.models import Article


class ArticleViewSet(CommandedView, views.ArticleViewSet):
    commands = {
        "create": ViewCommand(
            "articles.create", subject="article", subject_from="id", shows=("remark",)
        ),
        "update": "articles.update",
        "partial_update": "articles.update",
        "destroy": ViewCommand(
            "articles.delete", sentence="Delete the article {subject}", subject="article"
        ),
        "favorite": "articles.favorite",
        "annotate": "articles.annotate",
    }


class Upload(CommandedView, views.Upload):
    commands = {"post": "articles.upload"}


class Draft(CommandedView, CreateAPIView):
    """A view that takes the id that was reserved for its article."""

    commands = {"post": ViewCommand("articles.draft", subject="article", reserves=Article)}
    serializer_class = views.ArticleSerializer
    authentication_classes = views.Legacy.authentication_classes

    def perform_create(self, serializer):
        serializer.save(id=self.new_id)


class SignUp(CommandedView, views.SignUp):
    commands = {"post": "articles.sign_up"}


like_all = commanded("articles.like_all")(views.like_all)
rename = commanded(ViewCommand("articles.rename", subject="article", by="slug"))(views.rename)
