from django.apps import AppConfig

from config.site import logs


class ConfigConfig(AppConfig):
    name = "config"
    label = "config"
    verbose_name = "Countersign"

    def ready(self) -> None:
        logs.configure()
