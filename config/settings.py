"""Django's settings, all read from the environment; docs/settings.md explains each.

Importing this module starts nothing. Without any setting, manage.py first lets config.first_run
fill the environment.
"""

from pathlib import Path

import django

from config import databases, environment
from config.site import logs, openapi

BASE_DIR = Path(__file__).resolve().parent.parent
DATA_DIR = environment.path("DATA_DIR", default=BASE_DIR / ".data")

# The application

SECRET_KEY = environment.text("SECRET_KEY")
SECRET_KEY_FALLBACKS = environment.listing("SECRET_KEY_FALLBACKS", default="")
DEBUG = environment.flag("DEBUG", default=False)
DEMO = environment.flag("DEMO", default=False)
ALLOWED_HOSTS = environment.listing("ALLOWED_HOSTS")
ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# Our apps come first, so that their templates and commands override those of the packages.
INSTALLED_APPS = [
    "config",
    "apikeys",
    "approvals",
    "audit",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    # Django 6 requires it. Before, it would only send more statements for each process.
    *(["django.contrib.postgres"] if django.VERSION >= (6, 0) else []),
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "simple_history",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "csp",
]

MIDDLEWARE = [
    "config.site.request_log.log_requests",
    "config.site.deprecation.VersionOneMiddleware",
    "apikeys.authentication.middleware.rate_limit_headers",
    "config.site.plain_http.refuse_credentials",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "audit.factors.middleware.SecondFactorMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "config.site.content_policy.ContentPolicyMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "approvals.pages.inbox.counter.pending_count",
            ],
        },
    },
]

# The web server of `manage.py serve` and `manage.py start`

WEB_HOST = environment.text("HOST", default="127.0.0.1")
WEB_PORT = environment.number("PORT", default=8000, least=1)
WEB_WORKERS = environment.number("WEB_WORKERS", default=2, least=1)
# What clients can take of each process: docs/settings.md.
WEB_THREADS = environment.number("WEB_THREADS", default=4, least=1)
WEB_STREAMS = environment.number("WEB_STREAMS", default=4, least=1)
WEB_QUEUE = environment.number("WEB_QUEUE", default=512)
WEB_CONNECTIONS = environment.number("WEB_CONNECTIONS", default=4096, least=1)
WEB_HEAD_SECONDS = environment.number("WEB_HEAD_SECONDS", default=10, least=1)
WEB_BODY_SECONDS = environment.number("WEB_BODY_SECONDS", default=20, least=1)
WEB_QUEUE_SECONDS = environment.number("WEB_QUEUE_SECONDS", default=20, least=1)
WEB_WRITE_SECONDS = environment.number("WEB_WRITE_SECONDS", default=30, least=1)
WEB_STOP_SECONDS = environment.number("WEB_STOP_SECONDS", default=10, least=1)
BASE_URL = environment.text("BASE_URL", default=f"http://{WEB_HOST}:{WEB_PORT}")

# One database, two roles: "default" serves and cannot change records; "owner" migrates.

DATABASE_SESSION_SETTINGS = databases.SESSION_SETTINGS
DATABASES = databases.ALIASES

# Users and their browsers

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
LOGIN_URL = "admin:login"
SESSION_ENGINE = "audit.sessions.store"
SESSION_LASTS = environment.duration("SESSION_HOURS", unit="hours", default=12, least=1)
SESSION_COOKIE_AGE = int(SESSION_LASTS.total_seconds())
LOGIN_REDIRECT_URL = "home"
CSRF_COOKIE_HTTPONLY = True
CSRF_FAILURE_VIEW = "audit.pages.errors.csrf_failure"
CSRF_TRUSTED_ORIGINS = environment.listing("CSRF_TRUSTED_ORIGINS", default="")

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'none'"],
        "script-src": ["'self'"],
        "style-src": ["'self'"],
        "img-src": ["'self'", "data:"],
        "font-src": ["'self'"],
        "connect-src": ["'self'"],
        "form-action": ["'self'"],
        "frame-ancestors": ["'none'"],
        "base-uri": ["'none'"],
    },
}

# HTTPS, on by default

HTTPS = environment.flag("HTTPS", default=True)
TRUSTED_PROXIES = environment.number("TRUSTED_PROXIES", default=0)
SECURE_SSL_REDIRECT = HTTPS
SESSION_COOKIE_SECURE = HTTPS
CSRF_COOKIE_SECURE = HTTPS
SECURE_HSTS_SECONDS = 365 * 24 * 60 * 60 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = HTTPS
SECURE_HSTS_PRELOAD = HTTPS
# Without a proxy in front, any client could send this header and make HTTP pass for HTTPS.
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if TRUSTED_PROXIES else None

# Static files

STATIC_URL = "/static/"
STATIC_ROOT = environment.path("STATIC_ROOT", default=DATA_DIR / "static")
_STATIC_STORAGE = (
    "whitenoise.storage.CompressedManifestStaticFilesStorage"
    if environment.flag("STATIC_MANIFEST", default=True)
    else "django.contrib.staticfiles.storage.StaticFilesStorage"
)
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": _STATIC_STORAGE},
}

# Language and time

FORMAT_MODULE_PATH = "config.formats"
TIME_ZONE = "UTC"

# Log lines

LOGGING = logs.settings(
    layout=environment.choice("LOG_FORMAT", among=logs.LAYOUTS),
    level=environment.choice("LOG_LEVEL", among=logs.LEVELS),
)

# The API

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "apikeys.authentication.bearer.ApiKeyAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_PARSER_CLASSES": ["audit.rest.parsers.StrictJSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "audit.rest.negotiation.JSONNegotiation",
    "DEFAULT_SCHEMA_CLASS": "audit.rest.openapi.schema.OperationSchema",
    "EXCEPTION_HANDLER": "audit.rest.exception_handlers.problem_details",
    "UNAUTHENTICATED_USER": None,
    # So that a parameter called “format” is unknown, like any other.
    "URL_FORMAT_OVERRIDE": None,
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
SPECTACULAR_SETTINGS = openapi.settings()
# The largest request body, in bytes.
DATA_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024

# Seconds between two writes of the times when keys were last used.
USAGE_FLUSH_SECONDS = environment.number("USAGE_FLUSH_SECONDS", default=5, least=1)
# Requests per key, and invalid secrets per IP address, each as requests/seconds.
RATE_LIMIT_PER_KEY = environment.limit("RATE_LIMIT_PER_KEY", default="6000/60")
RATE_LIMIT_FAILED_ATTEMPTS = environment.limit("RATE_LIMIT_FAILED_ATTEMPTS", default="30/60")

# How long a secret can be picked up after its approval.
APIKEYS_PICK_UP_WITHIN = environment.duration(
    "PICK_UP_WITHIN_HOURS", unit="hours", default=72, least=1
)

# The end of version 1, sent in its responses.
V1_SUNSET = environment.day("V1_SUNSET", default="2027-12-31")

# Audit and approvals

COUNTERSIGN = {
    "TENANTS_OF_USER": "apikeys.memberships.tenants_of_user",
    "SEES_TENANT_SQL": "apikeys.memberships.sees_tenant_sql",
    "FINGERPRINT_KEY": environment.key("FINGERPRINT_KEY"),
    "PAYLOAD_KEYS": environment.keys("PAYLOAD_KEYS"),
    "EVIDENCE_KEY": environment.seed("EVIDENCE_KEY"),
    "LOG_KEYS": environment.seeds("LOG_KEYS"),
    # The name of the transparency log, without its number; by default that of BASE_URL, and /log.
    "LOG_ORIGIN": environment.text("LOG_ORIGIN", default=""),
    # Where checkpoints are kept outside the database.
    "LOG_DIRECTORIES": environment.listing("LOG_DIRECTORIES", default=""),
    # Where they are sent besides: URLs, and mailto: with an address.
    "LOG_DESTINATIONS": environment.listing("LOG_DESTINATIONS", default=""),
    "LOG_WITNESSES": environment.pairs("LOG_WITNESSES"),
    "LOG_PUBLISH_EVERY": environment.duration(
        "LOG_PUBLISH_EVERY_MINUTES", unit="minutes", default=60, least=1
    ),
    "LOG_PUBLISHED_WITHIN": environment.duration(
        "LOG_PUBLISHED_WITHIN_HOURS", unit="hours", default=6, least=1
    ),
    "WEBHOOK_KEYS": environment.keys("WEBHOOK_KEYS"),
    "WEBHOOK_PORTS": environment.ports("WEBHOOK_PORTS", default="443"),
    "WEBHOOK_ALLOW_PRIVATE": environment.flag("WEBHOOK_ALLOW_PRIVATE", default=False),
    "WEBHOOK_KEEP": environment.duration("WEBHOOK_KEEP_DAYS", unit="days", default=30, least=1),
    # How often `manage.py work` compares rows, history and events; 0 is never.
    "DRIFT_EVERY": environment.duration("DRIFT_EVERY_HOURS", unit="hours", default=24, least=0),
    # How the statements of commands reach PostgreSQL: in pipelines, or one by one.
    "WIRE": environment.choice("AUDIT_WIRE", among=("pipelined", "plain")),
    "BASE_URL": BASE_URL,
    "TRUSTED_PROXIES": TRUSTED_PROXIES,
    # How many requests per process may wait for a command to become final.
    "MAX_WAITERS": environment.number("MAX_WAITERS", default=max(1, WEB_THREADS // 2), least=0),
    "RECORD_PAGE_VIEWS": environment.flag("RECORD_PAGE_VIEWS", default=False),
    "APPROVE_WITHIN": environment.duration("APPROVE_WITHIN_DAYS", unit="days", default=7, least=1),
    "DELEGATE_UP_TO": environment.duration("DELEGATE_UP_TO_DAYS", unit="days", default=14, least=0),
    "PEOPLE_PAGES": True,
    "PICK_UPS": "apikeys.pick_ups.pick_ups_of",
    # Functions that are called for every request and its outcome, in addition to e-mails.
    "NOTIFY": environment.listing("APPROVALS_NOTIFY", default=""),
    # A session ends when nothing was requested for so long, and so long after signing in.
    "SESSION_IDLE": environment.duration(
        "SESSION_IDLE_MINUTES", unit="minutes", default=60, least=1
    ),
    "SESSION_LASTS": SESSION_LASTS,
    # Who signs in with a second factor: no one, those who decide on approvals, or everyone.
    "SECOND_FACTOR": environment.choice("SECOND_FACTOR", among=("off", "approvers", "everyone")),
    # The age of a sign-in from which a vote takes the password or second factor again; 0 is never.
    "STEP_UP_AFTER": environment.duration("STEP_UP_MINUTES", unit="minutes", default=0) or None,
    # One thread is left for other requests.
    "PASSWORD_CHECKS": max(1, WEB_THREADS - 1),
    # Attempts to sign in that fail, per account and per IP address, each as attempts/seconds.
    "RATE_LIMIT_SIGN_IN_PER_ACCOUNT": environment.limit(
        "RATE_LIMIT_SIGN_IN_PER_ACCOUNT", default="10/600"
    ),
    "RATE_LIMIT_SIGN_IN_PER_ADDRESS": environment.limit(
        "RATE_LIMIT_SIGN_IN_PER_ADDRESS", default="60/600"
    ),
    "RATE_LIMIT_FAILS_OPEN": environment.flag("RATE_LIMIT_FAILS_OPEN", default=False),
}

# E-mail, if a server is set

_HOST = environment.text("EMAIL_HOST", default="")
# Where e-mails are written as files while there is none.
MAIL_PATH = "" if _HOST else environment.text("EMAIL_FILE_PATH", default="")
_DELIVERY = "smtp" if _HOST else "filebased" if MAIL_PATH else "dummy"
_BACKEND = f"django.core.mail.backends.{_DELIVERY}.EmailBackend"
_SMTP = {
    "host": _HOST,
    "port": environment.number("EMAIL_PORT", default=587, least=1),
    "username": environment.text("EMAIL_HOST_USER", default=""),
    "password": environment.text("EMAIL_HOST_PASSWORD", default=""),
    "use_tls": environment.flag("EMAIL_USE_TLS", default=True),
    # E-mail is sent while the voter waits for the response.
    "timeout": 5,
}
_OPTIONS = {"smtp": _SMTP, "filebased": {"file_path": MAIL_PATH}, "dummy": {}}
if django.VERSION >= (6, 1):
    MAILERS = {"default": {"BACKEND": _BACKEND, "OPTIONS": _OPTIONS[_DELIVERY]}}
else:
    EMAIL_BACKEND = _BACKEND
    EMAIL_FILE_PATH = MAIL_PATH
    EMAIL_HOST, EMAIL_PORT = _SMTP["host"], _SMTP["port"]
    EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = _SMTP["username"], _SMTP["password"]
    EMAIL_USE_TLS, EMAIL_TIMEOUT = _SMTP["use_tls"], _SMTP["timeout"]
DEFAULT_FROM_EMAIL = environment.text("DEFAULT_FROM_EMAIL", default="countersign@localhost")
