"""What projects take from django-ansible-base: the connection factory, and how LISTEN connects."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import connection
from django.db.backends.postgresql.base import DatabaseWrapper


def psycopg_connection_from_django(**_: Any) -> Any:
    """Django's own connection of this thread, whatever the configuration says."""
    connection.ensure_connection()
    return connection.connection


def get_pg_notify_params() -> dict[str, Any]:
    """What Django would connect with, for psycopg: keywords of libpq and some of psycopg's own."""
    settings_dict = {**connection.settings_dict, **settings.DATABASES["default"]}
    parameters = dict(DatabaseWrapper(settings_dict).get_connection_params())
    for name in ("cursor_factory", "context"):
        parameters.pop(name, None)
    return parameters
