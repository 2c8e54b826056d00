"""Messages that nobody should send, by what is wrong with them.

Where it stands: under the row of poison and the soak. All are text that a server takes, or refuses by itself.
"""

from __future__ import annotations

import json


def _task(**fields: object) -> str:
    return json.dumps({"task": "fault_tasks.work", "args": ["poison"], **fields})


MESSAGES = {
    "no_json": "hello",
    "list": "[1]",
    "null": "null",
    "blank": " ",
    "deep": "[" * 3000,
    "empty_object": "{}",
    "self_check": '{"self_check": true}',
    "control_number": '{"control": 5}',
    "control_of_a_module": '{"control": "logging"}',
    "control_data_text": '{"control": "cancel", "control_data": "x"}',
    "control_later": '{"control": "logging", "delay": 0.1}',
    "reply_to_too_long": json.dumps({"control": "alive", "reply_to": "r" * 70}),
    "timeout_text": _task(timeout="x"),
    "delay_text": _task(delay="x"),
    "args_number": _task(args=5),
    "task_null": '{"task": null}',
    "callbacks_number": _task(callbacks=5),
    "on_duplicate_object": _task(on_duplicate={}),
    "task_exits": '{"task": "sys.exit"}',
    "nul_in_name": '{"task": "os\\u0000.getpid"}',
    "half_a_character": '{"task": "\\ud800.x"}',
    "chunk_of_minus_one": '{"__dispatcherd_chunk__":"v1","message_id":"a","index":0,"total":-1,"payload":""}',
}
