"""The modules of audit that apps import: what is in them, and that apps import nothing else."""

import ast
import tomllib
from importlib import import_module
from pathlib import Path

import pytest

from tests.structure import ROOT

PUBLIC = {
    "audit.domain": [
        "Actor",
        "Broker",
        "BrokerUnavailable",
        "Command",
        "Completed",
        "Conflict",
        "Context",
        "Delivery",
        "Event",
        "EventRefused",
        "FieldError",
        "Forbidden",
        "HistoricalRecords",
        "Invalid",
        "LeanManager",
        "LeanModel",
        "Limit",
        "LimitReached",
        "LimiterFailed",
        "NotFound",
        "ObjectField",
        "Pending",
        "Postponed",
        "PreparedQuery",
        "Process",
        "Quota",
        "READ",
        "RelayedEvent",
        "SYSTEM",
        "SimilarName",
        "State",
        "Subject",
        "SubjectOf",
        "UNKNOWN",
        "WRITE",
        "actor_for_user",
        "actor_name",
        "carry_all_out",
        "carry_out",
        "check_confirmed",
        "check_name",
        "client_address",
        "codec",
        "confusable_with",
        "credential",
        "dispatch",
        "dispatch_all",
        "errors_told",
        "every",
        "evolves",
        "finds_similar",
        "from_sequence",
        "generated",
        "handles",
        "identifier",
        "known_scopes",
        "message_type_of",
        "normal_address",
        "not_found",
        "on",
        "outside_command",
        "pending_by_subject",
        "pending_on",
        "pending_sql",
        "permission_granted_sql",
        "permission_ids_sql",
        "permission_names",
        "precondition",
        "process",
        "quoted",
        "rate_limits",
        "reacts_to",
        "read_pending",
        "relays",
        "scopes_needed_for",
        "scopes_not_covered",
        "secret",
        "skeletons",
        "stream_number_sql",
        "subject",
        "track_links",
        "upcasts",
    ],
    "audit.rest": [
        "ActorReference",
        "ActorViewSet",
        "Address",
        "CommandInput",
        "CommandReference",
        "CommandViewSet",
        "ExceptionHandler",
        "IdField",
        "JSONParser",
        "Key",
        "ListQuery",
        "MessageTypeField",
        "Order",
        "PendingApproval",
        "Reference",
        "SubjectField",
        "TimeField",
        "Uuid",
        "Version",
        "WholeNumberField",
        "address",
        "body",
        "documented",
        "one_of",
        "page",
        "pending_approvals",
        "plain",
        "present_pending",
        "reference",
        "refuse_misfits",
        "refuses_with",
        "resource",
        "status_url",
    ],
    "audit.pages": [
        "HistoryAdmin",
        "LinkedRows",
        "ReadOnlyAdmin",
        "ReadOnlyInline",
        "RelatedFilter",
        "fields",
        "many_lines",
        "one_line",
        "shown",
        "words",
    ],
    "audit.adoption": ["CommandedAdmin", "CommandedView", "ViewCommand", "commanded"],
    "audit.testing": [
        "assert_recorded",
        "check_broker",
        "check_fence",
        "check_unreachable",
        "given",
        "react",
    ],
}
# Managers replace these.
FOR_NOW = {"audit.wire", "audit.wire.pipeline", "audit.wire.rows"}


@pytest.mark.parametrize("module", PUBLIC)
def test_the_public_api_is_this_and_no_more(module):
    found = import_module(module)

    assert sorted(found.__all__) == PUBLIC[module]
    assert all(getattr(found, name) is not None for name in PUBLIC[module])


def test_a_name_that_is_not_public_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no_such_name"):
        import_module("audit.rest").no_such_name  # noqa: B018  # the access is what fails


def test_type_checkers_see_the_names_of_audit_rest_where_they_are_imported_from():
    stub = ast.parse((ROOT / "audit/rest/__init__.pyi").read_text())
    told = {
        (node.module, alias.name, alias.asname)
        for node in stub.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }

    modules = import_module("audit.rest")._MODULE_OF
    assert told == {(module, name, name) for name, module in modules.items()}


@pytest.mark.parametrize("app", ["apikeys", "tests/notes"])
def test_a_domain_app_imports_only_the_public_api(app):
    imported = {name for path in _product_files(ROOT / app) for name in _imports(path)}

    of_audit = {name for name in imported if name.split(".")[0] == "audit"}
    assert of_audit - FOR_NOW <= PUBLIC.keys()
    assert not {name for name in imported if name.split(".")[0] == "approvals"}


def test_the_import_contract_protects_every_other_module_of_audit():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    contracts = settings["tool"]["importlinter"]["contracts"]
    (contract,) = (each for each in contracts if each["id"] == "public-api")
    modules = {f"audit.{path.stem}" for path in (ROOT / "audit").glob("*.py")}
    modules |= {f"audit.{path.parent.name}" for path in (ROOT / "audit").glob("*/__init__.py")}

    protected = {name.removesuffix(".*") for name in contract["protected_modules"]}
    of_migrations = {"audit.__init__", "audit.migrations"}
    assert protected == modules - of_migrations - {"audit.domain", "audit.testing"}


def _product_files(folder: Path) -> list[Path]:
    # Migrations name the bases of history models by their modules.
    return [path for path in folder.rglob("*.py") if "migrations" not in path.parts]


def _imports(path: Path) -> set[str]:
    nodes = list(ast.walk(ast.parse(path.read_text())))
    whole = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    return whole | {node.module for node in nodes if isinstance(node, ast.ImportFrom)}
