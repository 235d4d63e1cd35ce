from django.apps import AppConfig
from django.contrib import admin
from django.db.backends.signals import connection_created

from config.postgresql import session
from config.site import logs


class ConfigConfig(AppConfig):
    name = "config"
    label = "config"
    verbose_name = "Countersign"

    def ready(self) -> None:
        logs.configure()
        connection_created.connect(session.warn_at_first_connection)
        # With few models, the links in the header and on the start page are enough.
        admin.site.enable_nav_sidebar = False
        admin.site.site_url = None
        admin.site.index_title = "Home"
