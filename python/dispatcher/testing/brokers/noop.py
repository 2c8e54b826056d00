"""The broker `noop` under its name for tests.

Adds nothing. Where it stands: `brokers: {dispatcher.testing.brokers.noop: {}}` in the config.
"""

from dispatcher.brokers.noop import Broker

__all__ = ["Broker"]
