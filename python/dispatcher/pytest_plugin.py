"""Fixtures for the tests of applications; pytest finds this by itself where the package is installed.

Imports nothing of the package until a fixture is used, so that it costs other tests nothing. Nothing else in the
package imports pytest. Where it stands: on `dispatcher.testing`, which has the same things for tests without pytest.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from dispatcher.testing import PublishedTasks, RunningService
    from dispatcher.testing.eager import EagerTasks


@pytest.fixture
def dispatcher_published() -> Iterator[PublishedTasks]:
    """What was published: nothing is sent, and nothing is run unless `run_all` is called."""
    from dispatcher.testing import published

    with published() as tasks:
        yield tasks


@pytest.fixture
def dispatcher_eager() -> Iterator[EagerTasks]:
    """What was published and run: every publish runs its task. Set `raises` or `control` on it to change how."""
    from dispatcher.testing import eager

    with eager() as tasks:
        yield tasks


@pytest.fixture
def dispatcher_config() -> dict[str, Any]:
    """The configuration for `dispatcher_service`: the one that `setup` was given. Override this to use another."""
    from dispatcher.config import settings

    config: dict[str, Any] = settings.serialize()
    return config


@pytest.fixture
def dispatcher_service(dispatcher_config: dict[str, Any]) -> Iterator[RunningService]:
    """A real service with `dispatcher_config`, which this process publishes to, for the time of one test."""
    from dispatcher.config import temporary_settings
    from dispatcher.testing import running_service

    with temporary_settings(dispatcher_config), running_service(dispatcher_config) as service:
        yield service
