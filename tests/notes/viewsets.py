from rest_framework import serializers

from audit.rest import CommandInput, CommandViewSet
from tests.notes.handlers import WriteNote


class NoteInput(CommandInput):
    text = serializers.CharField()


class NoteViewSet(CommandViewSet):
    def create(self, request):
        return self.send(WriteNote, takes=NoteInput, tenant=self.actor.home_tenant())

    def represent(self, completed):
        return {"id": str(completed.result.pk), "text": completed.result.text}
