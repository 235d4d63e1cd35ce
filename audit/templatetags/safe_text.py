"""Template filters for text from users."""

from django import template

from audit.messages import characters

register = template.Library()


@register.filter
def visible(text: object) -> str:
    """Return text with each invisible character as its number."""
    return characters.visible("" if text is None else str(text))


@register.filter
def quoted(text: str) -> str:
    """Return a reason on one line, in quotation marks that it cannot end."""
    return characters.quoted_text(text)
