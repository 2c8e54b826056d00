"""Help for the tests of applications: a real service for the time of a test, and brokers that need no server.

Not for production. Where it stands: new tests use `dispatcher.testing.running_service`.
"""

from dispatcherd.testing.asyncio import adispatcher_service
from dispatcherd.testing.subprocess import dispatcher_service

__all__ = ["adispatcher_service", "dispatcher_service"]
