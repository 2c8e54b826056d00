"""Runs the service as an application would: settings in code, no file.

`python service.py --dsn DSN --channel CHANNEL --workers N` listens on one channel of one database, and runs any
importable task. For fault injectors and experiments.
"""

from __future__ import annotations

import argparse

from dispatcher import run_service
from dispatcher.config import setup


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dsn", required=True)
    parser.add_argument("--channel", required=True)
    parser.add_argument("--workers", type=int, default=4)
    arguments = parser.parse_args()
    setup(
        {
            "version": 2,
            "service": {"pool_kwargs": {"min_workers": arguments.workers, "max_workers": arguments.workers}},
            "brokers": {"pg_notify": {"config": {"conninfo": arguments.dsn}, "channels": [arguments.channel]}},
            "producers": {"ControlProducer": {}},
            "worker": {"task_policy": "any"},
        }
    )
    run_service()


if __name__ == "__main__":
    main()
