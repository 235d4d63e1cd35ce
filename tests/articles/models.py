"""A project as it was before it was adopted: integer ids, slugs and many-to-many relations."""

from django.conf import settings
from django.db import models

from audit.domain import subject


class Tag(models.Model):
    name = models.CharField(max_length=20, unique=True)

    def __str__(self):
        return self.name


@subject("article")
class Article(models.Model):
    slug = models.SlugField(unique=True)
    title = models.CharField(max_length=40)
    password = models.CharField(max_length=40, default="", blank=True)
    # The tables of apps without migrations are created before those of users.
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, db_constraint=False
    )
    tags = models.ManyToManyField(Tag, blank=True)
    likes = models.IntegerField(default=0)

    def __str__(self):
        return self.title
