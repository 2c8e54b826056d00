"""Help for the tests of applications: brokers that need no server, and a real service for the time of a test.

Not for production. Where it stands: beside everything, used by nothing here.
"""

from dispatcher.testing.service import running_service

__all__ = ["running_service"]
