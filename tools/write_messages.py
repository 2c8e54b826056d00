"""Publishes a burst of tasks to the demo's service: `python tools/write_messages.py [--count N]`.

Prints what it sent. Start the service first; a notification that nobody hears is gone.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import test_methods as methods
from dispatcher.config import setup
from dispatcher.factories import get_control_from_settings
from dispatcher.processors.blocker import Blocker
from dispatcher.processors.delayer import Delayer
from dispatcher.publish import submit_many, submit_task

CONFIG = Path(__file__).resolve().parent.parent / "dispatcher.yml"


def publish(count: int) -> int:
    """Publishes the burst; returns how many tasks will come to an end, one way or another."""
    sent = 0

    def say(what: str, number: int = 1) -> None:
        nonlocal sent
        sent += number
        print(f"  {number:>5} x {what}", flush=True)

    print("writing messages")
    methods.print_hello.delay()
    methods.print_hello.apply_async(args=[], kwargs={})
    say("print_hello, by delay() and by apply_async()", 2)
    submit_many(methods.sleep_function, [[0.0]] * count)
    say("sleep_function(0), in few round trips", count)
    for number in range(3):
        submit_task(methods.RunJob, args=[number])
    say("a class with run", 3)
    submit_task(methods.hello_world_binder, bind=True)
    say("a task that asks its own service")
    submit_task(methods.sleep_function, args=[0.1], processor_options=[Delayer.Params(delay=0.5)])
    say("a task delayed by half a second")
    for _ in range(3):
        submit_task(methods.sleep_function, args=[0.25], processor_options=[Blocker.Params(on_duplicate="serial")])
    say("equal tasks, one after the other (serial)", 3)
    for _ in range(3):
        methods.sleep_discard.apply_async(args=[0.3])
    say("equal tasks, the later ones discarded (discard)", 3)
    methods.task_has_timeout.delay()
    say("a task of 10 s with a timeout of 1 s")
    return sent


def main() -> None:
    """Publishes, then asks the service what it is doing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1000, help="short tasks in the burst (default 1000)")
    arguments = parser.parse_args()
    setup(file_path=CONFIG)
    sent = publish(arguments.count)
    print(f"{sent} messages sent")
    replies = get_control_from_settings().control_with_reply("main", timeout=2)
    if not replies:
        print("no service answered on test_channel; start it with: PYTHONPATH=tools/ dispatcher-standalone")
    for reply in replies:
        pool = reply["pool"]
        print(
            f"{reply['node_id']}: {pool['worker_ct']} workers, {pool['finished_count']} finished, "
            f"{pool['active_task_ct']} active, {pool['delayed_ct']} delayed, {pool['blocked_ct']} blocked"
        )


if __name__ == "__main__":
    main()
