"""The helpers for tests of applications, used as the original's own tests use them."""

from __future__ import annotations

import asyncio
import json
import os
import queue
import uuid
from pathlib import Path
from typing import Any

import pytest

from conftest import CHECKOUT, PATIENCE, wait_until
from dispatcherd.config import DispatcherSettings
from dispatcherd.factories import get_control_from_settings, get_publisher_from_settings
from dispatcherd.service import control_tasks
from dispatcherd.testing.asyncio import adispatcher_service
from dispatcherd.testing.subprocess import dispatcher_service

SLEEP = "lambda: __import__('time').sleep(30)"


@pytest.fixture
def config(dsn: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, Any]:
    """A configuration for a channel of its own."""
    monkeypatch.setenv("TEST_OUT", str(tmp_path / "out.jsonl"))
    app = str(CHECKOUT / "tests" / "compat" / "app")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([app, *filter(None, [os.environ.get("PYTHONPATH")])]))
    channel = f"test_{uuid.uuid4().hex[:16]}"
    return {
        "version": 2,
        "brokers": {"pg_notify": {"config": {"conninfo": dsn}, "channels": [channel]}},
        "producers": {"ControlProducer": {}},
        "worker": {"task_policy": "any", "allow_eval": True},
    }


def test_a_synchronous_test_hears_when_all_work_is_done(config: dict[str, Any]) -> None:
    settings = DispatcherSettings(config)
    with dispatcher_service(config, pool_events=("work_cleared",)) as comms:
        get_publisher_from_settings(settings=settings).publish_message(message='lambda: "This worked!"')
        assert comms.q_out.get(timeout=PATIENCE) == "work_cleared"
        get_publisher_from_settings(settings=settings).publish_message(message=SLEEP)
        with pytest.raises(queue.Empty):
            comms.q_out.get(timeout=0.3)
        control = get_control_from_settings(settings=settings)
        assert control.control_with_reply("cancel", timeout=PATIENCE)[0]["worker-0"]["task"] == SLEEP
        assert comms.q_out.get(timeout=PATIENCE) == "work_cleared"


def test_an_asynchronous_test_waits_for_events_and_reads_counters(config: dict[str, Any]) -> None:
    async def use() -> None:
        settings = DispatcherSettings(config)
        async with adispatcher_service(config) as dispatcher:
            assert dispatcher.pool.finished_count == 0
            broker = get_publisher_from_settings(settings=settings)
            broker.publish_message(message=json.dumps({"task": "app_tasks.record", "args": [1], "uuid": "a"}))
            await asyncio.wait_for(dispatcher.pool.events.work_cleared.wait(), PATIENCE)
            assert dispatcher.pool.finished_count == 1
            dispatcher.pool.events.work_cleared.clear()
            broker.publish_message(message=json.dumps({"task": SLEEP, "timeout": 0.1}))
            await asyncio.wait_for(dispatcher.pool.events.work_cleared.wait(), PATIENCE)
            assert dispatcher.pool.canceled_count == 1
            assert set(await control_tasks.alive(dispatcher, {})) == {"node_id"}
            assert (await control_tasks.main(dispatcher, {}))["pid"] == dispatcher.pid

    asyncio.run(use())


def test_no_process_is_left_when_a_test_fails_with_a_task_running(config: dict[str, Any]) -> None:
    pids: list[int] = []

    async def use() -> None:
        async with adispatcher_service(config) as dispatcher:
            pids.append(dispatcher.pid)
            get_publisher_from_settings(settings=DispatcherSettings(config)).publish_message(message=SLEEP)
            while "worker-0" not in await control_tasks.running(dispatcher, {}):
                await asyncio.sleep(0.01)
            raise KeyError

    with pytest.raises(KeyError):
        asyncio.run(use())
    wait_until(lambda: not Path(f"/proc/{pids[0]}").exists(), "end of the service", 1.0)
