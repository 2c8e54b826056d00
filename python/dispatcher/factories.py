"""Brokers, control and the service, made from the settings.

Makes things and connects nothing. Where it stands: between the settings and everything that is configured by them.
"""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from dispatcher import brokers
from dispatcher.brokers.base import Broker
from dispatcher.config import DispatcherSettings, LazySettings
from dispatcher.config import settings as global_settings
from dispatcher.control import Control
from dispatcher.service import Service

__all__ = ["from_settings", "get_broker", "get_control_from_settings", "get_publisher_from_settings"]

Settings = LazySettings | DispatcherSettings
get_broker = brokers.get_broker


def _publish_broker_name(given: str | None, settings: Settings) -> str:
    """Which broker to publish with: the given one, the only one, or `publish.default_broker`."""
    names = list(settings.brokers)
    chosen = given or (names[0] if len(names) == 1 else settings.publish.get("default_broker"))
    if chosen is None:
        raise RuntimeError(
            f"Could not determine which broker to publish with: the config has {len(names)} "
            f"({', '.join(names) or 'none'}); "
            + ("name one in publish.default_broker" if names else "add one, for example pg_notify, to brokers")
        )
    return _known_broker(chosen, settings)


def _known_broker(name: str, settings: Settings) -> str:
    if name not in settings.brokers:
        raise RuntimeError(f"there is no broker {name} in the config; it has {', '.join(settings.brokers) or 'none'}")
    return name


def get_publisher_from_settings(
    publish_broker: str | None = None, settings: Settings = global_settings, **overrides: Any
) -> Broker:
    """The broker to publish with. Without overrides it is the same one each time, until its settings change."""
    name = _publish_broker_name(publish_broker, settings)
    options = settings.brokers[name]
    if overrides:
        return get_broker(name, options, **overrides)
    kept: dict[str, tuple[Any, Broker]] = settings.publishers
    if name not in kept or kept[name][0] != options:
        broker = get_broker(name, options)
        keep_connection = getattr(broker, "keep_connection", None)
        if keep_connection:
            keep_connection()
        kept[name] = (deepcopy(options), broker)
    return kept[name][1]


def get_control_from_settings(
    publish_broker: str | None = None, settings: Settings = global_settings, **overrides: Any
) -> Control:
    """A `Control` for the services of these settings; overrides are options of the broker.

    Which broker: `publish_broker`, else `publish.default_control_broker`, else the one that tasks are published with.
    """
    given = publish_broker or settings.publish.get("default_control_broker")
    name = _known_broker(given, settings) if given else _publish_broker_name(None, settings)
    return Control(name, {**(settings.brokers[name] or {}), **overrides})


def from_settings(settings: Settings = global_settings) -> Service:
    """The service of these settings, to be started as a process of its own or in place of this one."""
    return Service(settings.serialize())
