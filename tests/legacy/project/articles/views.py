from django.db import IntegrityError, transaction
from django.shortcuts import get_object_or_404
from rest_framework.decorators import action, api_view, permission_classes
from rest_framework.parsers import MultiPartParser
from rest_framework.permissions import IsAuthenticated, IsAuthenticatedOrReadOnly
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework.viewsets import ModelViewSet

from articles.models import Article, Tag
from articles.serializers import ArticleSerializer, CommentSerializer


class ArticleViewSet(ModelViewSet):
    queryset = Article.objects.select_related("author").order_by("pk")
    serializer_class = ArticleSerializer
    permission_classes = [IsAuthenticatedOrReadOnly]
    lookup_field = "slug"

    def update(self, request, *args, **kwargs):
        try:
            article = self.get_object()
            if article.author != request.user:
                return Response({"errors": ["Not your article."]}, status=403)
            return super().update(request, *args, **kwargs)
        except Exception:
            return Response({"errors": ["There is no such article."]}, status=404)

    def destroy(self, request, *args, **kwargs):
        try:
            article = self.get_object()
            if article.author != request.user:
                return Response({"errors": ["Not your article."]}, status=403)
            article.delete()
            return Response({"message": "Deleted."})
        except Exception:
            return Response({"errors": ["There is no such article."]}, status=404)

    @action(detail=True, methods=["post"])
    def tag(self, request, slug):
        """Add a tag, which may exist already."""
        article = self.get_object()
        try:
            with transaction.atomic():
                tag = Tag.objects.create(name=request.data["name"])
        except IntegrityError:
            tag = Tag.objects.get(name=request.data["name"])
        article.tags.add(tag)
        return Response({"tags": [each.name for each in article.tags.order_by("name")]})


class Comments(APIView):
    permission_classes = [IsAuthenticatedOrReadOnly]

    def get(self, request, slug):
        article = get_object_or_404(Article, slug=slug)
        return Response(CommentSerializer(article.comments.order_by("pk"), many=True).data)

    def post(self, request, slug):
        article = get_object_or_404(Article, slug=slug)
        serializer = CommentSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        serializer.save(article=article, author=request.user)
        return Response(serializer.data, status=201, headers={"Link": f"</api/articles/{slug}/>"})


class Cover(APIView):
    permission_classes = [IsAuthenticated]
    parser_classes = [MultiPartParser]

    def put(self, request, slug):
        article = get_object_or_404(Article, slug=slug, author=request.user)
        article.cover = request.data["cover"]
        article.save()
        return Response({"size": article.cover.size})


@api_view(["GET", "POST"])
@permission_classes([IsAuthenticated])
def publication(request, slug):
    article = get_object_or_404(Article, slug=slug, author=request.user)
    if request.method == "POST":
        article.is_published = True
        article.save()
    return Response({"is_published": article.is_published})
