"""A plain client of control requests: it says `alive`, waits for the reply, and says how long that took.

Uses neither system's SDK, so that both services are asked by the same few lines. Where it stands: measure.py calls it.
"""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable
from pathlib import Path

import psycopg

from systems import BenchError

WARM_UP = 50
"""Requests before those that count."""
PATIENCE = 10.0
"""Seconds that one reply may take."""


def over_socket(path: Path, count: int) -> list[float]:
    """Seconds of each round trip, connecting included: both SDKs and both commands connect anew for each request."""

    def ask() -> str:
        with socket.socket(socket.AF_UNIX) as connection, connection.makefile("r") as replies:
            connection.settimeout(PATIENCE)
            connection.connect(str(path))
            connection.sendall(b'{"control": "alive", "reply_to": "bench"}\n')
            return replies.readline()

    return _times(ask, count)


def over_notify(dsn: str, channel: str, count: int) -> list[float]:
    """Seconds of each round trip on one connection, which listens and asks: the rest is Postgres and the service."""
    request = json.dumps({"control": "alive", "reply_to": "bench_reply"})
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("LISTEN bench_reply")

        def ask() -> str:
            connection.execute("SELECT pg_notify(%s, %s)", (channel, request))
            return "".join(reply.payload for reply in connection.notifies(timeout=PATIENCE, stop_after=1))

        return _times(ask, count)


def _times(ask: Callable[[], str], count: int) -> list[float]:
    took = []
    for _ in range(WARM_UP + count):
        began = time.perf_counter()
        reply = ask()
        took.append(time.perf_counter() - began)
        if "node_id" not in reply:
            raise BenchError(f"alive was answered by {reply!r}")
    return took[WARM_UP:]
