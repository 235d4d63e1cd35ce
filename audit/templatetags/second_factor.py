"""The link to the page of one's own second factor."""

from django import template
from django.urls import reverse

from audit.factors.requirement import is_on

register = template.Library()


@register.simple_tag
def second_factor_page() -> str:
    """Return the URL of the page; empty while second factors are not used."""
    return reverse("second-factor") if is_on() else ""
