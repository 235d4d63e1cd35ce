"""Everything that one person, key or program did."""

from urllib.parse import urlencode

from django.http import Http404, HttpRequest, HttpResponse

from audit.actors.actors import Actor
from audit.pages.access import for_auditors, rendered
from audit.pages.timelines.actors import actor_page
from audit.pages.timelines.forms import ActorForm


@for_auditors
def actor(request: HttpRequest, reader: Actor, kind: str, actor_id: str) -> HttpResponse:
    """Show what an actor did, newest first, and as which."""
    if "\x00" in kind + actor_id:
        raise Http404
    form = ActorForm(request.GET)
    form.is_valid()
    asked = form.cleaned_data
    acted_as, before = asked.get("acted_as", ""), asked.get("before")
    page = actor_page(kind, actor_id, reader=reader, acted_as=acted_as, before=before)
    if page is None:
        raise Http404(f"There is no activity of {kind} {actor_id} that you may see.")
    kept = {"acted_as": acted_as} if acted_as else {}
    return rendered(
        request,
        "audit/actor.html",
        title=page.label,
        page=page,
        older=urlencode(kept | {"before": page.older}) if page.older else "",
        newest=urlencode(kept) if before else "",
        is_first=not before,
    )
