"""What is published, byte for byte, and what is said when it cannot be."""

from __future__ import annotations

import datetime
import json
import re
import sys
from collections.abc import Callable
from typing import Any

import pytest

from dispatcher import config, publish
from dispatcher.factories import get_publisher_from_settings
from dispatcher.processors.blocker import Blocker
from dispatcher.processors.delayer import Delayer
from dispatcher.publish import submit_many, submit_task, task
from dispatcher.registry import DispatcherError, DispatcherMethodRegistry, InvalidMethod

MEMORY = {"version": 2, "brokers": {"memory": {"default_publish_channel": "default"}}}


def sample(first: object = None, second: object = None, **rest: object) -> None:
    pass


class Job:
    def run(self, number: object = None) -> None:
        pass


@pytest.fixture
def sent() -> Callable[[], list[dict[str, Any]]]:
    """What was published to a broker within this process."""
    config.setup(MEMORY)
    broker: Any = get_publisher_from_settings()
    return lambda: broker.published_messages


def text(entry: dict[str, Any]) -> str:
    """The text of a message, with what differs each time replaced."""
    body = re.sub(r'"uuid": "[0-9a-f-]{36}"', '"uuid": "<uuid>"', entry["message"])
    return re.sub(r'"time_pub": [0-9.]+', '"time_pub": <float>', body)


HEAD = f'"task": "{__name__}.sample", "time_pub": <float>'


@pytest.mark.parametrize(
    ("options", "tail"),
    [
        ({}, '"uuid": "<uuid>"'),
        (
            {"args": (1, "a"), "kwargs": {"k": None}},
            '"uuid": "<uuid>", "args": [1, "a"], "kwargs": {"k": null}',
        ),
        ({"args": (), "kwargs": {}, "timeout": 0}, '"uuid": "<uuid>"'),
        ({"timeout": 5, "bind": True}, '"uuid": "<uuid>", "bind": true, "timeout": 5'),
        (
            {"processor_options": [Delayer.Params(delay=3), Blocker.Params(on_duplicate="serial")]},
            '"uuid": "<uuid>", "delay": 3, "on_duplicate": "serial"',
        ),
        ({"delay": 3, "on_duplicate": "bind"}, '"uuid": "<uuid>", "delay": 3, "on_duplicate": "bind"'),
        ({"args": ("ü🔥",)}, '"uuid": "<uuid>", "args": ["\\u00fc\\ud83d\\udd25"]'),
    ],
)
def test_message_is_the_same_text_as_dispatcherd_writes(options: dict[str, Any], tail: str, sent: Any) -> None:
    submit_task(sample, **options)
    assert text(sent()[0]) == f"{{{HEAD}, {tail}}}"


def test_options_of_the_decorator_keep_dispatcherds_order(sent: Any) -> None:
    registry = DispatcherMethodRegistry()
    task(registry=registry, timeout=0.4, on_duplicate="discard", bind=True)(sample)
    submit_task(sample, registry=registry, args=[1])
    assert text(sent()[0]) == f'{{"timeout": 0.4, {HEAD}, "on_duplicate": "discard", "uuid": "<uuid>", "args": [1]}}'


def test_many_runs_are_the_messages_that_single_ones_are(sent: Any) -> None:
    bodies, channel = submit_many(sample, [[1], {"second": 2}, ()])
    assert channel == "default"
    assert [body.get("args") for body in bodies] == [[1], None, None]
    tails = ['"args": [1]', '"kwargs": {"second": 2}']
    expected = [f'{{{HEAD}, "uuid": "<uuid>", {tail}}}' for tail in tails]
    assert [text(entry) for entry in sent()] == [*expected, f'{{{HEAD}, "uuid": "<uuid>"}}']


def test_no_runs_publish_nothing(sent: Any) -> None:
    assert submit_many(sample, [])[0] == []
    assert sent() == []


def test_queue_is_of_the_call_then_of_the_task_then_of_the_broker(sent: Any) -> None:
    registry = DispatcherMethodRegistry()
    task(registry=registry, queue=lambda: "of_task")(sample)
    assert submit_task(sample, registry=registry, queue="of_call")[1] == "of_call"
    assert submit_task(sample, registry=registry)[1] == "of_task"
    assert submit_task(Job)[1] == "default"


# ---- what is said when it cannot be published


def refused(error: type[Exception], **options: Any) -> str:
    with pytest.raises(error) as caught:
        submit_task(sample, **options)
    return str(caught.value)


@pytest.mark.usefixtures("sent")
class TestRefusal:
    def test_names_the_argument_and_the_parameter(self) -> None:
        said = refused(TypeError, args=[1, {"when": [datetime.date.min]}])
        assert "args[1]['when'][0] (parameter 'second') is of type date" in said
        assert f"{__name__}.sample" in said

    def test_names_the_keyword(self) -> None:
        assert "kwargs['rest'] is of type bytes" in refused(TypeError, kwargs={"rest": b"x"})

    def test_does_not_show_the_value(self) -> None:
        class Secret:
            def __repr__(self) -> str:
                return "hunter2"

        assert "hunter2" not in refused(TypeError, args=[Secret()])

    def test_names_a_key_that_json_cannot_hold(self) -> None:
        assert "args[0] (parameter 'first') has a key of type tuple" in refused(TypeError, args=[{(1, 2): 3}])

    def test_names_what_contains_itself(self) -> None:
        loop: list[Any] = []
        loop.append(loop)
        assert "contains itself" in refused(ValueError, args=[loop])

    def test_of_text_as_args_says_how_to_write_one_argument(self) -> None:
        assert "args=[value]" in refused(TypeError, args="abc")

    @pytest.mark.parametrize("value", [-1, float("nan"), 10**9])
    def test_of_seconds_that_the_service_would_refuse(self, value: float) -> None:
        assert "timeout is" in refused(ValueError, timeout=value)
        assert "delay is" in refused(ValueError, processor_options=[Delayer.Params(delay=value)])

    def test_of_seconds_as_text(self) -> None:
        assert "has to be a number of seconds, not str" in refused(TypeError, timeout="5")

    def test_of_a_task_in_the_script_that_is_being_run(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sample, "__module__", "__main__")
        monkeypatch.setattr(sys.modules["__main__"], "__spec__", None)
        assert "move it to a module" in refused(DispatcherError)


def test_refusal_of_an_object_that_takes_no_attributes_says_what_else_works() -> None:
    with pytest.raises(InvalidMethod, match="decorate=False"):
        task(registry=DispatcherMethodRegistry())(len)


def test_no_broker_says_so() -> None:
    config.setup({"version": 2})
    with pytest.raises(RuntimeError, match=r"none.*brokers"):
        submit_task(sample)


def test_default_broker_that_is_not_there_says_which_are() -> None:
    brokers: dict[str, Any] = {"memory": {}, "noop": {}}
    config.setup({"version": 2, "brokers": brokers, "publish": {"default_broker": "redis"}})
    with pytest.raises(RuntimeError, match="no broker redis in the config; it has memory, noop"):
        submit_task(sample)


def test_unknown_broker_says_which_there_are() -> None:
    config.setup({"version": 2, "brokers": {"redis": {}}})
    with pytest.raises(ImportError, match=r"brokers\.redis.*pg_notify, socket, memory, noop"):
        submit_task(sample)


def test_unknown_option_of_a_broker_names_the_broker_and_its_options() -> None:
    config.setup({"version": 2, "brokers": {"memory": {"chanels": []}}})
    with pytest.raises(TypeError, match=r"brokers\.memory has no option 'chanels'; it has channels"):
        submit_task(sample)


def test_changed_settings_count_at_the_next_publish() -> None:
    config.setup({"version": 2, "brokers": {"memory": {"default_publish_channel": "before"}}})
    assert submit_task(sample)[1] == "before"
    config.settings.brokers["memory"]["default_publish_channel"] = "after"
    assert submit_task(sample)[1] == "after"


def test_publishing_without_postgres_does_not_import_psycopg() -> None:
    import subprocess

    script = (
        "import sys, dispatcher.publish as p, dispatcher.config as c, dispatcher.control\n"
        "c.setup({'version': 2, 'brokers': {'noop': {}}}); p.submit_task(c.setup)\n"
        "assert 'psycopg' not in sys.modules and 'asyncio.base_events' or True\n"
        "sys.exit('psycopg' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_a_task_of_one_service_is_json_of_its_arguments(sent: Any) -> None:
    body, _ = publish.submit_task(Job, args=(5,), uuid="mine")
    assert json.loads(sent()[0]["message"]) == {**body, "args": [5]}
    assert body["uuid"] == "mine"


def test_a_task_of_another_program_is_published_by_its_name(sent: Callable[[], list[dict[str, Any]]]) -> None:
    body, channel = submit_task("shop.orders.ship", args=[17], kwargs={"fast": True}, queue="orders", timeout=5)
    submit_many("shop.orders.ship", [[1], {"order": 2}], queue="orders")
    assert (body["task"], channel) == ("shop.orders.ship", "orders")
    name = '"task": "shop.orders.ship", "time_pub": <float>, "uuid": "<uuid>"'
    assert [text(entry) for entry in sent()] == [
        f'{{{name}, "args": [17], "kwargs": {{"fast": true}}, "timeout": 5}}',
        f'{{{name}, "args": [1]}}',
        f'{{{name}, "kwargs": {{"order": 2}}}}',
    ]


def test_a_name_that_is_known_here_has_the_options_of_its_task(sent: Callable[[], list[dict[str, Any]]]) -> None:
    registry = DispatcherMethodRegistry()
    task(queue="own", timeout=3, decorate=False, registry=registry)(sample)
    body, channel = submit_task(f"{__name__}.sample", registry=registry)
    assert (body["timeout"], channel) == (3, "own")


@pytest.mark.parametrize("name", ["ship", "shop..ship", "shop.ship it", "shop::ship", "lambda: 1", "a." + "b" * 254])
def test_a_text_that_names_no_task_is_refused(name: str, sent: Callable[[], list[dict[str, Any]]]) -> None:
    with pytest.raises(InvalidMethod, match=r"such as 'app\.reports\.render'"):
        submit_task(name)
    assert sent() == []
