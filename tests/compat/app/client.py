"""An application of dispatcherd as a program: publishes or asks as its one argument (JSON) says, answers in JSON.

Run with the original's Python and with ours; it cannot tell which one it got.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import app_tasks

from dispatcherd.config import setup
from dispatcherd.factories import get_control_from_settings
from dispatcherd.processors.blocker import Blocker
from dispatcherd.processors.delayer import Delayer
from dispatcherd.publish import submit_task


def do(step: dict[str, Any]) -> Any:
    what = step.pop("do")
    if what == "publish":
        options = []
        if "delay" in step:
            options.append(Delayer.Params(delay=step.pop("delay")))
        if "on_duplicate" in step:
            options.append(Blocker.Params(on_duplicate=step.pop("on_duplicate")))
        text = step.pop("text_of", None)
        if text is not None:
            step["args"] = [text * step.pop("times")]
        return submit_task(getattr(app_tasks, step.pop("task")), processor_options=options, **step)
    control = get_control_from_settings()
    if what == "ask":
        return control.control_with_reply(**step)
    if what == "tell":
        return control.control(**step)
    return asyncio.run(control.acontrol_with_reply(**step))


def main() -> None:
    given = json.loads(sys.argv[1])
    setup(given["config"])
    print(json.dumps([do(step) for step in given["steps"]]))


if __name__ == "__main__":
    main()
