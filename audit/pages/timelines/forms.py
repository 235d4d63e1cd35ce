"""What the addresses of the pages about one thing may say."""

from django import forms

from audit.pages.times import TimeField

_FURTHEST = 2**63 - 1


class PlaceForm(forms.Form):
    """Where a page begins."""

    before = forms.IntegerField(
        required=False, min_value=1, max_value=_FURTHEST, widget=forms.HiddenInput
    )


class StoryForm(PlaceForm):
    """A page of a subject's story, and the moment to look at."""

    at = TimeField(label="State at (UTC)", required=False)


class ActorForm(PlaceForm):
    """A page of what an actor did, and as which: kind:id."""

    acted_as = forms.CharField(required=False, max_length=500)
