from rest_framework import serializers

from articles.models import Article, Comment, Section, Tag


class SectionSerializer(serializers.ModelSerializer):
    class Meta:
        model = Section
        fields = ("heading", "text")


class TagNames(serializers.ListField):
    child = serializers.CharField(max_length=20)

    def to_representation(self, tags):
        return sorted(tag.name for tag in tags.all())


class ArticleSerializer(serializers.ModelSerializer):
    author = serializers.CharField(source="author.email", read_only=True)
    sections = SectionSerializer(many=True, required=False)
    tags = TagNames(required=False)

    class Meta:
        model = Article
        fields = (
            *("id", "slug", "title", "author", "tags", "sections"),
            *("cover", "is_published", "comment_count", "created_at"),
        )
        read_only_fields = ("cover", "is_published", "comment_count")
        extra_kwargs = {"slug": {"required": False}}

    def create(self, given):
        sections, tags = given.pop("sections", []), given.pop("tags", [])
        article = Article.objects.create(author=self.context["request"].user, **given)
        return self._with_parts(article, sections, tags)

    def update(self, article, given):
        sections, tags = given.pop("sections", None), given.pop("tags", None)
        article = super().update(article, given)
        return self._with_parts(article, sections, tags)

    def _with_parts(self, article, sections, tags):
        if sections is not None:
            article.sections.all().delete()
            Section.objects.bulk_create(Section(article=article, **each) for each in sections)
        if tags is not None:
            article.tags.set([Tag.objects.get_or_create(name=name)[0] for name in tags])
        return article


class CommentSerializer(serializers.ModelSerializer):
    author = serializers.CharField(source="author.email", read_only=True)

    class Meta:
        model = Comment
        fields = ("id", "author", "text")
