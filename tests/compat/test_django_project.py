"""A Django project that was written for dispatcherd, not a line of which knows us: with the original, then with us."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml
from peers import clean_environment
from psycopg import conninfo

from conftest import CHECKOUT, PATIENCE, wait_until

pytest_plugins = ["peers"]

PROJECT = CHECKOUT / "tests" / "compat" / "django_project"
NAMES = {"dbname": "NAME", "user": "USER", "password": "PASSWORD", "host": "HOST", "port": "PORT"}


class Project:
    """The project with one Python, on a database of this test's."""

    def __init__(self, python: Path, dsn: str, home: Path) -> None:
        self.python, self.home = python, home
        self.out = home / "out.jsonl"
        self.log = home / "service.log"
        self.node = f"node_{home.name[-20:]}_{os.getpid()}"
        keywords = conninfo.conninfo_to_dict(dsn)
        database = {name: str(keywords[keyword]) for keyword, name in NAMES.items() if keyword in keywords}
        self.environment = clean_environment(
            TEST_OUT=str(self.out),
            PROJECT_DATABASE=json.dumps(database),
            PROJECT_NODE=self.node,
            PROJECT_AS_IT_WAS="yes",
            DJANGO_SETTINGS_MODULE="project.settings",
            PYTHONPATH=str(PROJECT),
        )
        self.service: subprocess.Popen[bytes] | None = None

    def manage(self, *arguments: str, code: int = 0) -> str:
        """Runs a management command to its end; what it printed."""
        command = [str(self.python), str(PROJECT / "manage.py"), *arguments]
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False, cwd=self.home)
        assert done.returncode == code, done.stderr
        return done.stdout

    def publish(self, *steps: str) -> list[Any]:
        """Runs `manage.py publish`."""
        answers: list[Any] = json.loads(self.manage("publish", *steps).splitlines()[-1])
        return answers

    def start(self) -> None:
        """Runs `manage.py dispatcherd` until the task that it begins with has run."""
        command = [str(self.python), str(PROJECT / "manage.py"), "dispatcherd"]
        with self.log.open("wb") as log:
            self.service = subprocess.Popen(
                command, env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.home
            )
        self.wait("started")

    def records(self, event: str) -> list[dict[str, Any]]:
        """What tasks wrote down under this name."""
        lines = self.out.read_text().splitlines() if self.out.exists() else []
        return [record for record in map(json.loads, lines) if record["event"] == event]

    def wait(self, event: str, count: int = 1) -> dict[str, Any]:
        """Waits until tasks wrote this down so often; the last of them."""
        wait_until(lambda: len(self.records(event)) >= count, f"{count} x {event}; log: {self.log}")
        return self.records(event)[count - 1]

    def stop(self) -> int:
        """Ends the service; its exit code."""
        assert self.service is not None
        if self.service.poll() is None:
            self.service.send_signal(signal.SIGTERM)
        return self.service.wait(PATIENCE)


@pytest.fixture(params=["original", "ours"])
def project(request: Any, dsn: str, tmp_path: Path, old_python: Path) -> Iterator[Project]:
    """The project, its service running."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS project_rows (name text)")
        connection.execute("TRUNCATE project_rows")
    made = Project(old_python if request.param == "original" else Path(sys.executable), dsn, tmp_path)
    made.start()
    try:
        yield made
    finally:
        made.stop()


def test_messages_follow_the_transactions_of_the_project(project: Project) -> None:
    project.publish("rolled_back", "committed", "rolled_back_to_a_savepoint")
    assert project.publish("same_connection") == [True]
    project.wait("found", 3)
    found = {record["name"]: record["rows"] for record in project.records("found")}
    assert found == {"committed": 1, "outer": 1, "nothing": 0}


def test_tasks_of_every_kind_run(project: Project) -> None:
    assert project.publish("several_kinds") == [["broadcast_of_all", "app.tasks.plain", "container-a"]]
    assert project.wait("everywhere")["number"] == 3
    assert project.wait("plain")["number"] == 4
    project.wait("container")
    project.wait("tick", 2)
    (reply,) = yaml.safe_load(project.manage("dispatcherctl", "cancel", "--uuid", "container-a"))
    assert reply.pop("node_id") == project.node
    assert [message["uuid"] for message in reply.values()] == ["container-a"]
    project.wait("stopped")


def test_a_task_that_breaks_its_connection_harms_none_after_it(project: Project) -> None:
    for number in range(1, 5):
        project.publish("break_connection")
        project.wait("broken", number)
        project.publish("find")
        assert project.wait("found", number)["name"] == "after"


def test_management_commands_ask_the_service(project: Project) -> None:
    (alive,) = yaml.safe_load(project.manage("dispatcherctl", "alive"))
    assert alive == {"node_id": project.node}
    (status,) = yaml.safe_load(project.manage("dispatcherctl", "status"))
    assert project.service is not None
    assert status["main"]["pid"] == project.service.pid
    assert status["node_id"] == project.node
    (changed,) = yaml.safe_load(project.manage("dispatcherctl", "set_log_level", "--level", "WARNING"))
    assert (changed["logger"], changed["level"]) == ("dispatcherd", "WARNING")
    assert project.publish("healthy") == [True]
    assert "Only" in project.manage("dispatcherctl", "running", "--help") or project.python != Path(sys.executable)
    project.manage("dispatcherctl", "alive", "--expected-replies", "2", code=1)


@pytest.mark.parametrize("side", ["original", "ours"])
def test_control_may_go_over_a_socket(side: str, dsn: str, tmp_path: Path, old_python: Path) -> None:
    project = Project(old_python if side == "original" else Path(sys.executable), dsn, tmp_path)
    project.environment["PROJECT_CONTROL_SOCKET"] = str(tmp_path / "control.sock")
    project.start()
    try:
        (alive,) = yaml.safe_load(project.manage("dispatcherctl", "alive"))
        assert alive == {"node_id": project.node}
        project.publish("several_kinds")
        project.wait("container")
        (reply,) = yaml.safe_load(project.manage("dispatcherctl", "cancel", "--uuid", "container-a"))
        assert [message["uuid"] for key, message in reply.items() if key != "node_id"] == ["container-a"]
        project.wait("stopped")
    finally:
        assert project.stop() == 0
    assert not (tmp_path / "control.sock").exists()


def test_the_log_of_workers_goes_where_the_project_sends_it(project: Project) -> None:
    wait_until(lambda: "the project has started" in project.log.read_text(), "line of a task")
    assert "INFO dispatcherd.of.the.project says: the project has started" in project.log.read_text()


def test_the_service_ends_with_code_0(project: Project) -> None:
    assert project.stop() == 0


def test_what_is_no_task_is_refused_until_the_policy_allows_it(dsn: str, tmp_path: Path, new_python: Path) -> None:
    project = Project(new_python, dsn, tmp_path)
    del project.environment["PROJECT_AS_IT_WAS"]
    project.start()
    try:
        project.publish("plain")
        wait_until(lambda: "worker.task_policy" in project.log.read_text().partition("plain")[2], "refusal in the log")
        project.publish("find")
        project.wait("found")
        assert project.records("plain") == []
    finally:
        assert project.stop() == 0


def test_a_project_without_a_running_service_can_be_used(dsn: str, tmp_path: Path, new_python: Path) -> None:
    """Nothing connects, and nothing is started, because a process of the project is."""
    project = Project(new_python, dsn, tmp_path)
    project.environment["PROJECT_DATABASE"] = json.dumps({"NAME": "none", "HOST": "127.0.0.1", "PORT": "1"})
    assert "no issues" in project.manage("check")
