"""The package dispatcherd: every name that applications import, and that each leads to the one implementation."""

from __future__ import annotations

import importlib
import json
import logging
import pickle
import pkgutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from queue import SimpleQueue
from typing import Any
from unittest import mock

import pytest

import dispatcher
import dispatcherd
from dispatcher._binary import find_binary

IMPORTS = {
    "dispatcherd": ["run_service"],
    "dispatcherd.publish": ["task", "submit_task"],
    "dispatcherd.config": [
        "setup", "is_setup", "settings", "temporary_settings", "DispatcherSettings", "LazySettings",
    ],
    "dispatcherd.factories": [
        "get_control_from_settings", "get_publisher_from_settings", "get_broker", "from_settings",
        "process_manager_from_settings", "generate_settings_schema",
    ],
    "dispatcherd.control": ["Control"],
    "dispatcherd.processors.delayer": ["Delayer"],
    "dispatcherd.processors.blocker": ["Blocker"],
    "dispatcherd.processors.params": ["ProcessorParams"],
    "dispatcherd.worker.task": [
        "TaskWorker", "DispatcherCancel", "DispatcherExit", "DispatcherBoundMethods", "WorkerSignalHandler",
    ],
    "dispatcherd.worker.exceptions": ["DispatcherCancel", "DispatcherExit"],
    "dispatcherd.worker.target": ["work_loop", "work_loop_internal"],
    "dispatcherd.utils": ["resolve_callable", "serialize_task", "MODULE_METHOD_DELIMITER", "DuplicateBehavior"],
    "dispatcherd.brokers": ["get_broker", "get_broker_module"],
    "dispatcherd.brokers.pg_notify": [
        "Broker", "create_connection", "acreate_connection", "connection_saver", "async_connection_saver",
    ],
    "dispatcherd.service.control_tasks": [
        "running", "cancel", "alive", "aio_tasks", "workers", "producers", "metrics", "main", "status", "chunks",
        "set_log_level", "run",
    ],
    "dispatcherd.service.process": ["ProcessManager", "ForkServerManager", "SpawnServerManager", "ProcessProxy"],
    "dispatcherd.cli": [
        "CONTROL_ARG_SCHEMAS", "DEFAULT_CONFIG_FILE", "_base_cli_parent", "_control_common_parent",
        "_register_control_arguments", "_build_command_data_from_args", "standalone", "control",
    ],
    "dispatcherd.protocols": ["Broker", "DispatcherMain", "TaskWorker", "ProcessorParams"],
    "dispatcherd.testing": ["adispatcher_service", "dispatcher_service"],
    "dispatcherd.testing.asyncio": ["adispatcher_service"],
    "dispatcherd.testing.subprocess": ["dispatcher_service", "CommunicationItems"],
    "dispatcherd.brokers.socket": ["Broker"],
    "dispatcherd.testing.brokers.noop": ["Broker"],
    "dispatcherd.testing.brokers.memory": ["Broker"],
    "dispatcherd.testing.brokers.error_only": ["Broker"],
    "dispatcherd.registry": ["DispatcherMethodRegistry", "DispatcherMethod", "registry"],
    "dispatcherd.chunking": ["split_message", "ChunkAccumulator", "CHUNK_MARKER"],
}  # fmt: skip


@pytest.fixture(autouse=True)
def own_signals() -> Iterator[None]:
    """A worker object installs handlers in its process, which is this one."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("module", IMPORTS)
def test_every_name_can_be_imported(module: str) -> None:
    found = importlib.import_module(module)
    assert [name for name in IMPORTS[module] if not hasattr(found, name)] == []


def test_a_module_that_both_have_is_one_module() -> None:
    for name in (
        "config",
        "registry",
        "publish",
        "brokers",
        "brokers.pg_notify",
        "brokers.socket",
        "worker.task",
        "testing.brokers.noop",
    ):
        ours = importlib.import_module(f"dispatcher.{name}")
        assert importlib.import_module(f"dispatcherd.{name}") is ours
        assert ours.__spec__ is not None
        assert ours.__spec__.name == ours.__name__ == f"dispatcher.{name}"


def test_no_module_is_loaded_twice() -> None:
    for name in IMPORTS:
        importlib.import_module(name)
    files: dict[str, Any] = {}
    for module in list(sys.modules.values()):
        if getattr(module, "__name__", "").startswith(("dispatcher.", "dispatcherd.")):
            assert files.setdefault(module.__file__, module) is module


def test_the_module_of_settings_can_be_written_to(monkeypatch: pytest.MonkeyPatch) -> None:
    import dispatcher.config
    import dispatcherd.config

    monkeypatch.setattr(dispatcherd.config, "_configured", True, raising=False)
    assert dispatcher.config._configured is True  # type: ignore[attr-defined]
    assert dispatcherd.config.settings is dispatcher.config.settings


def test_what_is_patched_under_the_old_name_is_patched_for_all() -> None:
    from dispatcher.publish import submit_task

    with mock.patch("dispatcherd.registry.DispatcherMethod.apply_async", return_value=("body", "queue")) as patched:
        assert submit_task(len) == ("body", "queue")
    patched.assert_called_once()


def test_what_was_pickled_under_either_name_is_the_same_class() -> None:
    from dispatcherd.worker.exceptions import DispatcherCancel

    assert type(pickle.loads(pickle.dumps(DispatcherCancel()))) is DispatcherCancel
    assert pickle.loads(b"cdispatcherd.worker.exceptions\nDispatcherCancel\n.") is DispatcherCancel


def test_nothing_is_found_that_would_start_the_program() -> None:
    """Applications look for `dispatcherd.__main__`, and for a `main` in the module of the command line."""
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("dispatcherd.__main__")
    assert not hasattr(importlib.import_module("dispatcherd.cli"), "main")
    assert not hasattr(importlib.import_module("dispatcherd.cli"), "dispatcherd_main")


@pytest.mark.parametrize("name", ["service.pool", "nothing", "brokers.nothing", "nothing.below"])
def test_what_neither_has_is_not_found(name: str) -> None:
    with pytest.raises(ModuleNotFoundError, match="dispatcherd"):
        importlib.import_module(f"dispatcherd.{name}")
    assert not hasattr(dispatcherd, "nothing")


def test_the_plain_import_is_enough_for_its_modules() -> None:
    script = "import dispatcherd; dispatcherd.config.setup({'version': 2}); print(dispatcherd.config.is_setup())"
    environment = {"PYTHONPATH": ":".join(sys.path)}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("True\n", "")


def test_our_own_code_imports_nothing_of_it() -> None:
    home = Path(dispatcher.__file__ or "").parent
    sources = [path for path in home.rglob("*.py") if "import dispatcherd" in path.read_text()]
    assert [path for path in sources if "from dispatcherd" in path.read_text()] + sources == []


def test_every_stub_stands_for_a_module_of_ours() -> None:
    here = Path(dispatcherd.__file__ or "").parent
    known = {module.name for module in pkgutil.walk_packages(dispatcher.__path__, "dispatcher.")}
    for stub in here.rglob("*.pyi"):
        name = ".".join(("dispatcher", *stub.relative_to(here).with_suffix("").parts)).removesuffix(".__init__")
        assert name in known
        assert f"from {name} import *" in stub.read_text()


def test_the_log_goes_where_applications_look_for_it(caplog: pytest.LogCaptureFixture) -> None:
    importlib.import_module("dispatcherd.chunking")
    importlib.import_module("dispatcherd.control")
    seen: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: seen.append(record.name)  # type: ignore[method-assign]
    for name in ("dispatcherd", "awx.main.dispatch"):
        logging.getLogger(name).addHandler(handler)
    try:
        logging.getLogger("dispatcher.chunking").error("x")
        logging.getLogger("dispatcher.worker").error("x")
        logging.getLogger("dispatcher.control").error("x")
    finally:
        for name in ("dispatcherd", "awx.main.dispatch"):
            logging.getLogger(name).removeHandler(handler)
    assert seen == ["dispatcher.chunking", "dispatcher.worker", "dispatcher.control"]


def test_a_level_for_the_old_name_of_a_logger_counts(caplog: pytest.LogCaptureFixture) -> None:
    importlib.import_module("dispatcherd.chunking")
    with caplog.at_level(logging.DEBUG, logger="dispatcherd.chunking"):
        assert logging.getLogger("dispatcher.chunking").isEnabledFor(logging.DEBUG)


def test_commands_and_their_arguments_are_those_of_the_native_program() -> None:
    from dispatcherd.cli import CONTROL_ARG_SCHEMAS

    for command, arguments in CONTROL_ARG_SCHEMAS.items():
        helped = subprocess.run([find_binary(), "ctl", command, "--help"], capture_output=True, text=True, check=False)
        if helped.returncode:
            continue  # not in this version of the service
        for argument in arguments:
            assert f"--{argument} " in helped.stdout


def test_the_schema_is_that_of_the_native_program() -> None:
    from dispatcherd.factories import generate_settings_schema

    schema = generate_settings_schema()
    assert "brokers" in json.dumps(schema)
    assert "shutdown_grace" in json.dumps(schema)


@pytest.mark.parametrize("kind", ["ProcessManager", "ForkServerManager", "SpawnServerManager"])
def test_a_process_manager_makes_processes_that_run_tasks(kind: str) -> None:
    from dispatcherd.config import DispatcherSettings
    from dispatcherd.factories import process_manager_from_settings

    manager = process_manager_from_settings(
        DispatcherSettings({"version": 2, "service": {"process_manager_cls": kind}, "worker": {}})
    )
    with manager.create_process(kwargs={"worker_id": 4}) as process:
        process.start()
        process.message_queue.put({"task": "os.path.basename", "args": ["/a/b"], "uuid": "u"})
        process.message_queue.put("stop")
        heard = [manager.finished_queue.get(timeout=30) for _ in range(3)]
        process.join(30)
    assert [message["event"] for message in heard] == ["ready", "done", "shutdown"]
    assert (heard[1]["result"], heard[1]["worker"], heard[1]["uuid"]) == ("b", 4, "u")
    manager.shutdown()


def test_a_worker_object_whose_maker_is_gone_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    from dispatcherd.worker import task

    worker = task.TaskWorker(worker_id=1, message_queue=SimpleQueue(), finished_queue=SimpleQueue())
    assert not worker.should_exit()
    monkeypatch.setattr("os.getppid", lambda: 1 if worker.ppid != 1 else 2)
    assert worker.should_exit()
