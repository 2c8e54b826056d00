"""Handing this process, or a child, over to the native service."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from dispatcher import _binary
from dispatcher.service import Service

RUN = "from dispatcher import config, run_service; config.setup({config!r}); run_service()"


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Python in the place of the service, which is given what the service would be given."""
    monkeypatch.setenv("DISPATCHER_BINARY", os.path.realpath(sys.executable))
    return tmp_path


def test_config_is_read_from_the_descriptor_and_no_file_is_left(
    stand_in: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = "import json, os, sys; sys.stdout.write(os.fdopen(int(sys.argv[-1])).read())"
    monkeypatch.setattr(Service, "_command", staticmethod(lambda fd: ["dispatcher", "-c", reader, str(fd)]))
    config = {"version": 2, "service": {"main_kwargs": {"node_id": "ü"}}, "brokers": {"noop": {}}}
    process = Service(config).start(stdout=subprocess.PIPE, cwd=stand_in)
    out, _ = process.communicate(timeout=20)
    assert json.loads(out) == config
    assert list(stand_in.iterdir()) == []


def test_command_and_environment_are_what_the_service_reads() -> None:
    assert Service._command(9) == ["dispatcher", "serve", "--config-fd", "9"]
    path = Service._environment()["DISPATCHER_SYS_PATH"].split(os.pathsep)
    assert "" not in path
    assert path[-1] == sys.path[-1]


@pytest.mark.parametrize(("level", "given"), [(10, "DEBUG"), (20, "INFO"), (25, "WARNING"), (99, "CRITICAL")])
def test_the_level_of_our_logger_is_that_of_the_service(level: int, given: str) -> None:
    logger = logging.getLogger("dispatcher")
    assert Service._command(9)[4:] == []
    logger.setLevel(level)
    try:
        assert Service._command(9)[4:] == ["--log-level", given]
    finally:
        logger.setLevel(logging.NOTSET)


def test_config_that_is_no_json_names_the_value() -> None:
    with pytest.raises(TypeError, match=r"holds <object.*the service gets it as JSON"):
        Service({"version": 2, "service": {"x": object()}}).start()


def test_run_service_becomes_the_service_under_the_same_pid(pg_config: dict[str, Any], listener: Any) -> None:
    from dispatcher import config
    from dispatcher.factories import get_control_from_settings

    process = subprocess.Popen([sys.executable, "-c", RUN.format(config=pg_config)], stderr=subprocess.DEVNULL)
    try:
        config.setup(pg_config)
        control = get_control_from_settings()
        replies: list[dict[str, Any]] = []
        for _ in range(40):
            replies = control.control_with_reply("main", timeout=0.5)
            if replies:
                break
            assert process.poll() is None
        assert replies[0]["pid"] == process.pid
    finally:
        process.terminate()
    assert process.wait(20) == 0


def test_missing_program_says_where_it_was_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISPATCHER_BINARY", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(_binary, "_directories", lambda: iter([tmp_path]))
    with pytest.raises(_binary.BinaryNotFound, match=r"pip install dispatcher-rs.*DISPATCHER_BINARY"):
        _binary.find_binary()


def test_a_script_of_that_name_is_not_taken_for_the_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / "dispatcher"
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)
    monkeypatch.setenv("DISPATCHER_BINARY", str(script))
    with pytest.raises(_binary.BinaryNotFound, match="no program"):
        _binary.find_binary()


BESIDE = """
import sys, threading
from dispatcher import config, run_service

over = threading.Event()
threading.Thread(target=over.wait).start()
config.setup({config!r})
try:
    run_service()
    print("returned", flush=True)
finally:
    print("cleaned up", flush=True)
    over.set()
"""


def test_with_other_threads_the_service_is_a_child_that_leaves_with_its_parent(pg_config: dict[str, Any]) -> None:
    """Threads would end with the program; what an application cleans up after the service is cleaned up."""
    from dispatcher import config
    from dispatcher.factories import get_control_from_settings

    config.setup(pg_config)
    control = get_control_from_settings()
    for number, said in ((signal.SIGTERM, "returned\ncleaned up\n"), (signal.SIGKILL, "")):
        command = [sys.executable, "-c", BESIDE.format(config=pg_config)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        replies: list[dict[str, Any]] = []
        for _ in range(40):
            if replies := control.control_with_reply("main", timeout=0.5):
                break
        service = replies[0]["pid"]
        assert service != process.pid
        process.send_signal(number)
        out, _ = process.communicate(timeout=20)
        assert out == said
        assert process.returncode == (0 if number == signal.SIGTERM else -number)
        assert control.control_with_reply("main", timeout=0.5) == []


def test_a_service_that_fails_beside_other_threads_ends_the_program_with_its_code(tmp_path: Path) -> None:
    command = [sys.executable, "-c", BESIDE.format(config={"version": 2, "brokers": {"pg_notify": {"nonsense": 1}}})]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=20)
    assert (done.returncode, done.stdout) == (2, "cleaned up\n")
