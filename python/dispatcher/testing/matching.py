"""Whether a published task is the one that a test asks for, and if none is, which came near and by what they miss it.

Compares and describes; it knows nothing of how tasks get here. Where it stands: under `published`.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from dispatcher.registry import DispatcherMethod

if TYPE_CHECKING:
    from dispatcher.testing.published import PublishedTask

_MOST_SHOWN = 8
"""Published tasks in one complaint."""
_LONGEST = 200
"""Characters of one value in a complaint."""


class Wanted:
    """What a test asks for; what it does not say may be anything."""

    def __init__(
        self,
        task: Callable[..., Any] | str | None,
        args: Iterable[Any] | None,
        kwargs: Mapping[str, Any] | None,
        queue: str | None,
        options: Mapping[str, Any],
    ) -> None:
        self.task = task if task is None or isinstance(task, str) else DispatcherMethod(task).serialize_task()
        self.args = None if args is None else _as_read(list(args))
        self.kwargs = None if kwargs is None else _as_read(dict(kwargs))
        self.queue = queue
        self.options = {name: _as_read(value) for name, value in options.items()}

    def __str__(self) -> str:
        further = self.options if self.queue is None else {"queue": self.queue, **self.options}
        said = [f"{name}={_short(value)}" for name, value in further.items()]
        if self.args is not None and self.kwargs is not None:
            return " ".join([f"{self.task or 'any task'}({_arguments(self.args, self.kwargs)})", *said])
        for name, value in (("args", self.args), ("kwargs", self.kwargs)):
            if value is not None:
                said.insert(0, f"{name}={_short(value)}")
        return " with ".join(filter(None, [self.task or "any task", ", ".join(said)]))

    def differences(self, entry: PublishedTask) -> list[str]:
        """In what it is not what was asked for; empty if it is."""
        if self.task is not None and entry.task != self.task:
            return ["another task"]
        found = []
        if self.args is not None and entry.args != self.args:
            found += _in_args(entry.args, self.args)
        if self.kwargs is not None and entry.kwargs != self.kwargs:
            found += _in_keys(entry.kwargs, self.kwargs, "kwargs[{!r}]")
        if self.queue is not None and entry.queue != self.queue:
            found.append(f"queue is {entry.queue!r}, not {self.queue!r}")
        there = {name: entry.message[name] for name in self.options if name in entry.message}
        return found + _in_keys(there, self.options, "{}")


def complaint(wanted: Wanted, all_of_them: list[PublishedTask], found: list[PublishedTask], times: int | None) -> str:
    """What a failed assertion says: the expectation, then what there is, nearest first, with its differences."""
    if found and times == 0:
        return "\n".join([f"{wanted} was published:", *_list(found)])
    if found:
        near = [entry for entry in all_of_them if entry not in found and entry.task == wanted.task]
        lines = _list(found) + (["near it came:", *_list(near, wanted)] if near else [])
        return "\n".join([f"{wanted} was published {_times(len(found))}, not {_times(times or 0)}:", *lines])
    head = f"{wanted} was not published" + (f" (expected {_times(times)})" if times else "")
    if not all_of_them:
        return f"{head}; nothing was"
    near = [entry for entry in all_of_them if wanted.task in (None, entry.task)]
    if near:
        near.sort(key=lambda entry: len(wanted.differences(entry)))
        lines = _list(near, wanted)
        others = len(all_of_them) - len(near)
        return "\n".join([f"{head}; near it came:", *lines, *([f"  and {others} of other tasks"] if others else [])])
    # By their last part: in front stands the same module, more often than not.
    names = {entry.task.rpartition(".")[2]: entry.task for entry in all_of_them}
    alike = difflib.get_close_matches((wanted.task or "").rpartition(".")[2], names, n=1, cutoff=0.7)
    hint = f" (was {names[alike[0]]} meant?)" if alike else ""
    return "\n".join([f"{head}{hint}; what was:", *_list(all_of_them)])


def call_text(entry: PublishedTask) -> str:
    """`app.tasks.send('ann', copies=2) queue=mail delay=60`."""
    body = ("task", "args", "kwargs", "uuid", "time_pub")
    further = {name: value for name, value in entry.message.items() if name not in body}
    if entry.queue is not None:
        further = {"queue": entry.queue, **further}
    said = [f"{name}={value if isinstance(value, str) else _short(value)}" for name, value in further.items()]
    return " ".join([f"{entry.task}({_arguments(entry.args, entry.kwargs)})", *said])


def _list(entries: list[PublishedTask], wanted: Wanted | None = None) -> list[str]:
    lines = []
    for entry in entries[:_MOST_SHOWN]:
        lines.append(f"  {call_text(entry)}")
        lines += [f"    {difference}" for difference in (wanted.differences(entry) if wanted else ())]
    return lines + ([f"  and {len(entries) - _MOST_SHOWN} more"] if len(entries) > _MOST_SHOWN else [])


def _as_read(value: Any) -> Any:
    """A value as it is after its way through JSON; one that JSON does not know stays, as it may compare as it likes."""
    if isinstance(value, list | tuple):
        return [_as_read(item) for item in value]
    if isinstance(value, Mapping):
        return {_key(key): _as_read(item) for key, item in value.items()}
    return value


def _key(key: Any) -> Any:
    if isinstance(key, bool) or key is None:
        return {True: "true", False: "false", None: "null"}[key]
    return str(key) if isinstance(key, int | float) else key


def _in_args(found: list[Any], wanted: list[Any]) -> list[str]:
    if len(found) != len(wanted):
        return [f"args are {_short(found)}, not {_short(wanted)}"]
    pairs = enumerate(zip(found, wanted, strict=True))
    return [f"args[{place}] is {_short(is_)}, not {_short(asked)}" for place, (is_, asked) in pairs if is_ != asked]


def _in_keys(found: Mapping[str, Any], wanted: Mapping[str, Any], form: str) -> list[str]:
    lines = [f"{form.format(key)} is missing" for key in wanted if key not in found]
    lines += [f"{form.format(key)} is {_short(found[key])}, not expected" for key in found if key not in wanted]
    both = [key for key in wanted if key in found and found[key] != wanted[key]]
    return lines + [f"{form.format(key)} is {_short(found[key])}, not {_short(wanted[key])}" for key in both]


def _arguments(args: list[Any], kwargs: Mapping[str, Any]) -> str:
    return ", ".join([*map(_short, args), *(f"{name}={_short(value)}" for name, value in kwargs.items())])


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def _times(count: int) -> str:
    return {1: "once", 2: "twice"}.get(count, f"{count} times")
