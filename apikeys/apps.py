from django.apps import AppConfig


class ApiKeysConfig(AppConfig):
    name = "apikeys"
    verbose_name = "API keys"
    declares = ("handlers", "authentication.credentials", "evolution", "reactions")
    # Processes alone have them, so no model declares them and they cannot be granted.
    system_permissions = frozenset({"end_overlap", "expire_pick_up"})
    scope_resource = "keys"
    # A token, see `models.tokens`: only its prefix may be shown.
    masked_pattern = r"(cs_(?:live|test)_[0-9A-Za-z]{4})[0-9A-Za-z]{29}"
    # Not part of `write`: only services made for the purpose verify the secrets of others.
    explicit_scopes = {"verify_apikey": "verify"}
