"""The log: floods are counted and said, a reader that is slow, gone or full costs lines and nothing else."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable

import pytest
from test_metrics import free_port, listens, scrape

from conftest import Service, wait_until
from support.bounds import Unharmed, client, with_socket

PIPE_BUF = 4096
"""What a pipe takes in one piece: a shorter line is never torn by what workers write."""


@pytest.fixture
def prepared(make_service: Callable[..., Service]) -> Service:
    """A service with a socket, a second channel and metrics that is not started yet."""
    service = {"pool_kwargs": {"min_workers": 1, "max_workers": 1}, "shutdown_grace": 0}
    return with_socket(make_service(service=service | {"metrics_kwargs": {"host": "127.0.0.1", "port": free_port()}}))


@pytest.fixture
def running(prepared: Service) -> Service:
    """The same, with a warm worker."""
    prepared.start()
    return warm(prepared)


def warm(service: Service) -> Service:
    service.submit("record")
    service.wait_record("record")
    wait_until(lambda: listens(service), "metrics")
    return service


def lost(service: Service, reason: str) -> float:
    return scrape(service)("dispatcher_log_lines_lost_total", reason=reason)


def test_lines_of_one_kind(running: Service) -> None:
    began = time.monotonic()
    with Unharmed(running, 16):
        sql = "SELECT count(pg_notify(%s, format('{\"task\": %%s', n))) FROM generate_series(1, 2000) AS n"
        running.database.execute(sql, (running.channel,))
        wait_until(lambda: running.refused().get("bad_json", 0) == 2000, "refusals")
    suppressed = lost(running, "suppressed")
    lines = [line for line in running.log_lines() if "message refused" in line["message"]]
    written = [line for line in lines if "suppressed" not in line["fields"]]
    assert 100 <= len(written) <= 100 + 10 * (time.monotonic() - began) + 1
    assert len(written) + suppressed == 2000
    assert running.stop() == 0  # what has not been said by then is said at the end
    summaries = [line for line in running.log_lines() if "suppressed" in line["fields"]]
    assert sum(line["fields"]["suppressed"] for line in summaries) == suppressed
    assert all("like this one were left out: message refused" in line["message"] for line in summaries)


def test_a_thousand_abandoned_tasks_are_listed(running: Service) -> None:
    running.submit("nap", 600)
    running.wait_record("start")
    message = """format('{"task": "work.record", "uuid": "left-%%s"}', n)"""
    sql = f"SELECT count(pg_notify(%s, {message})) FROM generate_series(1, 900) AS n"
    running.database.execute(sql, (running.channel,))
    wait_until(lambda: running.main()["pool"]["active_task_ct"] == 901, "queue")
    assert running.stop() == 0
    text = running.log.read_text()
    assert {f"left-{number}" for number in range(1, 901)} <= set(re.findall(r"left-\d+", text))


def test_length_of_a_line(running: Service) -> None:
    running.submit("fail_at_length", 100_000)
    running.submit("record")
    running.wait_record("record", 2)
    wait_until(lambda: any("failed: work.fail_at_length" in line["message"] for line in running.log_lines()), "failure")
    (line,) = [line for line in running.log.read_text().splitlines() if '"failed: work.fail_at_length' in line]
    assert len(line) < PIPE_BUF
    assert "bytes in all" in line
    assert lost(running, "cut") == 1


def test_a_log_on_a_full_disk(prepared: Service) -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    start_on(prepared, full)
    os.close(full)
    with Unharmed(prepared, 16):
        warm(prepared)
        for _ in range(20):
            prepared.publish("{no json")
    wait_until(lambda: lost(prepared, "failed") >= 20, "count of lines")
    assert prepared.stop() == 0


def start_on(service: Service, log: int) -> None:
    """Starts a service whose log is this descriptor."""
    service.launch("--log-level", "DEBUG", stdout=log, stderr=log)
    wait_until(lambda: service.control("alive", wait=0.3) is not None, "answer of the service")


def test_a_pipe_whose_reader_is_gone(prepared: Service) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    start_on(prepared, writing)
    os.close(writing)
    with Unharmed(prepared, 16):
        warm(prepared)
        for _ in range(20):
            prepared.publish("{no json")
    assert lost(prepared, "failed") >= 20
    assert prepared.stop() == 0


def test_a_reader_that_has_stopped(prepared: Service) -> None:
    reading, writing = os.pipe()
    start_on(prepared, writing)
    os.close(writing)
    # No task runs: a worker that logs waits for the reader, as any process does.
    asking = client(prepared)
    message = """format('{"task": "work.record", "delay": 600, "n": %%s}', n)"""
    sql = f"SELECT count(pg_notify(%s, {message})) FROM generate_series(1, 20000) AS n"
    prepared.database.execute(sql, (prepared.channel,))
    wait_until(lambda: asking.ask("main")["pool"]["delayed_ct"] == 20_000, "tasks")
    assert lost(prepared, "suppressed") > 10_000
    assert prepared.stop() == 0
    os.close(reading)


def test_a_flood_on_the_output_of_a_worker(running: Service) -> None:
    with Unharmed(running, 16):
        running.submit("shout", 100)
        running.wait_record("shouted")
    assert running.log.stat().st_size > 100 * 1024 * 1024
    # Each line of the service itself is whole.
    running.submit("die", "kill")
    wait_until(lambda: running.main()["pool"]["workers_lost_count"] == 1, "end of the worker")
    with running.log.open("rb") as log:
        log.seek(-20_000, os.SEEK_END)
        tail = log.read().decode(errors="replace").splitlines()[1:]
    assert any("killed by SIGKILL" in json.loads(line)["message"] for line in tail if line.startswith("{"))
