"""dispatcherd, served by dispatcher: the import names that applications have, on top of the modules of `dispatcher`.

Holds no behaviour of its own that `dispatcher` has. Where it stands: imported by applications that were written for
dispatcherd; nothing in `dispatcher` imports it.
"""

from __future__ import annotations

import importlib
from typing import Any

from dispatcherd import _same

_same.install()

from dispatcher import run_service  # noqa: E402  # as names of dispatcherd lead to dispatcher only from here on

__all__ = ["run_service"]


def __getattr__(name: str) -> Any:
    """Imports a module when it is asked for: `import dispatcherd` is enough for `dispatcherd.config.setup(...)`."""
    if name.startswith("__"):
        raise AttributeError(name)
    try:
        return importlib.import_module(f"{__name__}.{name}")
    except ModuleNotFoundError as error:
        if error.name != f"{__name__}.{name}":
            raise
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None
