"""The ASGI application: the WSGI application, in threads, with limits for slow clients."""

from django.conf import settings

from config.wsgi import application as wsgi_application

# The modules below import models, so the line above must have set up Django.
from config.server.adapter import Adapter, Limits  # isort: skip

application = Adapter(
    wsgi_application,
    Limits(
        threads=settings.WEB_THREADS,
        streams=settings.WEB_STREAMS,
        queue=settings.WEB_QUEUE,
        queue_seconds=settings.WEB_QUEUE_SECONDS,
        body_bytes=settings.DATA_UPLOAD_MAX_MEMORY_SIZE,
        body_seconds=settings.WEB_BODY_SECONDS,
        write_seconds=settings.WEB_WRITE_SECONDS,
    ),
)
