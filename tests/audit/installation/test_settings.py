"""The setting COUNTERSIGN: every name has a default, and a wrong name is an error."""

from datetime import timedelta

import pytest
from django.core.checks import run_checks
from django.core.exceptions import ImproperlyConfigured

from audit.installation.settings import KEYS, countersign
from tests.structure import ROOT


def found(**options):
    return {each.id for each in run_checks(**options) if each.id.startswith("countersign.")}


def test_every_name_has_a_default_and_a_line_in_the_documentation(settings):
    settings.COUNTERSIGN = {}

    defaults = countersign()

    assert defaults.middleware == (
        "audit.bus.authorization.authorize",
        "approvals.decisions.holding.hold_for_approval",
    )
    documentation = (ROOT / "docs" / "settings.md").read_text()
    names = {name.upper() for name in vars(defaults)}
    assert {name for name in names if f"| `{name}` |" not in documentation} == set()


def test_keys_come_from_the_secret_key_and_differ(settings):
    settings.COUNTERSIGN = {}

    first = countersign()
    settings.SECRET_KEY = "another secret key"
    second = countersign()

    keys = [
        key
        for each in (first, second)
        for key in (each.fingerprint_key, each.evidence_key, *each.payload_keys.values())
    ]
    assert len(set(keys)) == 6
    assert {len(key) for key in keys} == {32}
    assert not any(str(key) in repr(first) for key in keys)


def test_derived_keys_are_a_warning_and_in_production_an_error(settings):
    assert found(include_deployment_checks=True) == set()

    settings.COUNTERSIGN = {
        name: value for name, value in settings.COUNTERSIGN.items() if name != KEYS[0]
    }

    assert found() == {"countersign.W001"}
    assert found(include_deployment_checks=True) == {"countersign.W001", "countersign.E001"}


def test_an_unknown_name_is_an_error(configure):
    configure(APROVE_WITHIN=1)

    with pytest.raises(ImproperlyConfigured, match="APROVE_WITHIN"):
        countersign()


@pytest.mark.parametrize(
    "wrong",
    [
        {"STEP_UP_AFTER": timedelta(-1)},
        {"STEP_UP_AFTER": 15},
        {"LOG_PUBLISH_EVERY": timedelta.max},
        {"LOG_PUBLISH_EVERY": None},
    ],
)
def test_a_time_is_a_timedelta_that_overflows_no_date(configure, wrong):
    configure(**wrong)

    with pytest.raises(
        ImproperlyConfigured, match=rf"{next(iter(wrong))} .* from 0 to 365000 days"
    ):
        countersign()


def test_a_time_that_may_be_absent_may_be_none(configure):
    configure(STEP_UP_AFTER=None, DRIFT_EVERY=None)

    assert countersign().step_up_after is None
