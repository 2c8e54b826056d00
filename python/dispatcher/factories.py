"""From settings to brokers and control clients."""

from __future__ import annotations

from typing import Any

from dispatcher.brokers import Broker, get_broker
from dispatcher.config import LazySettings
from dispatcher.config import settings as global_settings
from dispatcher.control import Control

__all__ = ["get_broker", "get_control_from_settings", "get_publisher_from_settings"]


def _broker_name(settings: LazySettings, key: str) -> str:
    """The broker that `publish` names under this key, or the only one."""
    publish = settings.publish
    name = publish.get(key) or publish.get("default_broker")
    if name is None and len(settings.brokers) == 1:
        name = next(iter(settings.brokers))
    if name is None:
        raise RuntimeError(
            f"the config has {len(settings.brokers)} brokers; say which one publishes with publish.default_broker"
        )
    if name not in settings.brokers:
        raise RuntimeError(f"publish.{key} names the broker {name!r}, which does not stand under brokers")
    return str(name)


def get_publisher_from_settings(
    publish_broker: str | None = None, settings: LazySettings = global_settings, **overrides: Any
) -> Broker:
    """The broker that tasks are published with; kept with the settings, unless options are overridden."""
    name = publish_broker or _broker_name(settings, "default_broker")
    if overrides:
        return get_broker(name, {**settings.brokers[name], **overrides})
    kept: dict[str, Broker] = settings.publishers
    if name not in kept:
        kept[name] = get_broker(name, settings.brokers[name])
    return kept[name]


def get_control_from_settings(
    publish_broker: str | None = None, settings: LazySettings = global_settings, **overrides: Any
) -> Control:
    """A client for control requests. `overrides` replace the broker's options, such as default_publish_channel."""
    name = publish_broker or _broker_name(settings, "default_control_broker")
    options = {**settings.brokers[name], **overrides}
    return Control(name, options)
