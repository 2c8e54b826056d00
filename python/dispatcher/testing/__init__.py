"""Help for the tests of applications: what was published, tasks run in the test itself, a real service.

`published` and `eager` need neither Postgres nor a service. Not for production. Where it stands: beside everything,
used by nothing here but the plugin for pytest (`dispatcher.pytest_plugin`).
"""

from dispatcher.testing.eager import Run, eager
from dispatcher.testing.published import PublishedTask, PublishedTasks, published
from dispatcher.testing.service import RunningService, running_service

__all__ = ["PublishedTask", "PublishedTasks", "Run", "RunningService", "eager", "published", "running_service"]
