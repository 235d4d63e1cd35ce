"""The routes of articles: as they were under plain/, as commands under commanded/."""

from django.urls import include, path
from rest_framework.routers import SimpleRouter

from tests.articles import admin, commanded, views


def _routes(module):
    router = SimpleRouter()
    router.register("articles", module.ArticleViewSet, basename="legacy-article")
    return [
        *router.urls,
        path("upload/", module.Upload.as_view()),
        path("sign-up/", module.SignUp.as_view()),
        path("like-all/", module.like_all),
        path("rename/<slug:slug>/", module.rename),
    ]


urlpatterns = [
    path("plain/", include(_routes(views))),
    path("commanded/", include(_routes(commanded))),
    path("articles-admin/", admin.site.urls),
    path("commanded/drafts/", commanded.Draft.as_view()),
]
