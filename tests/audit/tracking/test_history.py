"""History rows: complete, stamped with their command, and light."""

from django.apps import apps
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apikeys.commands import DisableApiKey, EnableApiKey
from apikeys.models import ApiKey
from audit.bus.dispatch import dispatch
from audit.models.records import CommandRecord
from audit.tracking.history import written_models


def test_a_change_is_stamped_with_its_command_its_actor_and_its_reason(first_key, dana, context_of):
    outcome = dispatch(
        DisableApiKey(api_key_id=first_key.id), context=context_of(dana, reason="Leaked")
    )

    row = ApiKey.history.filter(id=first_key.id).latest()
    assert (row.history_command_id, row.history_change_reason) == (outcome.command_id, "Leaked")
    assert (row.history_actor_kind, row.history_actor_person) == ("user", str(dana.pk))
    assert row.history_actor_label == row.history_user == "dana"


def test_the_label_outlives_the_person(first_key, dana, context_of, owner):
    dispatch(DisableApiKey(api_key_id=first_key.id), context=context_of(dana))
    dana.username = "dana.d"
    dana.save()

    assert ApiKey.history.filter(id=first_key.id).latest().history_user == "dana"


def test_reading_who_made_a_change_asks_the_database_nothing(first_key):
    rows = list(ApiKey.history.all())

    with CaptureQueriesContext(connection) as queries:
        assert all(row.history_user is not None for row in rows)

    assert len(queries) == 0


def test_what_it_was_at_any_moment_can_be_asked(first_key, dana, context_of):
    disabled = dispatch(DisableApiKey(api_key_id=first_key.id), context=context_of(dana))
    moment = CommandRecord.objects.get(command_id=disabled.command_id).received_at
    dispatch(EnableApiKey(api_key_id=first_key.id), context=context_of(dana))

    assert ApiKey.history.as_of(moment).get().is_enabled
    assert [row.is_enabled for row in ApiKey.history.order_by("history_id")] == [True, False, True]


def test_secrets_and_payloads_have_no_history():
    columns = {
        (model.__name__, field.name)
        for model in written_models()
        for field in model.history.model._meta.get_fields()
    }

    # Of an endpoint, it says how much of each event is sent.
    assert {each for each in columns if each[1] == "payload"} <= {("WebhookEndpoint", "payload")}
    assert "seal" not in {name for _, name in columns}
    assert "digest" not in {f.name for f in _secrets_history()}


def test_each_history_table_has_the_one_index_that_serves_it():
    for model in written_models():
        history = model.history.model._meta
        (index,) = history.indexes
        assert index.fields == [model._meta.pk.name, "-history_date", "-history_id"]
        assert not any(field.db_index for field in history.concrete_fields), history


def _secrets_history():
    return apps.get_model("apikeys", "HistoricalApiKeySecret")._meta.get_fields()
