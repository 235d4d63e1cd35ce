"""Fields of serializers whose values are not recorded."""

from types import SimpleNamespace

from rest_framework import serializers

from audit.adoption.serializers import unrecorded_names, write_only_names


class _Part(serializers.Serializer):
    room = serializers.HiddenField(default=1)
    code = serializers.CharField(write_only=True)


class _Booking(serializers.Serializer):
    event = serializers.HiddenField(default="from the URL")
    guest = serializers.CharField()
    parts = _Part(many=True)


def test_write_only_fields_are_not_recorded_but_hidden_ones_are_not_of_the_request():
    view = SimpleNamespace(get_serializer=_Booking)

    assert write_only_names(view) == {"code"}
    assert unrecorded_names(_Booking) == ("code",)
