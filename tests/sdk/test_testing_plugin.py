"""The plugin for pytest, in sessions of pytest of its own, and how the helpers follow Django's transactions."""

from __future__ import annotations

import importlib.metadata
import json
import subprocess
import sys
from typing import Any

import pytest

pytest_plugins = ["pytester"]

TASKS = """
from dispatcher.publish import task

@task(queue="mail")
def send(to):
    return f"sent to {to}"

@task()
def fail():
    raise KeyError("no")
"""

PLUGIN = ("-p", "no:dispatcher", "-p", "dispatcher.pytest_plugin", "-p", "no:cacheprovider")
"""The plugin by its module, once, whether or not the package that has its entry point is installed."""


@pytest.fixture
def run(pytester: pytest.Pytester) -> Any:
    """Runs tests that may import `tasks`."""
    pytester.makepyfile(tasks=TASKS)

    def go(text: str, **conftest: str) -> pytest.RunResult:
        pytester.makepyfile(test_it=text)
        if conftest:
            pytester.makepyfile(**conftest)
        return pytester.runpytest_subprocess(*PLUGIN)

    return go


def test_published_and_eager_are_fixtures(run: Any) -> None:
    result = run(
        """
        import pytest, tasks

        def test_published(dispatcher_published):
            tasks.send.delay("ann")
            dispatcher_published.assert_published(tasks.send, args=["ann"], queue="mail", times=1)
            assert [run.result for run in dispatcher_published.run_all()] == ["sent to ann"]

        def test_eager(dispatcher_eager):
            with pytest.raises(KeyError):
                tasks.fail.delay()
            dispatcher_eager.raises = False
            tasks.fail.delay()
            assert [run.outcome for run in dispatcher_eager.runs] == ["failure", "failure"]

        def test_it_is_over_then():
            with pytest.raises(RuntimeError, match="not configured"):
                tasks.send.delay("bob")
        """
    )
    result.assert_outcomes(passed=3)


def test_a_failure_shows_the_near_miss_and_the_line_of_the_test(run: Any) -> None:
    result = run(
        """
        import tasks

        def test_it(dispatcher_published):
            tasks.send.delay("ann")
            dispatcher_published.assert_published(tasks.send, args=["bob"])
        """
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            ">*dispatcher_published.assert_published(tasks.send, args=[[]\"bob\"[]])",
            "E *tasks.send with args=[[]'bob'[]] was not published; near it came:",
            "E *  tasks.send('ann') queue=mail",
            "E *args[[]0[]] is 'ann', not 'bob'",
            "test_it.py:5: AssertionError",
        ]
    )


def test_nothing_is_imported_until_a_fixture_is_used(run: Any) -> None:
    result = run(
        """
        import sys

        def test_it():
            assert not [name for name in sys.modules if name.startswith("dispatcher.") and "plugin" not in name]
        """
    )
    result.assert_outcomes(passed=1)


def test_a_real_service_runs_what_a_test_publishes(run: Any) -> None:
    result = run(
        """
        import tasks

        def test_it(dispatcher_service):
            tasks.send.delay("ann")
            assert dispatcher_service.wait_finished(1) == 1
            assert dispatcher_service.ask("ended")
        """,
        conftest="""
        import os, tempfile, pytest

        os.environ["PYTHONPATH"] = os.getcwd() + os.pathsep + os.environ.get("PYTHONPATH", "")

        @pytest.fixture
        def dispatcher_config():
            with tempfile.TemporaryDirectory() as place:  # the path of a socket is short
                yield {"version": 2, "brokers": {"socket": {"socket_path": place + "/test.sock"}}}
        """,
    )
    result.assert_outcomes(passed=1)


def test_the_installed_package_announces_it() -> None:
    try:
        found = importlib.metadata.distribution("dispatcher-rs").entry_points.select(group="pytest11")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("runs from the sources, which announce nothing")
    assert {(entry.name, entry.value) for entry in found} == {("dispatcher", "dispatcher.pytest_plugin")}


DJANGO = """
import json
import django
from django.conf import settings

settings.configure(DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}})
django.setup()

from django.db import connection, transaction
from django.test import TestCase
from dispatcher import config
from dispatcher.publish import submit_task
from dispatcher.testing import eager, published

def note(what):
    ran.append(what)

note.__module__ = "__note__"
ran, said = [], {}
kept = {"version": 2, "brokers": {"pg_notify": {"config": {"dbname": "none"}, "channels": ["own_line"]}}}
any_task = {"version": 2, "brokers": {"memory": {}}, "worker": {"task_policy": "any"}}
__import__("sys").modules["__note__"] = __import__("types").SimpleNamespace(note=note)

def give_up(*savepoint):
    try:
        with transaction.atomic(*savepoint):
            submit_task(note, args=["dropped"])
            raise KeyError
    except KeyError:
        pass

def names(tasks):
    return [task.args[0] for task in tasks]

class Test(TestCase):
    def test_it(self):
        with published() as tasks:
            with transaction.atomic():
                submit_task(note, args=["inner"])
            give_up()
        said["in a test that never commits"] = names(tasks)
        with self.captureOnCommitCallbacks() as callbacks, published():
            submit_task(note, args=["x"])
        said["callbacks"] = len(callbacks)
        with eager(on_commit=True), self.captureOnCommitCallbacks(execute=True):
            submit_task(note, args=["at the commit"])
            give_up()
            said["ran before the commit"] = list(ran)
        said["ran at the commit"] = list(ran)

config.setup(any_task)
with published() as tasks:
    submit_task(note, args=["at once"])
    with transaction.atomic():
        submit_task(note, args=["committed"])
        give_up()
        with transaction.atomic():
            submit_task(note, args=["savepoint"])
    give_up()
    transaction.set_autocommit(False)
    transaction.rollback()
    transaction.set_autocommit(True)
    said["plain"] = names(tasks)
    said["run"] = len(tasks.run_all())
said["left as it was"] = [name for name in ("commit", "rollback", "savepoint_rollback") if name in vars(connection)]
ran.clear()

config.setup(kept)
with published() as tasks:
    give_up()
said["on a line of its own"] = names(tasks)

config.setup(any_task)
Test.setUpClass()
result = __import__("unittest").TestResult()
Test("test_it")(result)
Test.tearDownClass()
said["errors"] = [text for _, text in result.errors + result.failures]
print(json.dumps(said))
"""


def test_what_a_transaction_takes_back_was_not_published() -> None:
    pytest.importorskip("django")
    done = subprocess.run([sys.executable, "-c", DJANGO], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "plain": ["at once", "committed", "savepoint"],
        "run": 3,
        "left as it was": [],
        "on a line of its own": ["dropped"],
        "in a test that never commits": ["inner"],
        "callbacks": 0,
        "ran before the commit": [],
        "ran at the commit": ["at the commit"],
        "errors": [],
    }
