from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import User
from django.http import HttpResponse

from audit.adoption import CommandedAdmin
from tests.articles.models import Article

# Not the product's: its pages keep rules that those of other projects do not.
site = admin.AdminSite("articles")


@admin.register(Article, site=site)
class ArticleAdmin(CommandedAdmin, admin.ModelAdmin):
    list_display = ("slug", "title")
    actions = ("like", "download")
    fields = ("slug", "title", "password", "author")
    raw_id_fields = ("author",)

    @admin.action(description="Like")
    def like(self, request, rows):
        for article in rows:
            article.likes += 1
            article.save()
        self.message_user(request, "Liked.")

    @admin.action(description="Download")
    def download(self, request, rows):
        return HttpResponse(", ".join(rows.values_list("slug", flat=True)))


@admin.register(User, site=site)
class AuthorAdmin(CommandedAdmin, UserAdmin):
    """Django's own, whose form to add a user opens a transaction."""
