"""Fork servers for the tests; whatever one leaves behind fails its test."""

from __future__ import annotations

import os
import signal
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from harness import Template, Worker, marked, setup_packet

MakeTemplate = Callable[..., Template]


@pytest.fixture
def make_template(tmp_path: Path) -> Iterator[MakeTemplate]:
    """Starts fork servers, the tests' tasks loaded; ends them and looks that nothing is left."""
    made: list[Template] = []

    def make(preload: list[str] | None = None, **setup: Any) -> Template:
        packet = setup_packet(["worker_tasks", "process_tasks"] if preload is None else preload, **setup)
        template = Template(tmp_path / f"log-{len(made)}", uuid.uuid4().hex, packet)
        made.append(template)
        return template

    yield make
    for template in made:
        template.go()
    try:
        for template in made:
            template.nothing_left()
    finally:
        for template in made:
            for pid in marked(template.mark):
                os.kill(pid, signal.SIGKILL)
            template.process.wait()


@pytest.fixture
def template(make_template: MakeTemplate) -> Template:
    template = make_template()
    template.expect("ready")
    return template


@pytest.fixture
def make_worker(make_template: MakeTemplate) -> Callable[..., Worker]:
    """A worker of a fork server with these settings."""

    def make(preload: list[str] | None = None, **setup: Any) -> Worker:
        template = make_template(preload, **setup)
        template.expect("ready")
        return template.fork(0)

    return make


@pytest.fixture
def worker(make_worker: Callable[..., Worker]) -> Worker:
    return make_worker()


@pytest.fixture
def make(make_worker: Callable[..., Worker]) -> Callable[..., Worker]:
    """A worker that runs several tasks at once, in this way."""
    modules = ["worker_tasks", "process_tasks", "slot_tasks", "worker_classes"]

    def several(concurrency: str, slots: int = 20, **more: Any) -> Worker:
        return make_worker(modules, concurrency=concurrency, slots=slots, **more)

    return several
