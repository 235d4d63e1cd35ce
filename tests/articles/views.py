"""The views of articles, as they were before."""

from django.http import Http404, JsonResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.csrf import csrf_exempt
from rest_framework import authentication, parsers, permissions, serializers
from rest_framework.decorators import (
    action,
    api_view,
    authentication_classes,
    parser_classes,
    permission_classes,
)
from rest_framework.generics import GenericAPIView
from rest_framework.response import Response
from rest_framework.throttling import UserRateThrottle
from rest_framework.views import APIView, exception_handler
from rest_framework.viewsets import ModelViewSet

from audit.domain import Postponed, dispatch
from tests.articles.models import Article, Tag
from tests.notes.handlers import WriteNote

PARSERS = [parsers.JSONParser, parsers.FormParser, parsers.MultiPartParser]


class ArticleSerializer(serializers.ModelSerializer):
    tags = serializers.SlugRelatedField(
        slug_field="name", queryset=Tag.objects, many=True, required=False
    )
    remark = serializers.CharField(write_only=True, required=False)

    class Meta:
        model = Article
        fields = ("id", "slug", "title", "tags", "likes", "password", "remark")
        extra_kwargs = {"password": {"write_only": True}}

    def create(self, given):
        given.pop("remark", None)
        return super().create(given | {"author": self.context["request"].user})


class Throttle(UserRateThrottle):
    rate = "1000/min"


class Legacy:
    authentication_classes = [authentication.BasicAuthentication]
    permission_classes = [permissions.IsAuthenticatedOrReadOnly]
    parser_classes = PARSERS
    throttle_classes = [Throttle]

    def get_exception_handler(self):
        return exception_handler


class ArticleViewSet(Legacy, ModelViewSet):
    queryset = Article.objects.order_by("pk")
    serializer_class = ArticleSerializer
    lookup_field = "slug"

    def update(self, request, *args, **kwargs):
        try:
            return super().update(request, *args, **kwargs)
        except Exception:  # noqa: BLE001
            # As found in the wild.
            return Response({"detail": "Not found."}, status=404)

    def perform_destroy(self, instance):
        if instance.author != self.request.user:
            self.permission_denied(self.request, message="Not yours.")
        instance.delete()

    @action(detail=True, methods=["post"])
    def favorite(self, request, slug):
        article = self.get_object()
        if "like" in request.data:
            Article.objects.get(slug=request.data["like"])
        article.likes += 1 // int(request.data.get("count", 1))
        article.save()
        return Response({"likes": article.likes}, headers={"X-Likes": str(article.likes)})

    @action(detail=True, methods=["post"])
    def annotate(self, request, slug):
        """Write a note by a typed command, which may be held on its own."""
        outcome = dispatch(WriteNote(tenant=request.data["tenant"], text=request.data["text"]))
        if isinstance(outcome, Postponed):
            return Response({"status": "to be approved"}, status=202)
        return Response({"text": outcome.result.text})


class Upload(Legacy, APIView):
    def post(self, request):
        file = request.data["file"]
        article = Article.objects.create(slug=file.name, title="File", author=request.user)
        return Response({"id": article.pk, "content": file.read().decode()}, status=201)


@api_view(["GET", "POST"])
@authentication_classes([authentication.BasicAuthentication])
@permission_classes([permissions.IsAuthenticated])
@parser_classes(PARSERS)
def like_all(request):
    if request.method == "POST":
        for article in Article.objects.all():
            article.likes += 1
            article.save()
    return Response({"likes": list(Article.objects.values_list("likes", flat=True))})


@csrf_exempt
def rename(request, slug):
    if request.method != "POST":
        return JsonResponse({"method": request.method})
    article = get_object_or_404(Article, slug=slug)
    article.title = request.POST["title"]
    if article.title == "raise":
        raise Http404
    if article.title == "missing":
        Article.objects.get(slug="missing")
    article.save()
    return redirect(f"/elsewhere/{article.pk}")


class SignUpSerializer(serializers.Serializer):
    name = serializers.CharField()
    password = serializers.CharField(write_only=True)


class SignUp(Legacy, GenericAPIView):
    serializer_class = SignUpSerializer

    def post(self, request):
        return Response({"name": request.data["name"]}, status=201)
