"""The configuration of this process: what `setup` was given, or the file that an environment variable names.

Reads and keeps; it never connects and starts nothing, as `setup` runs in every process of an application. What the
values mean is checked where they are used, and by the service at its start. Where it stands: everything that publishes
asks `settings`.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

CONFIG_VERSION = 2
CONFIG_FILE_VARIABLES = ("DISPATCHER_CONFIG_FILE", "DISPATCHERD_CONFIG_FILE")
"""Environment variables that name the file, the first one that is set counts."""
SECTIONS = ("brokers", "producers", "service", "publish", "worker")


class DispatcherSettings:
    """One configuration. Its sections may be changed by the application after `setup`."""

    def __init__(self, config: dict[str, Any]) -> None:
        config = _put_right(config)
        if config.get("version") != CONFIG_VERSION:
            raise RuntimeError(
                f"Current config version is {CONFIG_VERSION}, config version must match this: "
                f"version is {config.get('version')!r}; write version: {CONFIG_VERSION} at the top of the config"
            )
        self.version: int = CONFIG_VERSION
        self.brokers: dict[str, Any] = {
            name: {} if options is None else options for name, options in _section(config, "brokers").items()
        }
        self.producers: dict[str, Any] = _section(config, "producers")
        self.service: dict[str, Any] = _section(config, "service")
        self.service.setdefault("pool_kwargs", {})
        self.publish: dict[str, Any] = _section(config, "publish")
        self.worker: dict[str, Any] = _section(config, "worker")
        self.extra: dict[str, Any] = {
            key: value for key, value in config.items() if key != "version" and key not in SECTIONS
        }
        """Top-level keys that publishing does not need; the service gets them too."""
        self.publishers: dict[str, Any] = {}
        """Brokers that publish with these settings, kept by `factories`."""

    def serialize(self) -> dict[str, Any]:
        """Everything as one dictionary, in the shape that `setup` takes."""
        sections = {name: getattr(self, name) for name in SECTIONS}
        return {"version": self.version, **sections, **self.extra}


def _section(config: dict[str, Any], name: str) -> dict[str, Any]:
    value = config.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise RuntimeError(f"config: {name} has to be a mapping, not {type(value).__name__} ({value!r})")
    return dict(value)


def _put_right(config: dict[str, Any]) -> dict[str, Any]:
    """Keys of old samples, moved to where they belong: brokers under producers, pool at the top, a bare conninfo."""
    if not isinstance(config, dict):
        raise RuntimeError(f"the config has to be a mapping, not {type(config).__name__}")
    config = dict(config)
    producers = config.get("producers")
    if isinstance(producers, dict) and isinstance(producers.get("brokers"), dict):
        producers = dict(producers)
        _moved("producers.brokers", "brokers")
        config["brokers"] = {**producers.pop("brokers"), **_section(config, "brokers")}
        config["producers"] = producers
        config.setdefault("version", CONFIG_VERSION)
        if "pool" in config:
            _moved("pool", "service.pool_kwargs")
            service = _section(config, "service")
            service["pool_kwargs"] = {**_section(config, "pool"), **(service.get("pool_kwargs") or {})}
            del config["pool"]
            config["service"] = service
    brokers = _section(config, "brokers")
    options = brokers.get("pg_notify")
    if isinstance(options, dict) and "conninfo" in options:
        _moved("brokers.pg_notify.conninfo", "brokers.pg_notify.config.conninfo")
        options = dict(options)
        options["config"] = {"conninfo": options.pop("conninfo"), **(options.get("config") or {})}
        config["brokers"] = {**brokers, "pg_notify": options}
    return config


def _moved(old: str, new: str) -> None:
    warnings.warn(f"config: {old} is read as if it stood at {new}; move it there", DeprecationWarning, stacklevel=5)


class LazySettings:
    """The settings as attributes, read from the environment at first use if `setup` was not called before."""

    def __init__(self) -> None:
        self._wrapped: DispatcherSettings | None = None

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if self._wrapped is None:
            self._wrapped = settings_from_env()
        return getattr(self._wrapped, name)


settings = LazySettings()
"""The settings of this process."""


def settings_from_file(path: str | os.PathLike[str]) -> DispatcherSettings:
    """Settings out of a YAML (or JSON) file."""
    import yaml

    with open(path, encoding="utf-8") as file:
        config = yaml.safe_load(file)
    try:
        return DispatcherSettings(config)
    except RuntimeError as error:
        raise RuntimeError(f"{os.fspath(path)}: {error}") from None


def settings_from_env() -> DispatcherSettings:
    """Settings out of the file that the environment names."""
    for variable in CONFIG_FILE_VARIABLES:
        if path := os.environ.get(variable):
            return settings_from_file(path)
    raise RuntimeError(
        "Dispatcher/Dispatcherd not configured: call dispatcher.config.setup(...) before the first use, "
        f"or name a file in {' or '.join(CONFIG_FILE_VARIABLES)}"
    )


def setup(config: dict[str, Any] | None = None, file_path: str | os.PathLike[str] | None = None) -> LazySettings:
    """Sets the settings of this process: from a dictionary, a file, or the file that the environment names.

    May be called again, the last call counts; a call that fails changes nothing.
    """
    if config:
        settings._wrapped = DispatcherSettings(config)
    elif file_path:
        settings._wrapped = settings_from_file(file_path)
    else:
        settings._wrapped = settings_from_env()
    return settings


def is_setup(for_settings: LazySettings = settings) -> bool:
    """Whether there are settings already."""
    return for_settings._wrapped is not None


@contextmanager
def temporary_settings(config: dict[str, Any]) -> Iterator[LazySettings]:
    """Other settings within a `with` block, for tests; not for several threads at a time."""
    before = settings._wrapped
    settings._wrapped = DispatcherSettings(config)
    try:
        yield settings
    finally:
        settings._wrapped = before
