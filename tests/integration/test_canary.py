"""What is told to nobody: arguments, passwords, messages that cannot be read. What may be asked: a closed list.

`support/canary.py` searches the logs after every test of the suite; here are the ways by which a secret would get
there.
"""

from __future__ import annotations

import builtins
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from conftest import Service, wait_until
from dispatcher._binary import find_binary
from support import canary
from support.bounds import client, with_socket
from support.canary import CANARY

COMMANDS = {
    *("alive", "running", "cancel", "workers", "aio_tasks", "main", "producers", "chunks", "status", "metrics", "run"),
    *("set_log_level", "ended", "stack", "pause", "quiet", "resume", "recycle", "scale"),
}


@pytest.fixture
def asked(make_service: Callable[..., Service]) -> Service:
    """A service with a socket too."""
    return with_socket(make_service()).start()


def test_the_search_finds_what_is_told(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("harmless\n")
    canary.watch(log)
    canary.search_logs()
    with log.open("a") as file:
        file.write(CANARY[:20])
    canary.search_logs()
    with log.open("a") as file:
        file.write(CANARY[20:] + "\n")
    with pytest.raises(AssertionError, match="tells arguments"):
        canary.search_logs()
    sleeping = subprocess.Popen(["sleep", "60"], env={"SECRET": CANARY})
    try:
        wait_until(lambda: Path(f"/proc/{sleeping.pid}/cmdline").read_bytes().startswith(b"sleep"), "process")
        with pytest.raises(AssertionError, match="environ"):
            canary.search_process(sleeping.pid)
    finally:
        sleeping.kill()
        sleeping.wait()


MESSAGES = {
    "broken JSON": f'{{"task": "work.record", "args": ["{CANARY}"',
    "args that are text": f'{{"task": "work.record", "args": "{CANARY}"}}',
    "kwargs that are a list": f'{{"task": "work.record", "kwargs": ["{CANARY}"]}}',
    "a timeout that is text": f'{{"task": "work.record", "timeout": "{CANARY}"}}',
    "a delay that is text": f'{{"task": "work.record", "delay": "{CANARY}"}}',
    "a rule that nobody knows": f'{{"task": "work.record", "on_duplicate": "{CANARY}"}}',
    "a uuid that is a list": f'{{"task": "work.record", "uuid": ["{CANARY}"]}}',
    "a task that is a list": f'{{"task": ["{CANARY}"]}}',
    "no task": f'{{"args": ["{CANARY}"]}}',
    "a list": f'["{CANARY}"]',
    "code": f'{{"task": "lambda: print(\'{CANARY}\')"}}',
    "control data that is text": f'{{"control": "cancel", "control_data": "{CANARY}"}}',
    "control data that fits nothing": f'{{"control": "cancel", "control_data": {{"uuid": "{CANARY}"}}}}',
    "a level": f'{{"control": "set_log_level", "control_data": {{"level": "{CANARY}"}}}}',
    "a task to run": f'{{"control": "run", "control_data": {{"task": "work.record", "args": ["{CANARY}"]}}}}',
    "a chunk": json.dumps(
        {"__dispatcherd_chunk__": "v1", "message_id": "x", "index": 0, "total": 1, "payload": CANARY}
    ),
    "a bad chunk": json.dumps({"__dispatcherd_chunk__": "v1", "message_id": 5, "payload": CANARY}),
    "too deep": '{"task": "work.record", "args": ' + "[" * 99 + f'"{CANARY}"' + "]" * 99 + "}",
    "an integer too long": f'{{"task": "work.record", "args": ["{CANARY}", {"9" * 5000}]}}',
    "a lone surrogate": f'{{"task": "work.nap", "args": ["{CANARY}\\ud800"]}}',
    "text for seconds": f'{{"task": "work.nap", "args": ["{CANARY}"]}}',
    "too many arguments": f'{{"task": "work.nap", "args": [0, "{CANARY}", "{CANARY}"]}}',
    "a refused task": f'{{"task": "os.mkdir", "args": ["{CANARY}"]}}',
    "a task that is not there": f'{{"task": "work.no_such", "kwargs": {{"password": "{CANARY}"}}}}',
}


@pytest.mark.parametrize("what", MESSAGES)
def test_no_message_is_told(service: Service, what: str) -> None:
    service.publish(MESSAGES[what])
    service.submit("record")
    service.wait_record("record")
    canary.search_logs()


def test_whatever_becomes_of_a_task_its_arguments_are_not_told(make_service: Callable[..., Service]) -> None:
    quick = {"cancel_grace": 0.1, "terminate_grace": 0.1, "shutdown_grace": 0}
    service = make_service(service={"pool_kwargs": {"min_workers": 1, "max_workers": 1}, **quick}).start()
    service.submit("record")  # a cancel in the middle of the module's import would leave half a module behind
    service.wait_record("record")
    service.submit("nap", 60, CANARY, timeout=0.1)
    service.submit("stubborn", 60, timeout=0.1)
    service.submit("die", "kill")
    service.submit("die", "exit")
    service.submit("nap", 60, CANARY, uuid="running")
    service.wait_record("dying", 2)
    for option in ({}, {"on_duplicate": "discard"}, {"on_duplicate": "serial"}, {"delay": 60}, {"timeout": -1}):
        service.submit("nap", 60, CANARY, **option)
    wait_until(lambda: service.main()["refused"], "refusal")
    service.control("cancel", {"task": "work.nap", "args": [60, CANARY]})
    service.submit("nap", 60, CANARY)
    assert service.stop() == 0
    assert "abandoned" in service.log.read_text() or "cancel" in service.log.read_text()


def test_the_text_of_an_exception_is_told_and_the_arguments_beside_it_are_not(service: Service) -> None:
    service.submit("fail_with", "the application's own words")
    wait_until(lambda: "the application's own words" in service.log.read_text(), "failure in the log")


def test_tasks_of_the_configuration_are_not_told(make_service: Callable[..., Service]) -> None:
    entry = {"args": [CANARY], "kwargs": {"password": CANARY}}
    producers = {
        "ScheduledProducer": {
            "task_schedule": {"work.record": {"schedule": 0.1, **entry}, "work.gone": {"schedule": 0.1, **entry}}
        },
        "OnStartProducer": {"task_list": {"work.nap": entry}},
    }
    service = make_service(producers=producers).start()
    service.wait_record("record", 3)


SECRET = CANARY
CONNECTIONS = {
    "keywords": {"host": "127.0.0.1", "port": 1, "dbname": "x", "user": "u", "password": SECRET, "sslpassword": SECRET},
    "conninfo": {"conninfo": f"host=127.0.0.1 port=1 dbname=x user=u password={SECRET}"},
    "URL": {"conninfo": f"postgresql://u:{SECRET}@127.0.0.1:1/x?connect_timeout=1"},
    "a keyword that nobody knows": {"conninfo": f"host=127.0.0.1 pasword={SECRET}"},
    "an open quote": {"conninfo": f"host=127.0.0.1 password='{SECRET}"},
    "a URL that is none": {"conninfo": f"postgresql://u:{SECRET}@[127.0.0.1/x"},
    "a port that is none": {"conninfo": f"postgresql://u:{SECRET}@127.0.0.1:{SECRET}/x"},
    "a list": {"password": [SECRET]},
}


def configured(home: Path, connection: dict[str, Any]) -> Path:
    path = home / "dispatcher.yml"
    brokers = {"pg_notify": {"config": connection, "channels": ["c"]}}
    path.write_text(json.dumps({"version": 2, "brokers": brokers}))
    return path


def ended(*arguments: str) -> subprocess.CompletedProcess[str]:
    """What the command came to."""
    return subprocess.run([find_binary(), *arguments], capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("how", CONNECTIONS)
def test_a_connection_that_fails_tells_no_password(how: str, tmp_path: Path) -> None:
    path = configured(tmp_path, CONNECTIONS[how])
    served = ended("serve", "--fail-fast", "--config", str(path))
    assert served.returncode != 0
    assert served.stderr
    for done in (served, ended("check", str(path))):
        assert SECRET not in done.stdout + done.stderr


def test_a_login_that_is_refused_tells_no_password(dsn: str, tmp_path: Path) -> None:
    path = configured(tmp_path, {"conninfo": f"{dsn} user=nobody_at_all password={SECRET}"})
    done = ended("serve", "--fail-fast", "--config", str(path))
    assert done.returncode != 0
    assert "nobody_at_all" in done.stderr
    assert SECRET not in done.stdout + done.stderr


def test_nothing_but_the_listed_commands_is_answered(asked: Service) -> None:
    line = client(asked)
    known = [line.ask(command, {"uuid": "none", "level": "INFO"}) for command in sorted(COMMANDS - {"pause", "quiet"})]
    assert not any("No control method" in reply.get("error", "") for reply in known)
    strange = {
        *dir(builtins),
        *dir(object),
        *sys.builtin_module_names,
        *("", " ", "alive ", "ALIVE", "alive\0", "control", "service", "answer", "logging", "os.system", "../alive"),
        *("__class__", "__dict__", "_alive", "alive.alive", "ünïcode", "\u202ealive", "exit", "shutdown", "stop"),
    }
    for name in sorted(strange - COMMANDS):
        assert line.ask(name) == {"error": f"No control method {name}"}, name
    line.close()


def test_a_long_name_of_a_command_is_cut(asked: Service) -> None:
    line = client(asked)
    reply = line.ask("x" * 500_000)
    assert reply == {"error": f"No control method {'x' * 64}... (500000 bytes)"}
    line.close()


@pytest.mark.parametrize("command", [5, None, True, ["alive"], {"alive": 1}, 1.5])
def test_a_command_that_is_no_text_is_refused(asked: Service, command: object) -> None:
    asked.publish(json.dumps({"control": command, "reply_to": "reply_to_x"}))
    wait_until(lambda: asked.refused().get("bad_control"), "refusal")
