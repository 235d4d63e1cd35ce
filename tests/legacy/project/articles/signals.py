from functools import partial

from django.core.mail import send_mail
from django.db import transaction
from django.db.models import F
from django.db.models.signals import post_save, pre_save
from django.dispatch import receiver
from django.utils.text import slugify

from articles.models import Article, Comment


@receiver(pre_save, sender=Article)
def give_slug(sender, instance, **kwargs):
    instance.slug = instance.slug or slugify(instance.title)


@receiver(post_save, sender=Comment)
def count_and_tell(sender, instance, created, **kwargs):
    if not created:
        return
    Article.objects.filter(pk=instance.article_id).update(comment_count=F("comment_count") + 1)
    author = instance.article.author.email
    transaction.on_commit(
        partial(send_mail, "A comment", instance.text, "blog@example.com", [author])
    )
