"""The Python half of the example `mixed`: its pool of Python workers has imported this module."""

from __future__ import annotations

import json

from dispatcher.factories import get_publisher_from_settings
from dispatcher.publish import task


@task()
def summarize(city: str, numbers: list[float]) -> None:
    """Started by Rust; starts a Rust task by its name."""
    mean = sum(numbers) / len(numbers)
    print(f"  python  {city}: {len(numbers)} numbers summed up, on to Rust", flush=True)
    message = {"task": "mixed.announce", "args": [city], "kwargs": {"mean": mean}}
    get_publisher_from_settings().publish_message(message=json.dumps(message))
