from django.apps import AppConfig
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
