"""From a message to its text, with errors that name the argument at fault.

The happy path costs one call of `json.dumps`; the search for the culprit begins only after that has failed. Errors name
places and types, never the values of arguments, which may be secret. Where it stands: the last step before a broker.
"""

from __future__ import annotations

import inspect
import json
import math
from collections.abc import Callable, Iterator
from typing import Any

LONGEST_SECONDS = 31_536_000
"""A year. The service refuses longer timeouts and delays, as it takes them for a mistake in the unit."""


def check_options(body: dict[str, Any]) -> None:
    """Raises for values that the service would refuse, as the publisher is the one who can put them right."""
    for name in ("timeout", "delay"):
        if name in body:
            _check_seconds(body, name)
    args, kwargs, uuid = body.get("args"), body.get("kwargs"), body["uuid"]
    if args is not None and not isinstance(args, list | tuple | dict):
        raise TypeError(
            f"task {body['task']}: args has to be a list or a tuple, not {type(args).__name__}; "
            "a single argument is written args=[value]"
        )
    if kwargs is not None and not isinstance(kwargs, dict):
        raise TypeError(f"task {body['task']}: kwargs has to be a dict, not {type(kwargs).__name__}")
    if not isinstance(uuid, str):
        raise TypeError(f"task {body['task']}: uuid has to be text, not {type(uuid).__name__}; use str(uuid)")


def _check_seconds(body: dict[str, Any], name: str) -> None:
    value = body[name]
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(
            f"task {body['task']}: {name} has to be a number of seconds, not {type(value).__name__} ({value!r:.40})"
        )
    if not (math.isfinite(value) and 0 <= value <= LONGEST_SECONDS):
        raise ValueError(
            f"task {body['task']}: {name} is {value} seconds, it has to be between 0 and {LONGEST_SECONDS} (a year)"
        )


def dump(body: dict[str, Any], fn: Callable[..., Any] | type) -> str:
    """The text of a message; `fn` is the task, whose parameters name the arguments in errors."""
    try:
        return json.dumps(body)
    except (TypeError, ValueError, RecursionError) as error:
        raise _explain(body, fn, error) from error


def _explain(body: dict[str, Any], fn: Callable[..., Any] | type, error: Exception) -> TypeError | ValueError:
    """The error for the user: which value, of which type, in which argument."""
    kind = TypeError if isinstance(error, TypeError) else ValueError
    for key, value in body.items():
        for place, problem in _faults(value, key, []):
            what = f"{place} ({_parameter(place, fn)})" if _parameter(place, fn) else place
            return kind(
                f"task {body['task']} cannot be published: {what} {problem}; "
                "arguments travel as JSON: pass text, numbers, true, false, None, lists or dicts, for example an id"
            )
    return kind(f"task {body['task']} cannot be published as JSON: {error}")


def _faults(value: Any, place: str, above: list[int]) -> Iterator[tuple[str, str]]:
    """Every value that JSON cannot hold, with its place."""
    if value is None or isinstance(value, str | int | float):
        return
    if id(value) in above:
        yield place, "contains itself"
        return
    if len(above) > 900:
        yield place[:60] + "...", "is nested too deeply"
        return
    if isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from _faults(item, f"{place}[{index}]", [*above, id(value)])
    elif isinstance(value, dict):
        for key, item in value.items():
            if key is not None and not isinstance(key, str | int | float):
                yield place, f"has a key of type {type(key).__name__}, which JSON cannot express"
            yield from _faults(item, f"{place}[{key!r}]", [*above, id(value)])
    else:
        yield place, f"is of type {type(value).__name__}, which JSON cannot express"


def _parameter(place: str, fn: Callable[..., Any] | type) -> str | None:
    """The parameter of the task behind `args[2]`, if it has a name."""
    if not place.startswith("args["):
        return None
    index = int(place[len("args[") :].partition("]")[0])
    try:
        names = list(inspect.signature(fn.run if isinstance(fn, type) and hasattr(fn, "run") else fn).parameters)
    except (TypeError, ValueError):
        return None
    names = names[1:] if isinstance(fn, type) else names
    return f"parameter {names[index]!r}" if index < len(names) else None
