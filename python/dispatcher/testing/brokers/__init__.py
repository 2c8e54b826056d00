"""Brokers for tests, under the names that configs of dispatcherd have for them.

Holds nothing of its own. Where it stands: `brokers: {dispatcher.testing.brokers.memory: {}}`.
"""
