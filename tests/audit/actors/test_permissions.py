"""What is read ahead is what Django's own backend says."""

import pytest
from django.contrib.auth.models import Permission, User

from audit.actors import permissions


@pytest.mark.parametrize(
    "changes", [{}, {"is_superuser": True}, {"is_active": False}], ids=["person", "root", "former"]
)
def test_what_is_read_ahead_is_what_djangos_backend_says(security, dana, changes):
    security.permissions.set(Permission.objects.filter(codename="view_commandrecord"))
    security.user_set.add(dana)
    User.objects.filter(pk=dana.pk).update(**changes)
    by_django, read_ahead = User.objects.get(pk=dana.pk), User.objects.get(pk=dana.pk)

    permissions.read_ahead(read_ahead)

    assert read_ahead.get_all_permissions() == by_django.get_all_permissions()
