"""Text from users, safe to show: it cannot pass for text of this product.

A name may contain characters that reverse the text after them, that are invisible, or that pile up
over the lines around them. Each of these is shown as its number, and long text is cut.
"""

from audit.messages.characters import visible as many_lines

__all__ = ["many_lines", "one_line"]


def one_line(text: str, *, longest: int) -> str:
    """Return text on one line of at most ``longest`` characters."""
    written = many_lines(" ".join(text.split()))
    return written if len(written) <= longest else f"{written[: longest - 1]}…"
