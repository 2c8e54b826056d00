"""The control commands by name: what management commands list, and show the help of.

The service carries the commands out; a function here only asks it. Where it stands: `cli` and applications read
`__all__`, the docstrings and `ARGUMENTS`.
"""

from __future__ import annotations

import logging
from typing import Any

__all__ = [  # noqa: RUF022  # the order in which management commands list them
    "running", "cancel", "alive", "aio_tasks", "workers", "producers", "metrics", "main", "status", "chunks",
    "set_log_level",
]  # fmt: skip

LOGGER_NAME = "dispatcherd"
Data = dict[str, Any]

_FILTER = {
    "task": {"type": "str", "help": "Only tasks of this name."},
    "uuid": {"type": "str", "help": "Only the task with this uuid."},
}
ARGUMENTS: dict[str, dict[str, dict[str, Any]]] = {
    **{name: {} for name in __all__},
    "running": _FILTER,
    "cancel": _FILTER,
    "aio_tasks": {"limit": {"type": "int", "help": "How deep the stack of each task is shown."}},
    "set_log_level": {
        "level": {
            "type": "str",
            "required": True,
            "choices": ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"],
            "help": "The least important messages to log.",
        }
    },
}
"""The arguments of each command, by name."""


async def running(dispatcher: Any, data: Data) -> Data:
    """Tasks that run or wait, all or those that match.

    A filter may name task, uuid, args and kwargs; every one that is given has to be equal.
    """
    return await _ask(dispatcher, "running", data)


async def cancel(dispatcher: Any, data: Data) -> Data:
    """Cancel tasks that run or wait: those that match, or all.

    The filter is that of running.
    """
    return await _ask(dispatcher, "cancel", data)


async def alive(dispatcher: Any, data: Data) -> Data:
    """Who is there: an empty reply of every service."""
    return await _ask(dispatcher, "alive", data)


async def aio_tasks(dispatcher: Any, data: Data) -> Data:
    """The tasks of the service's own runtime."""
    return await _ask(dispatcher, "aio_tasks", data)


async def workers(dispatcher: Any, data: Data) -> Data:
    """The worker processes and what each of them does."""
    return await _ask(dispatcher, "workers", data)


async def producers(dispatcher: Any, data: Data) -> Data:
    """Where tasks come from, and how many came from each."""
    return await _ask(dispatcher, "producers", data)


async def metrics(dispatcher: Any, data: Data) -> Data:
    """The metrics server, if there is one."""
    return await _ask(dispatcher, "metrics", data)


async def main(dispatcher: Any, data: Data) -> Data:
    """Counters of the service and its pool."""
    return await _ask(dispatcher, "main", data)


async def chunks(dispatcher: Any, data: Data) -> Data:
    """Long messages of which some pieces have not come yet."""
    return await _ask(dispatcher, "chunks", data)


async def status(dispatcher: Any, data: Data) -> Data:
    """The replies of all commands that only look, by command."""
    return await _ask(dispatcher, "status", data)


async def run(dispatcher: Any, data: Data) -> Data:
    """Start the task that the data describes; needs the ControlProducer."""
    return await _ask(dispatcher, "run", data)


async def set_log_level(dispatcher: Any, data: Data) -> Data:
    """Change how much the service logs."""
    if dispatcher is not None:
        return await _ask(dispatcher, "set_log_level", data)
    return _set_level_here(data.get("level"))


async def _ask(dispatcher: Any, command: str, data: Data) -> Data:
    """The reply of the service that `dispatcher` stands for: what `dispatcherd.testing` gives, or what has `ask`."""
    reply: Data = await dispatcher.ask(command, data)
    return reply


def _set_level_here(wanted: object) -> Data:
    """The level of this process's own logger; replies are worded as the service's."""
    if isinstance(wanted, bool) or not isinstance(wanted, int | str):
        return {"error": 'Log level must be provided as a string or int via the "level" key.'}
    name = wanted.strip().upper() if isinstance(wanted, str) else wanted
    level = logging.getLevelName(name) if isinstance(name, str) else name
    if not isinstance(level, int):
        return {"error": f"Unknown log level '{wanted}'."}
    logger = logging.getLogger(LOGGER_NAME)
    before = logging.getLevelName(logger.level)
    logger.setLevel(level)
    return {"logger": LOGGER_NAME, "level": logging.getLevelName(level), "previous_level": before}
