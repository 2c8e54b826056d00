"""Tasks of a second pool: its workers know them because they have imported this module."""

from __future__ import annotations

import os

from work import task, write_down


@task()
def render(*args: object) -> None:
    write_down("rendered", args=list(args), worker=os.environ["DISPATCHER_WORKER_ID"])
