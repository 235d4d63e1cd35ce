"""Request bodies of decisions on approval requests."""

from rest_framework import serializers

from approvals.requests import effects
from audit.entry.requests import LONGEST_REASON
from audit.rest.viewsets.commands import CommandInput


class CommentInput(CommandInput):
    """A comment, which is the reason."""

    # The documented way to remove an inherited field.
    reason = None  # type: ignore[assignment]
    comment = serializers.CharField(
        source="reason",
        required=False,
        allow_blank=True,
        max_length=LONGEST_REASON,
        help_text="The reason.",
    )


class DecisionInput(CommentInput):
    """Input of a decision: the displayed number and effect."""

    number = serializers.IntegerField(
        required=False,
        min_value=0,
        max_value=2**63 - 1,
        help_text="The number of the request as you saw it; recommended.",
    )
    expected_effect = serializers.RegexField(
        effects.PATTERN,
        required=False,
        trim_whitespace=False,
        max_length=30,
        help_text=(
            "The effect of your decision as you saw it, from “effects”; recommended. If it would "
            "have another effect now, nothing is decided."
        ),
    )


class OptionalDigestInput(DecisionInput):
    """Input to withdraw or retry a request."""

    digest = serializers.CharField(
        required=False,
        max_length=64,
        help_text="The digest of the request as you saw it; optional.",
    )


class VoteInput(DecisionInput):
    """Input of an approval, or to take back a vote."""

    digest = serializers.CharField(
        max_length=64, help_text="The digest of the request as you saw it."
    )


class DenyInput(VoteInput):
    """Input of a denial."""

    comment = serializers.CharField(
        source="reason", max_length=LONGEST_REASON, help_text="The reason for denying."
    )


class RequestChangesInput(VoteInput):
    """Input of a denial that requests changes."""

    comment = serializers.CharField(
        source="reason", max_length=LONGEST_REASON, help_text="The changes that you request."
    )


class RequiredCommentInput(CommentInput):
    """Input of a comment."""

    comment = serializers.CharField(
        source="reason", max_length=LONGEST_REASON, help_text="The comment, as plain text."
    )
