"""Settings of the project; where the database is comes from the environment, as JSON."""

import json
import os

SECRET_KEY = "of a test"
INSTALLED_APPS = ["app.apps.App"]
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        **json.loads(os.environ["PROJECT_DATABASE"]),
        # Empty values, as they are found in installations.
        "OPTIONS": {"sslmode": "allow", "sslcert": "", "sslkey": "", "sslrootcert": ""},
    }
}
NODE = os.environ["PROJECT_NODE"]
CONTROL_SOCKET = os.environ.get("PROJECT_CONTROL_SOCKET")
AS_IT_WAS = os.environ.get("PROJECT_AS_IT_WAS") == "yes"
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"plain": {"format": "%(levelname)s %(name)s says: %(message)s"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "plain"}},
    "loggers": {"dispatcherd": {"handlers": ["console"], "level": "INFO", "propagate": False}},
}
