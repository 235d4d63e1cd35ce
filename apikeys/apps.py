from django.apps import AppConfig


class ApiKeysConfig(AppConfig):
    name = "apikeys"
    verbose_name = "API keys"
    declares = ("handlers", "authentication.credentials", "evolution")
    scope_resource = "keys"
    # Not part of `write`: only services made for the purpose verify the secrets of others.
    explicit_scopes = {"verify_apikey": "verify"}
