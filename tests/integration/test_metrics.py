"""Metrics and health of a real service: the figures add up, and the reference page says what there is."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from conftest import CHECKOUT, Service, wait_until

REFERENCE = CHECKOUT / "docs" / "reference" / "metrics.md"
SAMPLE = re.compile(r"(?P<name>[a-z_]+)(\{(?P<labels>.*)\})? (?P<value>\S+)")
LABEL = re.compile(r'([a-z_]+)="((?:[^"\\]|\\.)*)"')


class Page:
    """A scrape, taken apart."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.types = dict(line.split()[2:4] for line in text.splitlines() if line.startswith("# TYPE "))
        self.samples: dict[tuple[str, frozenset[tuple[str, str]]], float] = {}
        for line in text.splitlines():
            if not line.startswith("#"):
                found = SAMPLE.fullmatch(line)
                assert found, line
                labels = frozenset(LABEL.findall(found["labels"] or ""))
                self.samples[found["name"], labels] = float(found["value"])

    def __call__(self, name: str, **labels: str) -> float:
        return self.samples[name, frozenset(labels.items())]

    def labels(self, name: str) -> set[str]:
        """The label names that the samples of this metric have; a histogram's bounds apart."""
        names = {name, f"{name}_bucket", f"{name}_sum", f"{name}_count"}
        return {label for (of, labels) in self.samples for label, _ in labels if of in names} - {"le"}


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


def get(service: Service, path: str) -> tuple[int, str]:
    port = service.config["service"]["metrics_kwargs"]["port"]
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers={"Accept": "*/*"})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as refused:
        return refused.code, refused.read().decode()


def scrape(service: Service) -> Page:
    status, text = get(service, "/metrics")
    assert status == 200
    return Page(text)


@pytest.fixture
def make_measured(make_service: Callable[..., Service]) -> Callable[..., Service]:
    """Makes services with a metrics server."""

    def make(**changes: Any) -> Service:
        service = {"pool_kwargs": {"min_workers": 1, "max_workers": 1}, "shutdown_grace": 0}
        service |= {"metrics_kwargs": {"host": "127.0.0.1", "port": free_port()}, **changes.pop("service", {})}
        return make_service(service=service, **changes)

    return make


@pytest.fixture
def measured(make_measured: Callable[..., Service]) -> Service:
    """A running service with one worker, that has its address and is ready."""
    return ready(make_measured().start())


def ready(service: Service) -> Service:
    wait_until(lambda: listens(service) and get(service, "/readyz")[0] == 200, "readiness")
    return service


def listens(service: Service) -> bool:
    try:
        socket.create_connection(("127.0.0.1", service.config["service"]["metrics_kwargs"]["port"])).close()
    except OSError:
        return False
    return True


def test_tasks_are_counted_and_measured_by_name_and_outcome(measured: Service) -> None:
    for number in range(3):
        measured.submit("record", number)
    measured.submit("nap", 0.2)
    measured.submit("nap", "no secret of ours")
    measured.submit("nap", 60, timeout=0.3)
    measured.publish({"task": "os.getpid", "uuid": "not-registered"})
    measured.publish("{not json")
    wait_until(lambda: scrape(measured)("dispatcher_tasks_ended_total", task="other", outcome="refused"), "refusal")
    page = scrape(measured)
    assert page("dispatcher_tasks_ended_total", task="work.record", outcome="success") == 3
    assert page("dispatcher_tasks_ended_total", task="work.nap", outcome="success") == 1
    assert page("dispatcher_tasks_ended_total", task="work.nap", outcome="timed_out") == 1
    assert page("dispatcher_tasks_ended_total", task="work.nap", outcome="failure") == 1
    assert page("dispatcher_task_run_seconds_count", task="work.nap") == 3
    assert 0.5 <= page("dispatcher_task_run_seconds_sum", task="work.nap") < 20
    assert page("dispatcher_task_run_seconds_bucket", task="work.nap", le="0.05") <= 1
    assert page("dispatcher_task_run_seconds_bucket", task="work.nap", le="+Inf") == 3
    assert page("dispatcher_task_wait_seconds_count") == 7
    # The last two waited for both naps.
    assert page("dispatcher_task_wait_seconds_sum") >= 0.2 + 0.2 + 0.5
    assert page("dispatcher_messages_refused_total", reason="bad_json") == 1
    assert page("dispatcher_ladder_steps_total", step="cancel", reason="timeout") == 1
    assert page("dispatcher_broker_deliveries_total", broker="pg_notify") >= 8
    for never in ("os.getpid", "no secret of ours", "not-registered"):
        assert never not in page.text


def test_tasks_in_the_service_are_shown_where_they_are(measured: Service) -> None:
    measured.submit("nap", 60)
    measured.wait_record("start")
    measured.submit("record", 1)
    measured.submit("record", 2, delay=60)
    measured.submit("nap", 60, on_duplicate="serial")
    wait_until(lambda: scrape(measured)("dispatcher_tasks", state="blocked"), "blocked task")
    page = scrape(measured)
    assert {state: page("dispatcher_tasks", state=state) for state in ("running", "queued", "delayed")} == {
        "running": 1,
        "queued": 1,
        "delayed": 1,
    }
    assert page("dispatcher_workers", state="busy") == 1
    assert 0 < page("dispatcher_queue_age_seconds") < 60


def test_a_worker_that_is_killed_is_counted_with_the_task_it_lost(measured: Service) -> None:
    measured.submit("record")
    measured.wait_record("record")
    measured.submit("nap", 60)
    os.kill(measured.wait_record("start")["pid"], signal.SIGKILL)
    wait_until(lambda: scrape(measured)("dispatcher_worker_ends_total", reason="signal"), "end of the worker")
    page = scrape(measured)
    assert page("dispatcher_worker_starts_total", reason="minimum") == 2
    # No worker has ever ended a task of this name, so it is not counted under it.
    assert page("dispatcher_tasks_ended_total", task="other", outcome="lost") == 1


def with_queue_usage(service: Service) -> Page | None:
    """A scrape, once Postgres has been asked how full its queue is: the first has that done."""
    page = scrape(service)
    return page if any(name == "dispatcher_notification_queue_usage_ratio" for name, _ in page.samples) else None


def test_the_reference_page_says_what_there_is(measured: Service) -> None:
    measured.submit("record")
    measured.wait_record("record")
    measured.publish("{not json")
    wait_until(measured.refused, "refusal")
    page = wait_until(lambda: with_queue_usage(measured), "usage of the queue")
    assert 0 <= page("dispatcher_notification_queue_usage_ratio", broker="pg_notify") < 0.1
    section = REFERENCE.read_text().split("## Every metric")[1].split("\n## ")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if line[:3] == "| `"]
    said = {row[0].strip("`"): (row[1], set(re.findall(r"`([a-z]+)`", row[2]))) for row in rows}
    # A broker over Postgres turns nothing away, so that family has no samples to take labels from.
    unseen = {"dispatcher_broker_refusals_total": ("counter", {"broker", "reason"})}
    assert said == {name: (kind, page.labels(name)) for name, kind in page.types.items()} | unseen


def test_a_bare_request_gets_the_three_names_of_dispatcherd(measured: Service) -> None:
    port = measured.config["service"]["metrics_kwargs"]["port"]
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        page = Page(answer.read().decode())
    assert list(page.types) == [
        "dispatcher_messages_received_total",
        "dispatcher_control_messages_count_total",
        "dispatcher_worker_count_total",
    ]
    assert set(page.types) < set(scrape(measured).types)


def test_readiness_goes_with_the_listening_session_and_comes_back(measured: Service) -> None:
    kill = """
        SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
        WHERE pid <> pg_backend_pid() AND query LIKE %s
    """
    measured.database.execute(kill, (f"%LISTEN%{measured.channel}%",))
    wait_until(lambda: scrape(measured)("dispatcher_broker_reconnects_total", broker="pg_notify") >= 1, "reconnect")
    ready(measured)
    assert scrape(measured)("dispatcher_broker_listening", broker="pg_notify") == 1


def test_a_service_without_its_postgres_lives_and_is_not_ready(make_measured: Callable[..., Service]) -> None:
    nowhere = {"pg_notify": {"config": {"conninfo": f"host=127.0.0.1 port={free_port()} user=x dbname=x"}}}
    nowhere["pg_notify"]["channels"] = ["x"]
    service = make_measured()
    service.config["brokers"] = nowhere
    with pytest.raises(psycopg.OperationalError):
        service.start()  # it runs; only the question whether it listens cannot be asked
    wait_until(lambda: listens(service) and get(service, "/healthz") == (200, '{"status":"ok"}'), "health")
    wait_until(lambda: "no worker" not in get(service, "/readyz")[1], "worker")
    status, body = get(service, "/readyz")
    assert status == 503
    assert json.loads(body)["missing"] == ["broker pg_notify is not listening"]
    assert scrape(service)("dispatcher_ready") == 0


def test_a_service_whose_workers_cannot_start_is_not_ready(make_measured: Callable[..., Service]) -> None:
    service = make_measured(worker={"command": ["/bin/false"]}).start()
    status, body = wait_until(lambda: listens(service) and get(service, "/readyz"), "answer")
    assert status == 503
    assert json.loads(body)["missing"] == ["no worker is ready"]
    wait_until(lambda: scrape(service)("dispatcher_worker_ends_total", reason="exited") >= 2, "failed starts")


def test_a_draining_service_is_not_ready_and_still_answers(make_measured: Callable[..., Service]) -> None:
    service = ready(make_measured(service={"shutdown_grace": 30}).start())
    service.submit("nap", 2)
    service.wait_record("start")
    assert service.process is not None
    service.process.send_signal(signal.SIGTERM)
    wait_until(lambda: get(service, "/readyz")[0] == 503, "end of readiness")
    assert "the service is stopping" in json.loads(get(service, "/readyz")[1])["missing"]
    assert get(service, "/healthz")[0] == 200
    service.process.wait(timeout=20)
    assert not listens(service)


def test_an_address_beyond_loopback_is_warned_of(make_measured: Callable[..., Service]) -> None:
    service = make_measured(service={"metrics_kwargs": {"host": "0.0.0.0", "port": free_port()}}).start()
    lines = [line["message"] for line in service.log_lines() if line["logger"] == "dispatcher.web"]
    assert any("is not loopback" in line for line in lines), lines
