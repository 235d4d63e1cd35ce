from django.apps import AppConfig


class RivalsConfig(AppConfig):
    name = "benchmarks.rivals"
    label = "rivals"
