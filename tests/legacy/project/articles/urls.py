from django.urls import include, path
from rest_framework.routers import SimpleRouter

from articles import views

router = SimpleRouter()
router.register("articles", views.ArticleViewSet)
urlpatterns = [
    path("", include(router.urls)),
    path("articles/<slug:slug>/comments/", views.Comments.as_view()),
    path("articles/<slug:slug>/cover/", views.Cover.as_view()),
    path("articles/<slug:slug>/publication/", views.publication),
]
