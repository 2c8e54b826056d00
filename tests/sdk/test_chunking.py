"""Splitting and joining; the sizes are those that dispatcherd 2026.5.27 was seen to send."""

from __future__ import annotations

import json
import random

import pytest

from dispatcher.chunking import ChunkAccumulator, split_message


def as_dispatcherd_cuts(message: str, limit: int) -> list[str]:
    """The payloads by the rule alone, character by character: no piece's JSON text is longer than the room for it."""
    size = len(message.encode())
    head = {"__dispatcherd_chunk__": "v1", "message_id": "m" * 32, "index": size, "total": size, "payload": ""}
    room = limit - len(json.dumps(head, separators=(",", ":")))
    pieces, used = [""], 0
    for character in message:
        width = len(json.dumps(character)) - 2
        if used + width > room:
            pieces.append("")
            used = 0
        pieces[-1] += character
        used += width
    return pieces


def joined(chunks: list[str]) -> object:
    accumulator = ChunkAccumulator()
    return [accumulator.ingest_dict(json.loads(chunk))[1] for chunk in chunks][-1]


@pytest.mark.parametrize("limit", [180, 333, 1024, 8000])
@pytest.mark.parametrize("text", ["x", '"\\\n', "ü", "漢", "🔥", "\x00", 'aü"🔥\\'], ids=ascii)
def test_cuts_where_the_rule_says(text: str, limit: int) -> None:
    message = json.dumps({"task": "t", "args": [text * 9000]}, ensure_ascii=False)
    chunks = [json.loads(chunk) for chunk in split_message(message, max_bytes=limit)]
    assert [chunk["payload"] for chunk in chunks] == as_dispatcherd_cuts(message, limit)
    assert [chunk["index"] for chunk in chunks] == list(range(chunks[0]["total"]))


def test_envelope_is_written_as_compact_json_with_the_keys_in_order() -> None:
    chunk = split_message("x" * 1000, max_bytes=300)[0]
    assert json.dumps(json.loads(chunk), separators=(",", ":")) == chunk
    assert list(json.loads(chunk)) == ["__dispatcherd_chunk__", "message_id", "index", "total", "payload"]


def test_split_for_8000_bytes_stays_below_what_postgres_refuses() -> None:
    for length in (8001, 9_999, 10_000, 100_000, 1_000_000):
        assert max(len(chunk) for chunk in split_message("x" * length, max_bytes=8000)) < 8000


def test_chunks_of_several_messages_in_any_order_are_joined() -> None:
    messages = [{"n": number, "x": "x" * 900} for number in range(5)]
    chunks = [chunk for message in messages for chunk in split_message(json.dumps(message), max_bytes=300)]
    random.Random(7).shuffle(chunks)
    accumulator = ChunkAccumulator()
    results = [accumulator.ingest_dict(json.loads(chunk))[1] for chunk in chunks]
    assert sorted((r["n"] for r in results if r), key=int) == [0, 1, 2, 3, 4]


def test_a_chunk_that_comes_twice_counts_once() -> None:
    chunks = [json.loads(chunk) for chunk in split_message(json.dumps({"x": "x" * 500}), max_bytes=400)]
    accumulator = ChunkAccumulator()
    for chunk in (chunks[0], chunks[0]):
        assert accumulator.ingest_dict(chunk) == (True, None)
    assert accumulator.ingest_dict(chunks[1])[1] == {"x": "x" * 500}


@pytest.mark.parametrize(
    "chunk",
    [
        {"message_id": "a", "index": 2, "total": 2, "payload": ""},
        {"message_id": "a", "index": -1, "total": 2, "payload": ""},
        {"message_id": "a", "index": True, "total": 2, "payload": ""},
        {"message_id": 5, "index": 0, "total": 1, "payload": "{}"},
        {"message_id": "a", "index": 0, "total": 1, "payload": "[]"},
        {"message_id": "a", "index": 0, "total": 1, "payload": "{"},
    ],
)
def test_a_chunk_that_makes_no_sense_is_counted_and_dropped(chunk: dict[str, object]) -> None:
    accumulator = ChunkAccumulator()
    assert accumulator.ingest_dict({"__dispatcherd_chunk__": "v1", **chunk}) == (True, None)
    status = accumulator.get_status_data()
    assert status["errored_assemblies"] == 1
    assert status["active_messages"] == 0


def test_a_changed_total_is_refused() -> None:
    accumulator = ChunkAccumulator()
    for total in (3, 4):
        accumulator.ingest_dict(
            {"__dispatcherd_chunk__": "v1", "message_id": "a", "index": total - 3, "total": total, "payload": ""}
        )
    assert accumulator.get_status_data()["errored_assemblies"] == 1
