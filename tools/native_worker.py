"""Starts a service for the black-box suite, with its tasks in a worker program: `native_worker.py WORKER SERVICE …`.

Changes the configuration in the working directory, which the suite has written for this service alone, and becomes the
service. Where it stands: between the suite and the service, for `conformance.py --worker`.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import yaml

CONFIG = Path("dispatcher.yml")


def main() -> None:
    """Names the worker program in the configuration, then becomes the service."""
    worker, service, *arguments = sys.argv[1:]
    config = yaml.safe_load(CONFIG.read_text())
    config["worker"] = {**(config.get("worker") or {}), "command": [worker], "slots": 1}
    CONFIG.write_text(yaml.safe_dump(config, sort_keys=False))
    os.execv(service, [service, *arguments])


if __name__ == "__main__":
    main()
