"""Ten times more of everything than a service takes: it stays small, it answers, and honest work goes on.

docs/reference/limits.md has the list; the names of these tests stand in it.
"""

from __future__ import annotations

import json
import socket
import sys
import time
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from test_metrics import free_port, listens, scrape

from conftest import TASKS, Service, wait_until
from support.bounds import GENEROUS, Unharmed, client, resident, with_socket


@pytest.fixture
def flooded(make_service: Callable[..., Service]) -> Callable[..., Service]:
    """Makes a running service with a socket, a second channel and metrics, and one worker that is warm."""

    def make(service: dict[str, Any] | None = None, **changes: Any) -> Service:
        base = {"pool_kwargs": {"min_workers": 1, "max_workers": 1}, "shutdown_grace": 0}
        base |= {"metrics_kwargs": {"host": "127.0.0.1", "port": free_port()}, **(service or {})}
        made = with_socket(make_service(service=base, **changes)).start()
        made.submit("record")
        made.wait_record("record")
        wait_until(lambda: listens(made), "metrics")
        return made

    return make


def notify(service: Service, text: str, count: int) -> None:
    """Sends so many notifications in one transaction; `n` stands for their number in the SQL text of the payload."""
    service.database.execute(
        f"SELECT count(pg_notify(%s, {text})) FROM generate_series(1, %s) AS n", (service.channel, count)
    )


def test_control_requests_over_notify(flooded: Callable[..., Service]) -> None:
    service = flooded({"control_rate": 2})  # 120 at once
    with psycopg.connect(service.config["brokers"]["pg_notify"]["config"]["conninfo"], autocommit=True) as listener:
        listener.execute("LISTEN reply_to_flood")
        with Unharmed(service, 16):
            request = """format('{"control": "alive", "reply_to": "reply_to_flood", "n": %%s}', n)"""
            notify(service, request, 1200)
            wait_until(lambda: scrape(service)("dispatcher_control_refused_total", reason="rate") >= 1000, "refusals")
        replies = [json.loads(note.payload) for note in listener.notifies(timeout=1)]
    answered = [reply for reply in replies if "error" not in reply]
    refused = [reply["error"] for reply in replies if "error" in reply]
    assert 100 <= len(answered) <= 200
    assert refused and all("more than 2 a second" in text for text in refused)
    lines = [line for line in service.log_lines() if "control request refused" in line["message"]]
    assert len(lines) < 200


def test_control_requests_over_the_socket(flooded: Callable[..., Service]) -> None:
    service = flooded({"control_rate": 2})
    with socket.socket(socket.AF_UNIX) as flood:
        flood.connect(service.config["brokers"]["socket"]["socket_path"])
        request = b'{"control": "alive", "reply_to": "x"}\n'
        flood.sendall(request * 1200)
        flood.shutdown(socket.SHUT_WR)
        with flood.makefile("r") as lines:
            replies = [json.loads(line) for line in lines]
    # Each refusal is said while few replies wait.
    assert 100 <= len([reply for reply in replies if "error" not in reply]) <= 200
    assert scrape(service)("dispatcher_control_refused_total", reason="rate") >= 1000
    # The other way is open.
    assert service.control("alive") == {}


def test_control_requests_of_a_task(flooded: Callable[..., Service]) -> None:
    service = flooded({"control_rate": 2})
    service.submit("ask_often", "alive", 1200)
    asked = service.wait_record("asked_often")
    assert 100 <= asked["answered"] <= 200
    assert asked["answered"] + asked["refused"] == 1200
    assert service.control("alive") == {}


def test_replies_that_a_worker_does_not_read(make_service: Callable[..., Service]) -> None:
    flooder = [sys.executable, str(TASKS / "flooder.py")]
    service = {"pool_kwargs": {"min_workers": 1, "max_workers": 1}, "shutdown_grace": 0, "cancel_grace": 0.1}
    service |= {"metrics_kwargs": {"host": "127.0.0.1", "port": free_port()}, "terminate_grace": 0.1}
    made = with_socket(make_service(service=service, worker={"command": flooder})).start()
    wait_until(lambda: listens(made), "metrics")
    asking = client(made)
    refused = 0.0
    while refused < 200_000:  # of some 150 bytes each
        began = time.monotonic()
        assert asking.ask("alive") == {}
        assert time.monotonic() - began < GENEROUS
        refused = scrape(made)("dispatcher_control_refused_total", reason="rate")
    assert resident(made.pid) < 80
    assert made.stop() == 0
    asking.close()


def test_delayed_control_requests(flooded: Callable[..., Service]) -> None:
    service = flooded()
    with Unharmed(service, 16):
        notify(service, """format('{"control": "alive", "delay": 300, "n": %%s}', n)""", 10_000)
        wait_until(lambda: service.refused().get("control_delays", 0) >= 9000, "refusals")
    assert service.refused()["control_delays"] == 9000


def test_entries_of_a_reply(flooded: Callable[..., Service]) -> None:
    service = flooded()
    asking = client(service)
    service.submit("nap", 600)
    service.wait_record("start")
    message = """format('{"task": "work.record", "uuid": "%%s", "args": ["some text of a task"]}', n)"""
    notify(service, message, 40_000)
    wait_until(lambda: asking.ask("main")["pool"]["active_task_ct"] == 40_001, "queue", 60)
    shown = asking.ask("running")
    left_out = shown.pop("truncated")
    assert list(shown)[:2] == ["worker-0", "queued-0"]
    assert left_out["shown"] == len(shown)
    assert left_out["shown"] + left_out["left_out"] == 40_001
    assert len(json.dumps(shown)) < 1024 * 1024
    assert asking.ask("status")["running"]["truncated"]["left_out"] == left_out["left_out"]
    assert list(asking.ask("running", {"uuid": "40000"})) == ["queued-39999"]
    # What is cancelled is all that fits, whatever is shown.
    cancelled = asking.ask("cancel", {"task": "work.record"})
    assert cancelled["truncated"]["shown"] + cancelled["truncated"]["left_out"] == 40_000
    assert asking.ask("main")["pool"]["active_task_ct"] == 1
    asking.close()


def test_long_messages_in_a_reply(service: Service) -> None:
    chunk = "x" * 7000
    text = json.dumps({"task": "work.nap", "uuid": "long", "args": [600], "kwargs": {"name": chunk * 100}})
    send_in_pieces(service, text)
    service.wait_record("start")
    running = service.control("running")
    assert running is not None
    assert "too long" in running["worker-0"]["note"]
    assert running["worker-0"]["uuid"] == "long"


def send_in_pieces(service: Service, text: str, size: int = 7000) -> None:
    """Sends a long message as publishers do."""
    parts = [text[at : at + size] for at in range(0, len(text), size)]
    with service.database.cursor() as cursor:
        cursor.executemany(
            "SELECT pg_notify(%s, %s)",
            [(service.channel, piece(str(hash(text)), index, len(parts), part)) for index, part in enumerate(parts)],
        )


def piece(message_id: str, index: int, total: int, payload: str) -> str:
    marked = {"__dispatcherd_chunk__": "v1", "message_id": message_id, "index": index, "total": total}
    return json.dumps({**marked, "payload": payload})


def test_length_of_a_message(flooded: Callable[..., Service]) -> None:
    service = flooded()
    with Unharmed(service, 64):
        part = "x" * 7700
        for index in range(80 * 1024 * 1024 // len(part)):
            service.publish(piece("endless", index, 50_000, part))
            if index % 1000 == 0 and service.refused().get("bad_chunk"):
                break
        wait_until(lambda: service.refused().get("bad_chunk"), "refusal")


def test_unfinished_messages(flooded: Callable[..., Service]) -> None:
    service = flooded()
    head = '{"__dispatcherd_chunk__": "v1", "message_id": "%%s", "index": 0, "total": 2, "payload": "{"}'
    with Unharmed(service, 48):
        notify(service, f"format('{head}', n)", 100_000)
        asking = client(service)
        wait_until(lambda: asking.ask("chunks")["status"]["total_chunks_received"] == 100_000, "pieces", 60)
        chunks = asking.ask("chunks")
        assert chunks["status"]["active_messages"] == 10_000
        assert chunks["status"]["timed_out_assemblies"] == 90_000
        assert chunks["partials"]["truncated"]["left_out"] > 0
        asking.close()


def test_memory_of_unfinished_messages(flooded: Callable[..., Service]) -> None:
    service = flooded()
    head = '{"__dispatcherd_chunk__": "v1", "message_id": "%%s", "index": 0, "total": 2, "payload": "%%s"}'
    with Unharmed(service, 160):  # 64 MiB of pieces, what 90,000 of them leave in the heap, and what is under way
        for _ in range(10):
            notify(service, f"format('{head}', gen_random_uuid(), repeat('x', 7700))", 9_000)
        asking = client(service)
        wait_until(lambda: asking.ask("chunks")["status"]["total_chunks_received"] == 90_000, "pieces", 120)
        assert asking.ask("chunks")["status"]["active_messages"] < 9_000
        asking.close()


STRUCTURES = {
    "depth": ('{"task": "work.record", "args": ' + "[" * 640 + "]" * 640 + "}", "too_deep"),
    "keys": (
        '{"task": "work.record", "kwargs": {' + ",".join(f'"{n:x}":0' for n in range(100_000)) + "}}",
        "too_many_keys",
    ),
    "delay": ('{"task": "work.record", "delay": 315360000}', "bad_delay"),
    "timeout": ('{"task": "work.record", "timeout": 315360000}', "bad_timeout"),
    "uuid": ('{"task": "work.record", "uuid": "' + "u" * 2550 + '"}', "bad_uuid"),
    "name": ('{"task": "work.' + "n" * 2550 + '"}', "bad_name"),
}


@pytest.mark.parametrize("what", STRUCTURES)
def test_shape_of_a_message(flooded: Callable[..., Service], what: str) -> None:
    service = flooded()
    text, reason = STRUCTURES[what]
    with Unharmed(service, 16):
        with socket.socket(socket.AF_UNIX) as line:
            line.connect(service.config["brokers"]["socket"]["socket_path"])
            line.sendall(text.encode() + b"\n")
        wait_until(lambda: service.refused().get(reason), "refusal")


def test_line_on_the_socket(flooded: Callable[..., Service]) -> None:
    service = flooded()
    with Unharmed(service, 16), socket.socket(socket.AF_UNIX) as line:
        line.connect(service.config["brokers"]["socket"]["socket_path"])
        with pytest.raises(OSError):
            line.sendall(b"x" * 10 * 1024 * 1024)
    assert scrape(service)("dispatcher_broker_refusals_total", broker="socket", reason="line_too_long") == 1


def test_clients_of_the_socket(flooded: Callable[..., Service]) -> None:
    service = flooded()
    with Unharmed(service, 16):
        lines = []
        try:
            for _ in range(640):
                lines.append(socket.socket(socket.AF_UNIX))
                lines[-1].connect(service.config["brokers"]["socket"]["socket_path"])
            refusals = "dispatcher_broker_refusals_total"
            wait_until(lambda: scrape(service)(refusals, broker="socket", reason="too_many_clients") >= 570, "refusals")
        finally:
            for line in lines:
                line.close()


def test_result_of_a_task(flooded: Callable[..., Service]) -> None:
    service = flooded()
    with Unharmed(service, 16):
        service.submit("give", 10 * 1024 * 1024)
        service.wait_record("given")
    assert service.main()["pool"]["workers_lost_count"] == 0


def test_queued_tasks(flooded: Callable[..., Service]) -> None:
    service = flooded({"queue_limit": 2000})
    holding = service.submit("nap", 600)
    service.wait_record("start")
    with Unharmed(service, 16):
        notify(service, """format('{"task": "work.Job", "args": [%%s]}', n)""", 20_000)
        wait_until(lambda: sum(service.refused().values()) >= 18_000, "refusals", 60)
        main = service.main()
        assert main["pool"]["active_task_ct"] <= 2000
        assert main["refused"].keys() <= {"queue_full", "channel_full"}
        page = scrape(service)
        assert page("dispatcher_tasks_held") <= 2000
        # The channel that floods has not taken all: honest tasks came in meanwhile, and run when their turn comes.
        service.control("cancel", {"uuid": holding})
    wait_until(lambda: service.main()["pool"]["active_task_ct"] == 0, "end of all", 60)
    assert 1000 <= len(service.records("job")) <= 2000
    lines = [line for line in service.log_lines() if "too many tasks are here" in line["message"]]
    assert len(lines) < 1200


def test_bytes_of_queued_tasks(flooded: Callable[..., Service]) -> None:
    service = flooded({"queue_bytes": "4MiB"})
    holding = service.submit("nap", 600)
    service.wait_record("start")
    with Unharmed(service, 32):
        notify(
            service,
            """format('{"task": "work.give", "args": [1], "n": %%s, "x": "%%s"}', n, repeat('x', 7000))""",
            6000,
        )
        wait_until(lambda: sum(service.refused().values()) >= 5000, "refusals", 60)
        assert service.main()["refused"].keys() <= {"queue_bytes_full", "channel_full"}
        assert scrape(service)("dispatcher_tasks_held_bytes") <= 4 * 1024 * 1024
        service.control("cancel", {"uuid": holding})
        # What came before there is room again would be refused, as all the rest.
        wait_until(lambda: service.main()["held"]["tasks"] == 0, "room")


def test_delayed_tasks(flooded: Callable[..., Service]) -> None:
    service = flooded()
    asking = client(service)
    with Unharmed(service, 128):
        notify(service, """format('{"task": "work.Job", "delay": 3600, "args": [%%s]}', n)""", 1_000_000)
        wait_until(lambda: sum(asking.ask("main")["refused"].values()) >= 900_000, "refusals", 100)
    main = asking.ask("main")
    assert (main["pool"]["delayed_ct"], main["refused"]) == (100_000, {"delayed_full": 900_000})
    asking.close()


def test_blocked_tasks(flooded: Callable[..., Service]) -> None:
    service = flooded({"pool_kwargs": {"min_workers": 2, "max_workers": 2}})
    with Unharmed(service, 32):
        notify(
            service, """format('{"task": "work.nap", "on_duplicate": "serial", "args": [600], "n": %%s}', n)""", 100_000
        )
        wait_until(lambda: sum(service.refused().values()) >= 89_000, "refusals", 60)
    assert service.main()["pool"]["blocked_ct"] == 10_000
    assert service.refused() == {"blocked_full": 89_999}
