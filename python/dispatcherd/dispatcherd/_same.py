"""`dispatcherd.publish` is `dispatcher.publish`: one module under two names, for every module that both have.

One object, so that patching either name is seen by all, an attribute that is set on one is there on the other, and a
class is the same class however it was imported. The `.pyi` files beside this one say the same to type checkers. Where
there is a `.py` file here, that is the module. Where it stands: installed by `import dispatcherd`, before all else.
"""

from __future__ import annotations

import importlib
import importlib.util
import logging
import os
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType

OLD, NEW = "dispatcherd", "dispatcher"
HERE = os.path.dirname(__file__)

NEVER = frozenset({f"{OLD}.__main__", f"{OLD}._binary"})
"""Not offered: importing the first of them would start the program, and applications look whether it is there."""

MORE = {f"{NEW}.factories": f"{OLD}._factories", f"{NEW}.worker.task": f"{OLD}._worker_task"}
"""Modules of dispatcher that lack names which the original has there, and where those names are."""

LOGGERS = {f"{OLD}.publish": "awx.main.dispatch", f"{OLD}.control": "awx.main.dispatch.control"}
"""Modules whose log applications find under another name than the module's."""


class _Finder(MetaPathFinder):
    """Finds `dispatcherd.NAME` as `dispatcher.NAME`."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The spec of a module of ours: that of a file here, else of the module that both have."""
        if not fullname.startswith(f"{OLD}."):
            return None
        own = _own(fullname)
        if own is not None:
            return own
        name = NEW + fullname.removeprefix(OLD)
        if fullname in NEVER or not _exists(name):
            # Said here, as the parent may be a package of dispatcher, whose files must not be loaded as ours.
            raise ModuleNotFoundError(f"No module named {fullname!r}", name=fullname)
        return ModuleSpec(fullname, _Loader(name))


def _own(fullname: str) -> ModuleSpec | None:
    """The spec of a file here. A directory that holds nothing but `.pyi` files is no package of its own."""
    spec = PathFinder.find_spec(fullname, [os.path.join(HERE, *fullname.split(".")[1:-1])])
    return spec if spec is not None and spec.loader is not None else None


def _exists(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        return False


class _Loader(Loader):
    """Gives a module that is loaded under its own name already."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._spec: ModuleSpec | None = None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """The module itself."""
        module = importlib.import_module(self._name)
        self._spec = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        """It has run before. Gives it back the spec that the import system has just replaced, and adds to it."""
        module.__spec__ = self._spec
        alias = OLD + self._name.removeprefix(NEW)
        log_as(self._name, LOGGERS.get(alias, alias))
        if self._name in MORE:
            more = importlib.import_module(MORE[self._name])
            for added in more.__all__:
                setattr(module, added, getattr(more, added))


def log_as(name: str, other: str) -> None:
    """Hands on what the logger `name` says to `other`, so that the handlers and levels of that apply to it."""
    logging.getLogger(name).parent = logging.getLogger(other)


def install() -> None:
    """Once for a process."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        # First, as an aliased package leads the usual finders to files that would be loaded a second time.
        sys.meta_path.insert(0, _Finder())
        log_as(NEW, OLD)
