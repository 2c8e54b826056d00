"""The canary: a word in the arguments of every test's tasks that must be in no log, metric or process list.

So the whole suite shows that arguments are told to nobody. What is said on purpose is not searched: replies of
`running`, and the text of an exception, which is the application's own.
"""

from __future__ import annotations

import urllib.request
import uuid
from contextlib import suppress
from pathlib import Path
from typing import Any

CANARY = f"canary{uuid.uuid4().hex}"
"""Another one in each run."""

_searched: dict[Path, int] = {}
"""The logs there are, and how far each has been searched."""


def plant(message: dict[str, Any]) -> dict[str, Any]:
    """The message with the canary among its keyword arguments, and beside what a message has."""
    return {**message, "kwargs": {**message.get("kwargs", {}), "canary": CANARY}, "note": CANARY}


def watch(log: Path) -> None:
    """Has this log searched at the end of each test from now on."""
    _searched.setdefault(log, 0)


def search_logs() -> None:
    """Fails if the canary is in what has been logged since the last search."""
    for log, start in list(_searched.items()):
        with suppress(FileNotFoundError), log.open("rb") as file:
            # It may stand across the place where the last search ended.
            file.seek(max(0, start - len(CANARY)))
            text = file.read()
            _searched[log] = file.tell()
            place = text.find(CANARY.encode())
            assert place < 0, f"{log} tells arguments: {text[max(0, place - 500) : place + 100]!r}"


def search_metrics(port: int) -> None:
    """Fails if the canary is on the page of the metrics; a server that is not there tells nothing."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}/metrics", headers={"Accept": "*/*"})
    with suppress(OSError), urllib.request.urlopen(request, timeout=5) as answer:
        assert CANARY.encode() not in answer.read(), "the metrics tell arguments"


def search_process(pid: int, *secrets: str) -> None:
    """Fails if the canary or a secret is where every user of the machine, or every child, may read it."""
    for name in ("cmdline", "environ"):
        with suppress(OSError):
            text = Path(f"/proc/{pid}/{name}").read_bytes().decode(errors="replace")
            found = [secret for secret in (CANARY, *secrets) if secret and secret in text]
            assert not found, f"/proc/{pid}/{name} tells {found}"
