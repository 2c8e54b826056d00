"""Tasks and their names."""

from __future__ import annotations

import functools
import sys
from types import SimpleNamespace

import pytest

from dispatcher.registry import DispatcherMethodRegistry, InvalidMethod, NotRegistered
from dispatcher.utils import is_lambda, resolve_callable


def plain() -> None:
    pass


def test_the_last_registration_of_a_callable_counts() -> None:
    registry = DispatcherMethodRegistry()
    registry.register(plain, timeout=1)
    registry.register(plain, timeout=2, bind=True)
    assert registry.get_from_callable(plain).submission_defaults == {"timeout": 2}
    assert registry.is_bound(plain)
    assert registry.names() == [f"{__name__}.plain"]
    assert len(registry.registry) == 1


def test_what_has_no_name_cannot_be_a_task() -> None:
    with pytest.raises(InvalidMethod, match="methods and classes"):
        DispatcherMethodRegistry().register(functools.partial(plain))


def test_a_class_without_run_cannot_be_a_task() -> None:
    class NoRun:
        pass

    with pytest.raises(InvalidMethod, match="NoRun has no method run"):
        DispatcherMethodRegistry().register(NoRun)


def test_an_unknown_callable_is_said_to_need_the_decorator() -> None:
    with pytest.raises(NotRegistered, match="@task"):
        DispatcherMethodRegistry().get_from_callable(plain)


def test_a_module_run_with_dash_m_is_named_by_its_real_name(monkeypatch: pytest.MonkeyPatch) -> None:
    def of_main() -> None:
        pass

    of_main.__module__, of_main.__qualname__ = "__main__", "of_main"
    method = DispatcherMethodRegistry().register(of_main)
    main = SimpleNamespace(__spec__=SimpleNamespace(name="package.module"))
    monkeypatch.setitem(sys.modules, "__main__", main)
    assert method.serialize_task() == "package.module.of_main"


def test_a_name_that_begins_with_lambda_is_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lambda_tasks", SimpleNamespace(clean=plain))  # type: ignore[arg-type]
    assert resolve_callable("lambda_tasks.clean") is plain
    assert not is_lambda("lambda_tasks.clean")
    assert is_lambda("lambda: 1") and is_lambda("lambda x: x.y")
