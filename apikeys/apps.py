from django.apps import AppConfig


class ApiKeysConfig(AppConfig):
    name = "apikeys"
    verbose_name = "API keys"
    declares = ("handlers", "authentication.credentials", "evolution")
    scope_resource = "keys"
    # Not part of `write`: who verifies secrets of others is a service made for that.
    explicit_scopes = {"verify_apikey": "verify"}
