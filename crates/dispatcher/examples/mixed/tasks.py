"""The Python half of the example `mixed`: its pool of Python workers has imported this module."""

from __future__ import annotations

import sys

from dispatcher.publish import submit_task, task


@task()
def summarize(city: str, numbers: list[float]) -> None:
    """Started by Rust; starts a Rust task by its name."""
    mean = sum(numbers) / len(numbers)
    # In one write, as the lines of several processes meet in one output.
    sys.stdout.write(f"  python  {city}: {len(numbers)} numbers summed up, on to Rust\n")
    sys.stdout.flush()
    submit_task("mixed.announce", args=[city], kwargs={"mean": mean})
