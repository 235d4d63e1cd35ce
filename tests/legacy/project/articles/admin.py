from django.apps import apps
from django.contrib import admin

from articles.models import Article


@admin.register(Article)
class ArticleAdmin(admin.ModelAdmin):
    list_display = ("slug", "title", "is_published")
    fields = ("slug", "title", "author", "cover")
    actions = ("publish",)

    @admin.action(description="Publish")
    def publish(self, request, articles):
        articles.update(is_published=True)
        self.message_user(request, "Published.")


# This app is the last one: all others have registered what they want to.
for model in apps.get_models():
    if not admin.site.is_registered(model):
        admin.site.register(model)
