"""Pages of the admin whose forms are commands, as they are."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.contrib.admin.utils import unquote
from django.db import transaction
from django.db.models import Model
from django.http import HttpRequest, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html

from audit.adoption import replaying
from audit.adoption.commands import SentRequest, ViewCommand
from audit.adoption.declaring import declare
from audit.adoption.pages import Page
from audit.messages.exceptions import CommandError
from audit.messages.outcomes import Completed, Postponed
from audit.subjects import types

# The names of the views of ModelAdmin, by verb.
_VERBS = {
    "add_view": "add",
    "change_view": "change",
    "delete_view": "delete",
    "changelist_view": "act_on",
}
_ERRORS_FROM = 400


class SentForm(SentRequest):
    """A form of the admin, as it was sent. Of one with errors, the page is shown again."""

    @classmethod
    def has_succeeded(cls, response: HttpResponseBase) -> bool:
        """Return True unless the form is shown again."""
        return response.status_code < _ERRORS_FROM and not _is_page(response)


class SentAction(SentRequest):
    """An action on rows that were selected in a list of the admin, or edited there."""

    @classmethod
    def has_succeeded(cls, response: HttpResponseBase) -> bool:
        """Return True for every page, too: an action may show its result."""
        return response.status_code < _ERRORS_FROM

    @classmethod
    def may_be_held(cls, response: HttpResponseBase) -> bool:
        """Return False for a page, such as one with a button to confirm: it is shown."""
        return cls.has_succeeded(response) and not _is_page(response)


class CommandedAdmin(ModelAdmin):
    """A ModelAdmin whose changes are commands: the forms to add, change and delete, and actions.

    ``commands`` replaces the name of a command, by its verb: add, change, delete or act_on. By
    default it is, for example, ``articles.change_article_in_admin``.
    """

    commands: ClassVar[Mapping[str, str | ViewCommand]] = {}
    tries_first: ClassVar[bool] = True

    def __init__(self, model: type[Model], admin_site: Any) -> None:
        super().__init__(model, admin_site)
        self.command_classes = {verb: self._declared(verb) for verb in _VERBS.values()}

    def command_of(self, view_name: str) -> type[SentRequest] | None:
        """Return the class of the commands that the forms of a view are."""
        verb = _VERBS.get(view_name)
        return self.command_classes[verb] if verb else None

    def get_urls(self) -> list[Any]:
        """Return the URLs; the bus opens the transactions of their views, not ATOMIC_REQUESTS."""
        urls = super().get_urls()
        for url in urls:
            url.callback = transaction.non_atomic_requests(url.callback)
        return urls

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> Any:
        """Add a row. UserAdmin opens a transaction in this view: it has to run inside the bus."""
        run = partial(super().add_view, request, form_url, extra_context)
        return self._sent(request, "add", run)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        """Change a row."""
        run = partial(super().change_view, request, object_id, form_url, extra_context)
        return self._sent(request, "change", run, object_id)

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> Any:
        """Delete a row."""
        run = partial(super().delete_view, request, object_id, extra_context)
        return self._sent(request, "delete", run, object_id)

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> Any:
        """Execute an action on the selected rows."""
        return self._sent(
            request, "act_on", partial(super().changelist_view, request, extra_context)
        )

    def _declared(self, verb: str) -> type[SentRequest]:
        options = self.opts
        subjects = (each.name for each in types.subject_types() if each.model is self.model)
        usual = ViewCommand(
            f"{options.app_label}.{verb}_{options.model_name}_in_admin",
            subject="" if verb in ("add", "act_on") else next(subjects, ""),
        )
        kind: type[SentRequest] = SentAction if verb == "act_on" else SentForm
        return declare(
            self.commands.get(verb, usual), kind=kind, view=f"the admin, {options.verbose_name}"
        )

    def _sent(
        self,
        request: HttpRequest,
        verb: str,
        run: Callable[[], HttpResponseBase],
        object_id: str | None = None,
    ) -> HttpResponseBase:
        command_class = self.command_classes[verb]
        if request.method != "POST":
            return run()
        if replaying.resent(command_class):
            replaying.begin()
            return run()
        page = _AdminPage(
            command_class=command_class,
            run=run,
            arguments={} if object_id is None else {"pk": unquote(object_id)},
            channel="admin",
            tries_first=self.tries_first,
            list_url=self._list_url(request),
        )
        return page.send(request)

    def _list_url(self, request: HttpRequest) -> str:
        site, options = self.admin_site.name, self.opts
        if not self.has_view_or_change_permission(request):
            return reverse("admin:index", current_app=site)
        name = f"admin:{options.app_label}_{options.model_name}_changelist"
        return reverse(name, current_app=site)


@dataclass(kw_only=True)
class _AdminPage(Page):
    """A page of the admin: what the bus has to say is a message on the next page."""

    list_url: str

    def held(self, request: HttpRequest, outcome: Postponed) -> HttpResponseBase:
        _forget_messages(request)
        text, url = "This needs approval, and was requested.", ""
        if outcome.progress:
            url = outcome.progress.page_url
        if url:
            messages.warning(request, format_html('{} <a href="{}">The request</a>', text, url))
        else:
            messages.warning(request, text)
        return HttpResponseRedirect(self.list_url)

    def repeated(self, request: HttpRequest, outcome: Completed) -> HttpResponseBase:
        messages.info(request, "This was done already.")
        return HttpResponseRedirect(self.list_url)

    def refused(self, request: HttpRequest, error: CommandError) -> HttpResponseBase:
        _forget_messages(request)
        messages.error(request, error.message)
        return HttpResponseRedirect(request.get_full_path())

    def _run(self, request: HttpRequest) -> HttpResponseBase:
        _forget_messages(request)
        return super()._run(request)


def _forget_messages(request: HttpRequest) -> None:
    """Forget the messages of a run that was rolled back."""
    storage: Any = getattr(request, "_messages", None)
    if storage is not None:
        storage._queued_messages.clear()  # noqa: SLF001  # Django has no other way


def _is_page(response: HttpResponseBase) -> bool:
    """Return True if a page is shown, rather than a redirect, a file or the end of a popup."""
    if not isinstance(response, TemplateResponse):
        return False
    names: Any = response.template_name
    shown = [names] if isinstance(names, str) else names
    return not any(str(name).endswith("popup_response.html") for name in shown)
