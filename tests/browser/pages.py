"""Every page that the browser tests check: one line each, with its visitor.

A new page gets its line here, and is then checked in every combination.
"""

from collections.abc import Callable
from typing import Any, NamedTuple
from urllib.parse import urlencode

from django.contrib.auth.models import Group, User

from apikeys.commands import DeleteApiKey
from apikeys.models import ApiKey, Customer
from approvals.models import ApprovalRequest, Policy, State
from audit.actors.actors import SYSTEM
from audit.bus.context import Context
from audit.bus.dispatch import dispatch
from audit.models.records import CommandRecord, EventRecord

_REQUESTS = "/admin/approvals/approvalrequest"
_POLICIES = "/admin/approvals/policy"
_KEYS = "/admin/apikeys/apikey"
_CUSTOMERS = "/admin/apikeys/customer"
_STORIES = "/audit/subjects"
_EDITING = "approvals.edit_policy"
_LEFT = "Replaced by customs-feed"
# A policy that requires one of Security to disable keys.
_DRAFT = {"governs": "apikeys.disable", "group_0": "Security", "quorum_0": "1"}


class Place(NamedTuple):
    """A page: its name, its visitor, its path, and the expected status.

    ``draft`` are the fields to fill in there, for the page that its form leads to. ``last`` selects
    what a script of the page adds last, if one builds the page.
    """

    name: str
    who: str | None
    path: Callable[[], str]
    status: int = 200
    draft: dict[str, str] | None = None
    last: str | None = None


PLACES = (
    Place("sign in", None, lambda: "/admin/login/"),
    Place("start of an approver", "ann", lambda: "/admin/"),
    Place("overview of an approver", "ann", lambda: "/admin/?overview"),
    Place("start of an auditor", "iris", lambda: "/admin/"),
    Place("not found", "ann", lambda: "/admin/nothing/here/", 404),
    Place("not allowed", "ann", lambda: "/audit/", 403),
    Place("errors of the API", None, lambda: "/docs/errors"),
    Place("error of the API", None, lambda: "/docs/errors/precondition-failed"),
    Place("reference of the API", None, lambda: "/api/v2/docs", last=".opblock-tag"),
    # Approvals
    Place("inbox", "ann", lambda: f"{_REQUESTS}/"),
    Place("inbox, mine", "olga", lambda: f"{_REQUESTS}/?tab=mine"),
    Place("inbox, watching", "ann", lambda: f"{_REQUESTS}/?tab=watching"),
    Place("inbox, done", "ann", lambda: f"{_REQUESTS}/?tab=done"),
    Place("inbox, nothing", "ann", lambda: f"{_REQUESTS}/?q=nothing+of+that+name"),
    Place("request to vote on", "ann", lambda: _request(reason="Found in a public repository")),
    Place("request, last vote", "bob", lambda: _request(votes__voter__username="ann")),
    Place("request, stale", "ann", lambda: _request(reason="The partner has paid")),
    Place("request of somebody who left", "bob", lambda: _request(reason=_LEFT)),
    Place("request of a policy", "ann", lambda: _request(message_type=_EDITING)),
    Place("request, own", "olga", lambda: _request(message_type=_EDITING)),
    Place("request, carried out", "ann", lambda: _request(State.EXECUTED)),
    Place("request, denied", "ann", lambda: _request(State.DENIED)),
    Place("history of a request", "ann", lambda: _request(State.EXECUTED, page="history")),
    Place(
        "version of a request",
        "ann",
        lambda: _newest_version(_REQUESTS, ApprovalRequest, tenant=str(_acme().pk)),
    ),
    Place("several at once", "ann", lambda: f"{_REQUESTS}/selected/?{_selected('approve')}"),
    Place("several to deny", "ann", lambda: f"{_REQUESTS}/selected/?{_selected('deny')}"),
    # The pages of requesters
    Place("own requests", "dana", lambda: "/requests/"),
    Place("no own requests", "iris", lambda: "/requests/"),
    Place("own request", "dana", lambda: f"/requests/{_own(State.PENDING)}/"),
    Place("own request, executed", "dana", lambda: f"/requests/{_own(State.EXECUTED)}/"),
    Place("own request, denied", "dana", lambda: f"/requests/{_own(State.DENIED)}/"),
    Place("delegations", "ann", lambda: "/requests/delegations/"),
    Place("no delegations", "dana", lambda: "/requests/delegations/"),
    Place("passkeys", "ann", lambda: "/requests/passkeys/"),
    # Policies
    Place("policies", "olga", lambda: f"{_POLICIES}/"),
    Place("policy", "olga", lambda: f"{_POLICIES}/{_policy().pk}/change/"),
    Place("history of a policy", "olga", lambda: f"{_POLICIES}/{_policy().pk}/history/"),
    Place("version of a policy", "olga", lambda: _newest_version(_POLICIES, Policy)),
    Place("new policy", "olga", lambda: f"{_POLICIES}/new/"),
    Place("editor of a policy", "olga", lambda: f"{_POLICIES}/{_policy().pk}/edit/"),
    Place(
        "broken draft",
        "olga",
        lambda: f"{_POLICIES}/new/",
        draft=_DRAFT | {"condition": "subject.typo"},
    ),
    Place("preview of a policy", "olga", lambda: f"{_POLICIES}/new/", draft=_DRAFT),
    Place(
        "preview of an edit",
        "olga",
        lambda: f"{_POLICIES}/{_policy().pk}/edit/",
        draft=_DRAFT | {"condition": 'actor.kind == "api_key"'},
    ),
    Place("preview for a reader", "iris", lambda: f"{_POLICIES}/new/", draft=_DRAFT),
    Place("end of a policy", "olga", lambda: f"{_POLICIES}/{_policy().pk}/disable/"),
    Place("explain a command", "olga", lambda: f"{_POLICIES}/explain/?command_id={_held()}"),
    # People
    Place("people", "olga", lambda: "/admin/auth/user/"),
    Place("person", "olga", lambda: f"/admin/auth/user/{_user('dana').pk}/change/"),
    Place("groups", "olga", lambda: "/admin/auth/group/"),
    Place("group", "olga", lambda: f"/admin/auth/group/{_group().pk}/change/"),
    Place("new approver", "olga", lambda: "/admin/auth/user/new-approver/"),
    Place("deactivation", "olga", lambda: _ask("deactivate")),
    Place("deletion that is refused", "olga", lambda: _ask("delete")),
    Place("new password", "olga", lambda: "/password/"),
    Place("new password of a requester", "dana", lambda: "/password/"),
    Place("confirmation of a sign-in", "ann", lambda: "/confirm-sign-in/"),
    Place("changed password", "dana", lambda: "/password/changed/"),
    Place("invalid password link", None, lambda: "/set-password/MQ/abc-def/"),
    # API keys and customers
    Place("keys", "iris", lambda: f"{_KEYS}/"),
    Place("key", "iris", lambda: f"{_KEYS}/{_key().pk}/change/"),
    Place("history of a key", "iris", lambda: f"{_KEYS}/{_key().pk}/history/"),
    Place("version of a key", "iris", lambda: _newest_version(_KEYS, ApiKey, id=_key().pk)),
    Place("deleted key", "iris", lambda: f"{_KEYS}/{_deleted_key().pk}/change/"),
    Place("story of a deleted key", "iris", lambda: f"{_STORIES}/api-key/{_deleted_key().pk}"),
    Place("customers", "iris", lambda: f"{_CUSTOMERS}/"),
    Place("customer", "iris", lambda: f"{_CUSTOMERS}/{_acme().pk}/change/"),
    Place("history of a customer", "iris", lambda: f"{_CUSTOMERS}/{_acme().pk}/history/"),
    Place(
        "version of a customer", "iris", lambda: _newest_version(_CUSTOMERS, Customer, name="Acme")
    ),
    Place("memberships", "iris", lambda: "/admin/apikeys/membership/"),
    # The audit log
    Place("commands in the admin", "iris", lambda: "/admin/audit/commandrecord/"),
    Place("command in the admin", "iris", lambda: _record("commandrecord", CommandRecord)),
    Place("events in the admin", "iris", lambda: "/admin/audit/eventrecord/"),
    Place("event in the admin", "iris", lambda: _record("eventrecord", EventRecord)),
    Place("search", "iris", lambda: "/audit/"),
    Place("search, narrowed", "iris", lambda: "/audit/?status=refused"),
    Place("search, waiting", "iris", lambda: "/audit/?status=postponed"),
    Place("search, not executed", "iris", lambda: "/audit/?status=cancelled"),
    Place("search, nothing", "iris", lambda: "/audit/?reason=nothing-of-that-kind"),
    Place("overview", "iris", lambda: "/audit/overview"),
    Place("eligible approvers", "iris", lambda: "/audit/approvers"),
    Place("eligible approvers, period", "iris", lambda: "/audit/approvers?since=2026-01-01"),
    Place("export of approvers", "iris", lambda: "/audit/approvers/export"),
    Place("subscriptions", "iris", lambda: "/audit/subscriptions"),
    Place("processes", "iris", lambda: "/audit/processes"),
    Place("processes, failed", "iris", lambda: "/audit/processes?failed=on&key=none"),
    Place("subject", "iris", lambda: f"{_STORIES}/api-key/{_key().pk}"),
    Place("subject in the past", "iris", lambda: f"{_STORIES}/api-key/{_key().pk}?{_past()}"),
    Place("case", "iris", lambda: f"/audit/cases/{_held()}"),
    Place("command", "iris", lambda: f"/audit/commands/{_held()}"),
    Place("command, denied", "iris", lambda: f"/audit/commands/{_denied()}"),
    Place("case, denied", "iris", lambda: f"/audit/cases/{_denied()}"),
    Place("actor", "iris", lambda: f"/audit/actors/user/{_user('dana').pk}"),
    Place("export", "iris", lambda: "/audit/export"),
    Place("tracked tables", "iris", lambda: "/audit/tables"),
)


def _request(state: str = State.PENDING, *, page: str = "change", **asked: str) -> str:
    """Return the path of the newest matching request."""
    found = ApprovalRequest.objects.filter(state=state, **asked).latest("requested_at")
    return f"{_REQUESTS}/{found.pk}/{page}/"


def _selected(verb: str) -> str:
    """Return a query that selects the pending requests."""
    waiting = ApprovalRequest.objects.filter(state=State.PENDING, message_type="apikeys.disable")
    return urlencode([("verb", verb), *(("request", each.pk) for each in waiting)])


def _newest_version(place: str, model: Any, **of: Any) -> str:
    newest = model.history.filter(**of).latest("history_id")
    return f"{place}/{newest.id}/history/{newest.pk}/"


def _past() -> str:
    """Return a query for the time at which the key was created."""
    return urlencode({"at": _key().created_at.strftime("%Y-%m-%dT%H:%M:%S")})


def _record(name: str, model: type[CommandRecord] | type[EventRecord]) -> str:
    newest = model.objects.filter(tenant=str(_acme().pk)).latest("position")
    return f"/admin/audit/{name}/{newest.pk}/change/"


def _own(state: State) -> Any:
    found = ApprovalRequest.objects.filter(state=state, requester_person=str(_user("dana").pk))
    return found.order_by("-pk")[0].pk


def _held() -> str:
    """Return the id of a command of Acme's that was held and executed."""
    carried_out = CommandRecord.objects.filter(
        attempt=2, status="succeeded", tenant=str(_acme().pk)
    )
    return str(carried_out.latest("position").command_id)


def _denied() -> str:
    """Return the id of a command of Acme's that waited for approval, and was denied."""
    ended = CommandRecord.objects.filter(status="cancelled", tenant=str(_acme().pk))
    return str(ended.latest("position").command_id)


def _key() -> ApiKey:
    """Return the key of the newest executed command."""
    subject_id = CommandRecord.objects.get(command_id=_held(), attempt=2).subject_id
    return ApiKey.objects.get(pk=subject_id)


def _deleted_key() -> ApiKey:
    """Return a deleted key of Acme's; delete one if there is no such key."""
    of_acme = ApiKey.objects.filter(customer=_acme())
    found = of_acme.filter(deleted_at__isnull=False).first()
    if found is None:
        found = _key()
        dispatch(
            DeleteApiKey(api_key_id=found.pk),
            context=Context(actor=SYSTEM, reason="Not needed any more"),
        )
    return found


def _policy() -> Policy:
    return Policy.objects.get(governs="apikeys.disable")


def _acme() -> Customer:
    return Customer.objects.get(name="Acme")


def _user(username: str) -> User:
    return User.objects.get(username=username)


def _ask(verb: str) -> str:
    """Return the path of the confirmation of a button on Dana's page."""
    return f"/admin/auth/user/{_user('dana').pk}/ask/?verb={verb}"


def _group() -> Group:
    return Group.objects.get(name="Security")
