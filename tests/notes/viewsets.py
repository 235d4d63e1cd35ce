from rest_framework import serializers

from audit.rest import CommandInput, CommandViewSet, documented
from tests.notes.handlers import WriteNote


class NoteInput(CommandInput):
    text = serializers.CharField()


class NoteViewSet(CommandViewSet):
    @documented("write_note", takes=NoteInput, is_command=True)
    def create(self, request):
        return self.send(WriteNote, tenant=self.actor.home_tenant())

    def represent(self, completed):
        return {"id": str(completed.result.pk), "text": completed.result.text}
