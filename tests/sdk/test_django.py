"""With Django configured, a message goes over Django's own connection and follows its transaction.

In a process of its own, as Django's settings are one for a process.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import psycopg.conninfo
import pytest

pytest.importorskip("django")

SCRIPT = """
import json, sys
import django
from django.conf import settings

given = json.loads(sys.argv[1])
settings.configure(DATABASES={"default": {"ENGINE": "django.db.backends.postgresql", **given["database"]}})
django.setup()

from django.db import connection, transaction
from dispatcher import config
from dispatcher.factories import from_settings, get_control_from_settings
from dispatcher.publish import submit_many, submit_task

def sample(*args):
    pass

sample.__module__ = "app.tasks"
config.setup({"version": 2, "brokers": {"pg_notify": {"channels": [given["channel"]]}}})
submit_task(sample, args=["at once"])
try:
    with transaction.atomic():
        submit_task(sample, args=["rolled back"])
        raise KeyError
except KeyError:
    pass
with transaction.atomic():
    submit_task(sample, args=["committed"])
    submit_many(sample, [["many"], ["more"]])
    try:
        get_control_from_settings().control_with_reply("alive", timeout=60)
    except RuntimeError as error:
        refused = str(error)
    backend = connection.connection.info.backend_pid
assert connection.connection.info.backend_pid == backend
print(json.dumps({"refused": refused, "service": from_settings()._effective()}))
"""


def test_messages_follow_djangos_transaction(dsn: str, channel: str, listener: Any) -> None:
    keywords = psycopg.conninfo.conninfo_to_dict(dsn)
    names = {"dbname": "NAME", "user": "USER", "password": "PASSWORD", "host": "HOST", "port": "PORT"}
    database = {name: keywords[keyword] for keyword, name in names.items() if keyword in keywords}
    given = json.dumps({"database": database, "channel": channel})
    done = subprocess.run([sys.executable, "-c", SCRIPT, given], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    heard = [json.loads(payload)["args"][0] for payload in listener.take(4)]
    assert heard == ["at once", "committed", "many", "more"]
    assert listener.is_quiet()
    assert "inside a transaction" in said["refused"]
    effective = said["service"]["brokers"]["pg_notify"]["config"]
    assert {**effective, "port": str(effective["port"])}.items() >= keywords.items()
