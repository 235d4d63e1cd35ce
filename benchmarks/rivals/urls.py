from benchmarks.rivals import openviews, viewsets
from config.urls import handler400, handler404, handler500
from config.urls import urlpatterns as ours

__all__ = ["handler400", "handler404", "handler500", "urlpatterns"]

urlpatterns = [*ours, *viewsets.routes(), *openviews.routes()]
