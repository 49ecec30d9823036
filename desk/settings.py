"""Settings of Desk. All that differs between installations comes from the environment (docs/operations.md)."""

import re
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.utils.log import CallbackFilter

from channels_im.messenger.scopes import SCOPES, UTILITY_SCOPES
from desk import __version__, body_limits, durations, files_url, logs, public_url, setting_values
from tickets.api.enum_names import ENUM_NAMES

BASE_DIR = Path(__file__).resolve().parent.parent
DATA_DIR = setting_values.folder("DESK_DATA_DIR", default=BASE_DIR / "var")

# --- Django -----------------------------------------------------------------------------------------------------------
DEBUG = setting_values.flag("DESK_DEBUG", default=False)
SECRET_KEY = setting_values.text("DESK_SECRET_KEY")
if not SECRET_KEY:
    raise ImproperlyConfigured(
        "DESK_SECRET_KEY is not set. Set it to a long random text, for example the output of: "
        'python3 -c "import secrets; print(secrets.token_urlsafe(50))". It also encrypts the Facebook tokens: keep it.'
    )
SECRET_KEY_FALLBACKS = setting_values.listing("DESK_SECRET_KEY_FALLBACKS")
SALT_KEY = setting_values.listing("DESK_SALT_KEYS", default=["desk"])

try:
    PUBLIC_URL = public_url.normalise(setting_values.text("DESK_PUBLIC_URL", default="http://localhost:8000"))
except ValueError as sentence:
    raise ImproperlyConfigured(str(sentence)) from None
PUBLIC_URL_IS_SET = bool(setting_values.text("DESK_PUBLIC_URL", default=""))
HTTPS = PUBLIC_URL.startswith("https://")
# Under https only the public host: who can send a request past the proxy chooses no other. /healthz and /readyz answer
# under every name (desk.middleware.Probes).
LOCAL_HOSTS = [] if HTTPS else ["localhost", "127.0.0.1", "[::1]"]
ALLOWED_HOSTS = setting_values.listing("DESK_ALLOWED_HOSTS", default=[public_url.host_of(PUBLIC_URL), *LOCAL_HOSTS])
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL]

INSTALLED_APPS = [
    "desk.apps.DeskConfig",
    "channels_im.apps.ChannelsImConfig",
    "tickets.apps.TicketsConfig",
    "desk.apps.DeskAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.usersessions",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.facebook",
    "django_htmx",
    "django_q",
    "django_filters",
    "rest_framework",
    "drf_spectacular",
]
MIDDLEWARE = [
    "desk.request_ids.RequestIds",
    "desk.proxies.TrustedProxies",
    "django.middleware.security.SecurityMiddleware",
    "desk.static.StaticFiles",
    "desk.answer_headers.AnswerHeaders",
    "desk.middleware.Probes",
    "desk.middleware.AuditOrigin",
    "desk.middleware.UnusableValues",
    "desk.languages.BrowsersLanguage",
    "desk.error_pages.ErrorPages",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "desk.languages.PersonsLanguage",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "desk.accounts.kept_forms.KeptForms",
    "desk.accounts.middleware.Gate",
    "desk.accounts.way_back.RememberWayBack",
]
ROOT_URLCONF = "desk.urls"
ASGI_APPLICATION = "desk.asgi.application"
WSGI_APPLICATION = "desk.wsgi.application"
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
                "desk.accounts.way_back.context",
            ],
            "builtins": ["django.templatetags.i18n", "desk.templatetags.languages"],
        },
    },
]

# --- Database, cache, queue -------------------------------------------------------------------------------------------
DATABASES = {"default": setting_values.database("DATABASE_URL", default=f"sqlite:///{DATA_DIR / 'desk.sqlite3'}")}
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    # IMMEDIATE takes the write lock at the start, so that no transaction fails half-way with "database is locked".
    # FULL: after a 200 to Meta a power cut must not lose the delivery; WAL with NORMAL loses the last commits.
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA cache_size=-16000;",
    }
else:
    DATABASES["default"].setdefault("CONN_HEALTH_CHECKS", True)
DATABASES["default"].setdefault("CONN_MAX_AGE", 60)
DESK_WEB_THREADS = setting_values.whole_number("DESK_WEB_THREADS", default=10, least=1, most=200)
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

REDIS_URL = setting_values.redis_url("REDIS_URL")
# Without a limit a Redis that does not answer would stop every request that enqueues.
_redis = (
    f"{REDIS_URL}{'&' if '?' in REDIS_URL else '?'}socket_connect_timeout=1&socket_timeout=2.5" if REDIS_URL else ""
)
CACHES: dict[str, dict[str, Any]]
if REDIS_URL:
    _redis_cache = {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": _redis}
    CACHES = {"default": _redis_cache, "api": _redis_cache}
else:
    # In the database, so that failed logins and used codes count in all processes. Counting every request of the API
    # there would cost too much.
    CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.db.DatabaseCache",
            "LOCATION": "desk_cache",
            # More are removed, counts too: nobody may push the count of a name out by failing with many others.
            "OPTIONS": {"MAX_ENTRIES": 50_000},
        },
        "api": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"},
    }

Q_CLUSTER: dict[str, Any] = {
    "name": "desk",
    "workers": setting_values.whole_number("DESK_WORKERS", default=2, least=1, most=64),
    "timeout": 240,  # tasks limit their own time; this leaves enough to upload 20 MB over a slow line
    "retry": 300,
    "max_attempts": 1,  # our own rows say what to retry, and when
    "ack_failures": True,
    "catch_up": False,
    "bulk": 1,
    "poll": 0.1,
    "save_limit": -1,
    "label": "Queue",
    **({"redis": _redis} if REDIS_URL else {"orm": "default"}),
}

# How many processes of each loop (desk/loops.py) one worker has. 0: another worker has them.
DESK_LOOPS = {
    "intake": setting_values.whole_number("DESK_INTAKE_PROCESSES", default=1, least=0, most=16),
    "sender": setting_values.whole_number("DESK_SENDER_PROCESSES", default=1, least=0, most=16),
    "fetcher": setting_values.whole_number("DESK_FETCHER_PROCESSES", default=1, least=0, most=16),
    "webhooks": setting_values.whole_number("DESK_WEBHOOKS_PROCESSES", default=1, least=0, most=16),
}

# --- People -----------------------------------------------------------------------------------------------------------
AUTH_USER_MODEL = "desk.User"
AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "home"
ACCOUNT_ADAPTER = "desk.accounts.adapter.AccountAdapter"
ACCOUNT_LOGIN_METHODS = {"username"}
ACCOUNT_FORMS = {
    "reset_password": "desk.accounts.forms.ResetPasswordForm",
    "change_password": "tickets.views.account_forms.ChangePasswordForm",
    "set_password": "tickets.views.account_forms.SetPasswordForm",
    "reset_password_from_key": "tickets.views.account_forms.ResetPasswordForm",
}
ACCOUNT_SIGNUP_FIELDS = ["username*", "password1*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_CHANGE_EMAIL = True  # one address; a new one takes its place when its link is opened
ACCOUNT_EMAIL_CONFIRMATION_AUTHENTICATED_REDIRECT_URL = "account_email"
ACCOUNT_SESSION_REMEMBER = True
ACCOUNT_LOGOUT_REDIRECT_URL = "account_login"
ACCOUNT_REAUTHENTICATION_REQUIRED = True  # also for another e-mail address, to which a reset link would go
ACCOUNT_REAUTHENTICATION_TIMEOUT = 300  # seconds for which a password that was just given is not asked for again
ACCOUNT_EMAIL_NOTIFICATIONS = True
ACCOUNT_DEFAULT_HTTP_PROTOCOL = "https" if HTTPS else "http"
ACCOUNT_RATE_LIMITS = {
    "login": "60/m/ip",  # all logins, also those that succeed
    # What fails, per address and per name at an address (the key is made in desk.accounts.adapter).
    "login_failed": "20/5m/ip,5/5m/key",
    "login_failed_known_device": "10/5m/key",
    "login_failed_by_name": "100/h/key",
}

# Two-step login (desk.accounts.mfa)
MFA_ADAPTER = "desk.accounts.mfa.MfaAdapter"
MFA_FORMS = {
    "add_webauthn": "desk.accounts.passkey_forms.AddForm",
    "edit_webauthn": "desk.accounts.passkey_forms.EditForm",
    "authenticate_webauthn": "desk.accounts.passkey_forms.AuthenticateForm",
    "login_webauthn": "desk.accounts.passkey_forms.LoginForm",
    "reauthenticate_webauthn": "desk.accounts.passkey_forms.ReauthenticateForm",
}
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_ALLOW_UNVERIFIED_EMAIL = True  # administrators choose the addresses; nobody signs up with one of somebody else
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_RATE_LIMITS = {"webauthn_login": "60/m/ip"}  # as "login": a whole office may share an address
MFA_TOTP_ISSUER = f"Desk ({public_url.host_of(PUBLIC_URL)})"
MFA_TOTP_TOLERANCE = 1  # steps of 30 s before and after: telephones are seldom on time
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = not HTTPS  # browsers themselves allow it on localhost only
DESK_REQUIRE_MFA = setting_values.choice("DESK_REQUIRE_MFA", default="off", choices=("off", "staff", "everyone"))

# Sessions (desk.accounts.sessions): seconds
try:
    DESK_SESSION_IDLE = durations.parse_setting(
        "DESK_SESSION_IDLE", setting_values.text("DESK_SESSION_IDLE", default="14d")
    )
    DESK_SESSION_IDLE_STAFF = durations.parse_setting(
        "DESK_SESSION_IDLE_STAFF", setting_values.text("DESK_SESSION_IDLE_STAFF", default="12h")
    )
    DESK_SESSION_MAX = durations.parse_setting(
        "DESK_SESSION_MAX", setting_values.text("DESK_SESSION_MAX", default="30d")
    )
except ValueError as sentence:
    raise ImproperlyConfigured(str(sentence)) from None
SESSION_COOKIE_AGE = DESK_SESSION_MAX

# --- Meta -------------------------------------------------------------------------------------------------------------
META_APP_ID = setting_values.text("META_APP_ID")
META_APP_SECRET = setting_values.text("META_APP_SECRET")
META_APP_SECRET_PREVIOUS = setting_values.text("META_APP_SECRET_PREVIOUS")
META_VERIFY_TOKEN = setting_values.text("META_VERIFY_TOKEN")
META_GRAPH_VERSION = setting_values.graph_version("META_GRAPH_VERSION", default="v27.0")
META_GRAPH_URL = setting_values.web_address("META_GRAPH_URL", default="https://graph.facebook.com")
META_DIALOG_URL = setting_values.web_address("META_DIALOG_URL", default="https://www.facebook.com")
META_LOGIN_CONFIG_ID = setting_values.text("META_LOGIN_CONFIG_ID")
META_HUMAN_AGENT = setting_values.flag("META_HUMAN_AGENT", default=True)
META_AD_WINDOW = setting_values.flag("META_AD_WINDOW", default=True)
META_UTILITY_MESSAGES = setting_values.flag("META_UTILITY_MESSAGES", default=False)
META_MEDIA_HOSTS = setting_values.listing("META_MEDIA_HOSTS", default=[".fbcdn.net", ".fbsbx.com"])
META_TIMEOUT_SECONDS = setting_values.seconds("META_TIMEOUT_SECONDS", default=10, least=0.1, most=30)

DESK_RETRY_BASE_SECONDS = setting_values.seconds("DESK_RETRY_BASE_SECONDS", default=2, least=0.01, most=600)
# How long an e-mail about a lost Page waits for other Pages that are lost with the same login.
MAIL_GATHER_SECONDS = 10
DESK_SWEEP_SECONDS = setting_values.seconds("DESK_SWEEP_SECONDS", default=60, least=0.1, most=3600)
# A row claimed longer ago than this belongs to a dead worker. Tasks stop well before; a long call renews its claim.
DESK_CLAIM_SECONDS = setting_values.seconds("DESK_CLAIM_SECONDS", default=90, least=0.5, most=3600)
# Internal systems that webhooks may call although they use http or have a private address: host or host:port.
DESK_EVENT_HOSTS = setting_values.listing("DESK_EVENT_HOSTS")
# Push services in one's own network that browsers may name although they use http or have a private address.
DESK_PUSH_HOSTS = setting_values.listing("DESK_PUSH_HOSTS")
DESK_API_RATE = setting_values.text("DESK_API_RATE")  # for example 600/minute, per user; empty: no limit
if DESK_API_RATE and not re.fullmatch(r"[1-9]\d*/(second|minute|hour|day)", DESK_API_RATE):
    raise ImproperlyConfigured("DESK_API_RATE is a number per second, minute, hour or day, for example 600/minute.")

SOCIALACCOUNT_ADAPTER = "channels_im.adapters.LinkAdapter"
SOCIALACCOUNT_STORE_TOKENS = False  # allauth stores them in clear text; ours are encrypted (channels_im.models)
SOCIALACCOUNT_LOGIN_ON_GET = False
SOCIALACCOUNT_PROVIDERS = {
    "facebook": {
        "METHOD": "oauth2",
        "APPS": [{"client_id": META_APP_ID, "secret": META_APP_SECRET}] if META_APP_ID else [],
        "VERSION": META_GRAPH_VERSION,
        "AUTHORIZE_URL": f"{META_DIALOG_URL}/{META_GRAPH_VERSION}/dialog/oauth",
        "GRAPH_API_URL": f"{META_GRAPH_URL}/{META_GRAPH_VERSION}",
        "FIELDS": ["id", "name"],
        "SCOPE": [*SCOPES, *(UTILITY_SCOPES[:1] if META_UTILITY_MESSAGES else ())],
        "AUTH_PARAMS": {"config_id": META_LOGIN_CONFIG_ID} if META_LOGIN_CONFIG_ID else {},
    }
}

# --- Files ------------------------------------------------------------------------------------------------------------
MEDIA_ROOT = DATA_DIR / "media"  # never served by path: a view checks who may see each file
FILE_UPLOAD_MAX_MEMORY_SIZE = 1_048_576
DATA_UPLOAD_MAX_MEMORY_SIZE = body_limits.API_JSON_BYTES
STATIC_URL = "static/"
STATIC_ROOT = setting_values.folder("DESK_STATIC_DIR", default=DATA_DIR / "static")
STATICFILES_DIRS = [BASE_DIR / "static"]
DESK_FILES_URL = setting_values.text("DESK_FILES_URL")
try:
    _FILES = files_url.storage(DESK_FILES_URL) if DESK_FILES_URL else None
except ValueError as sentence:
    raise ImproperlyConfigured(str(sentence)) from None
STORAGES = {
    "default": _FILES or {"BACKEND": "desk.storage.FileStorage"},
    "staticfiles": {"BACKEND": "desk.static.StaticStorage"},
}

# --- Security ---------------------------------------------------------------------------------------------------------
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True  # scripts take the CSRF token from the page
# Browsers accept the prefix only with Secure, without Domain and for the whole host: no other subdomain can set these.
COOKIE_PREFIX = "__Host-" if HTTPS else ""
SESSION_COOKIE_NAME = f"{COOKIE_PREFIX}sessionid"
CSRF_COOKIE_NAME = f"{COOKIE_PREFIX}csrftoken"
DEVICE_COOKIE_NAME = f"{COOKIE_PREFIX}desk_device"
FORM_COOKIE_NAME = f"{COOKIE_PREFIX}desk_forms"
CSRF_FAILURE_VIEW = "desk.error_pages.csrf_failure"
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"  # no cookie of its own
SECURE_SSL_REDIRECT = HTTPS and setting_values.flag("DESK_SSL_REDIRECT", default=False)
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$", r"^metrics$"]
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
# Silent about HSTS for subdomains and preloading: both affect more than Desk, and a preload list is hard to leave. The
# owner of the domain decides, in the proxy.
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]
SECURE_REFERRER_POLICY = "same-origin"
DESK_BEHIND_PROXY = setting_values.flag("DESK_BEHIND_PROXY", default=False)
if DESK_BEHIND_PROXY:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")  # only from a trusted proxy (desk.proxies)
    SILENCED_SYSTEM_CHECKS.append("security.W008")  # the proxy redirects plain HTTP
DESK_TRUSTED_PROXIES = setting_values.networks("DESK_TRUSTED_PROXIES", default="127.0.0.0/8,::1")
X_FRAME_OPTIONS = "DENY"

# --- Time, mail, API, log ---------------------------------------------------------------------------------------------
LANGUAGES = [("en", "English"), ("de", "Deutsch"), ("fr", "Français"), ("es", "Español"), ("ar", "العربية")]
# For people who chose no language and whose browser asks for none of these, and for their e-mail.
LANGUAGE_CODE = setting_values.choice("DESK_LANGUAGE", default="en", choices=tuple(code for code, _name in LANGUAGES))
LOCALE_PATHS = [BASE_DIR / "locale"]
TIME_ZONE = setting_values.time_zone("DESK_TIME_ZONE", default="UTC")
USE_I18N = True
FORMAT_MODULE_PATH = "desk.formats"
USE_TZ = True
# `none` sends nothing, on purpose. Unset, the process prints e-mail: for development only (desk.mail.unsuitable).
EMAIL_URL = setting_values.text("EMAIL_URL")
vars().update(setting_values.email("EMAIL_URL"))
# For each step of sending one message.
EMAIL_TIMEOUT = setting_values.seconds("EMAIL_TIMEOUT", default=10, least=0.1, most=120)
# How often administrators get one e-mail about all that failed (desk.failure_digest).
DESK_FAILURE_DIGEST = setting_values.choice("DESK_FAILURE_DIGEST", default="hourly", choices=("off", "hourly", "daily"))
DEFAULT_FROM_EMAIL = setting_values.sender("DESK_FROM_EMAIL", default="desk@localhost")

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["tickets.api.authentication.ApiTokenAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": [
        "rest_framework.permissions.IsAuthenticated",
        "tickets.api.authentication.HasScope",
    ],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_SCHEMA_CLASS": "tickets.api.schema.ApiSchema",
    "DEFAULT_FILTER_BACKENDS": ["django_filters.rest_framework.DjangoFilterBackend"],
    "DEFAULT_THROTTLE_CLASSES": ["tickets.api.throttling.RatePerUser"],
    "EXCEPTION_HANDLER": "tickets.api.errors.handler",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Desk API",
    "DESCRIPTION": "Channels, conversations, tickets and messages, under the same permissions and rules as the pages.",
    "VERSION": __version__,
    "SERVE_INCLUDE_SCHEMA": False,
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "ENUM_NAME_OVERRIDES": ENUM_NAMES,
    "ENUM_ADD_EXPLICIT_BLANK_NULL_CHOICE": False,
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "tickets.api.schema.with_servers",
    ],
}

# /metrics is off without both. `make run` and `make serve` empty METRICS_DIR. Under other process managers
# what exited processes have counted stays, merged into one file (desk.metrics).
DESK_METRICS_TOKEN = setting_values.text("DESK_METRICS_TOKEN")
DESK_METRICS_ALLOW = setting_values.networks("DESK_METRICS_ALLOW")
METRICS_DIR = DATA_DIR / "metrics"
DESK_LOG_FORMAT = setting_values.choice("DESK_LOG_FORMAT", default="plain", choices=tuple(logs.FORMATTERS))
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"()": logs.FORMATTERS[DESK_LOG_FORMAT]}},
    "filters": {"calm": {"()": CallbackFilter, "callback": logs.calm}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line", "filters": ["calm"]}},
    "root": {"handlers": ["console"], "level": setting_values.log_level("DESK_LOG_LEVEL", default="INFO")},
    "loggers": {
        "django-q": {"level": "WARNING"},
        "urllib3": {"level": "WARNING"},
        # uvicorn has set up its own handlers before it loads the application.
        **{name: {"level": "WARNING", "handlers": [], "propagate": True} for name in ("uvicorn", "uvicorn.error")},
    },
}
