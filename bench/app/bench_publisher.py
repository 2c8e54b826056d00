"""A publisher in a process of its own: one JSON action a line on stdin, one JSON reply a line on stdout.

Publishes as an application does, through the SDK that BENCH_SDK names, with the settings of BENCH_CONFIG. Measures
nothing but when each action began and ended.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

SDK = os.environ["BENCH_SDK"]

bench_tasks: Any = importlib.import_module("bench_tasks")


def burst(count: int) -> None:
    """One call a task, as fast as they return."""
    for number in range(count):
        bench_tasks.noop.apply_async(args=[number])


def batches(count: int, size: int = 1000) -> None:
    """The same tasks in bulk."""
    submit_many = importlib.import_module(f"{SDK}.publish").submit_many
    for first in range(0, count, size):
        submit_many(bench_tasks.noop, [[number] for number in range(first, min(first + size, count))])


def paced(count: int, rate: float) -> None:
    """Latency tasks at an even pace."""
    due = time.monotonic()
    for _ in range(count):
        time.sleep(max(0.0, due - time.monotonic()))
        bench_tasks.stamp.apply_async(args=[time.time()])
        due += 1 / rate


def hold(count: int, path: str) -> None:
    """Tasks that keep a worker each."""
    for _ in range(count):
        bench_tasks.hold.apply_async(args=[path])


def control(command: str, timeout: float) -> list[dict[str, Any]]:
    """What the service answers."""
    client = importlib.import_module(f"{SDK}.factories").get_control_from_settings()
    replies: list[dict[str, Any]] = client.control_with_reply(command, timeout=timeout)
    return replies


def fill(count: int, rule: str, channel: str) -> int:
    """No-ops in large transactions, each message unlike the others, past the SDK; gives the bytes of the last one."""
    import psycopg
    import yaml

    with open(os.environ["BENCH_CONFIG"], encoding="utf-8") as file:
        config = yaml.safe_load(file)["brokers"]["pg_notify"]["config"]
    text = ""
    with psycopg.connect(**config) as connection, connection.cursor() as cursor:
        for first in range(0, count, 1000):
            texts = [
                json.dumps(
                    {"uuid": f"fill-{number}", "args": [number], "task": "bench_tasks.noop", "on_duplicate": rule}
                )
                for number in range(first, min(first + 1000, count))
            ]
            cursor.executemany("SELECT pg_notify(%s, %s)", [(channel, text) for text in texts])
            connection.commit()
            text = texts[-1]
    return len(text)


ACTIONS: dict[str, Callable[..., Any]] = {
    function.__name__: function for function in (burst, batches, paced, hold, fill, control)
}


def main() -> None:
    """Serves until stdin ends."""
    replies = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # whatever a library prints must not get between the replies
    importlib.import_module(f"{SDK}.config").setup(file_path=os.environ["BENCH_CONFIG"])
    replies.write("{}\n")
    for line in sys.stdin:
        words = json.loads(line)
        reply: dict[str, Any] = {"began": time.time()}
        try:
            reply["result"] = ACTIONS[words.pop("action")](**words)
        except Exception as error:
            reply["error"] = repr(error)
        reply["ended"] = time.time()
        replies.write(json.dumps(reply) + "\n")


if __name__ == "__main__":
    main()
