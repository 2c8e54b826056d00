"""The broker `memory` under its name for tests.

Adds nothing. Where it stands: `brokers: {dispatcher.testing.brokers.memory: {}}` in the config.
"""

from dispatcher.brokers.memory import Broker

__all__ = ["Broker"]
