"""Background tasks for applications on Postgres: `from dispatcher.publish import task`.

`run_service` runs the service with this process's settings. Nothing else is imported here, so that a worker that
only needs `dispatcher.publish` loads nothing more.
"""

from __future__ import annotations

from dispatcher._binary import run_service

__all__ = ["run_service"]
