"""Imported once, before workers are forked: loads the project, and leaves no connection behind for them to share."""

import django

import dispatcherd.brokers.pg_notify  # noqa: F401  # so that psycopg is loaded before the fork
from dispatcherd.utils import resolve_callable

django.setup()

from django.core.cache import cache  # noqa: E402
from django.db import connection  # noqa: E402

resolve_callable("app.tasks.started")
connection.close()
cache.close()
