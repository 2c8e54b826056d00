"""Every row: importing this module's parts registers them.

Where it stands: `load` is called once by whoever walks the table.
"""

from __future__ import annotations

import importlib

PARTS = ("rows_deaths", "rows_tasks", "rows_service", "rows_postgres", "rows_network", "rows_messages", "rows_listed")


def load() -> None:
    """Registers the rows of all parts."""
    for part in PARTS:
        importlib.import_module(part)
