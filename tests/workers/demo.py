"""The tasks that the transcripts ask of a worker program, in Python.

Those in Rust are `examples/worker.rs` of the crate `dispatcher`, those in JavaScript `examples/node-worker/worker.mjs`.
"""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path
from typing import Any

from dispatcher.publish import task
from dispatcher.worker.context import BoundContext


@task()
async def give(value: Any = None) -> Any:
    return value


@task()
async def fail(text: str) -> None:
    raise ValueError(text)


@task()
async def wait(here: str, go: str) -> str:
    Path(here).touch()
    while not os.path.exists(go):
        await asyncio.sleep(0.002)
    return "waited"


@task()
def block(here: str, go: str) -> str:
    Path(here).touch()
    while not os.path.exists(go):
        time.sleep(0.002)
    return "waited"


@task()
def deaf(here: str) -> None:
    """Never gives way."""
    Path(here).touch()
    while True:
        try:
            while True:
                time.sleep(0.002)
        except BaseException:
            continue


@task(bind=True)
def ask(context: BoundContext, command: str, data: dict[str, Any] | None = None) -> Any:
    return context.control(command, data)


@task(bind=True)
async def tell(context: BoundContext, percent: float, text: str, data: Any, go: str) -> None:
    context.progress(percent, text, data)
    while not os.path.exists(go):
        await asyncio.sleep(0.002)
