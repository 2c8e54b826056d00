"""What `dispatcherd.factories` has beyond `dispatcher.factories`.

Makes nothing that dispatcher uses. Where it stands: `_same` adds these names to the module.
"""

from __future__ import annotations

import json
from typing import Any

from dispatcher.config import DispatcherSettings, LazySettings
from dispatcher.config import settings as global_settings
from dispatcherd.service import process

__all__ = ["generate_settings_schema", "process_manager_from_settings"]

Settings = LazySettings | DispatcherSettings


def process_manager_from_settings(settings: Settings = global_settings) -> process.ProcessManager:
    """The process manager that `service.process_manager_cls` names, for code that makes worker processes of its own."""
    name = settings.service.get("process_manager_cls", "ForkServerManager")
    options = settings.service.get("process_manager_kwargs") or {}
    manager: process.ProcessManager = getattr(process, name)(**options, settings=settings)
    return manager


def generate_settings_schema(settings: Settings = global_settings) -> dict[str, Any]:
    """The JSON Schema of the configuration. It is the same whatever the settings are."""
    import subprocess

    from dispatcher._binary import find_binary

    done = subprocess.run([find_binary(), "schema"], capture_output=True, check=True)
    schema: dict[str, Any] = json.loads(done.stdout)
    return schema
