"""System checks of second factors."""

from datetime import timedelta

import pytest

from audit.factors.checks import check_second_factor

_MIDDLEWARE = "audit.factors.middleware.SecondFactorMiddleware"


def ids():
    return [each.id for each in check_second_factor()]


@pytest.mark.parametrize("value", ["off", "approvers", "everyone"])
def test_the_product_has_what_each_setting_needs(configure, value):
    configure(SECOND_FACTOR=value)

    assert ids() == []


def test_another_value_is_an_error(configure):
    configure(SECOND_FACTOR="on")

    assert ids() == ["countersign.E010"]


def test_a_project_without_the_middleware_or_the_pages_is_told_what_to_add(configure, settings):
    settings.MIDDLEWARE = [each for each in settings.MIDDLEWARE if each != _MIDDLEWARE]
    settings.ROOT_URLCONF = "approvals.urls"
    assert ids() == []

    configure(SECOND_FACTOR="approvers")

    assert ids() == ["countersign.E011", "countersign.E012"]
    configure(SECOND_FACTOR="off", STEP_UP_AFTER=timedelta(minutes=5))
    assert ids() == ["countersign.E012"]


def test_the_middleware_stands_after_that_of_django(configure, settings):
    configure(SECOND_FACTOR="everyone")

    settings.MIDDLEWARE = [_MIDDLEWARE, *(e for e in settings.MIDDLEWARE if e != _MIDDLEWARE)]

    assert ids() == ["countersign.E011"]
