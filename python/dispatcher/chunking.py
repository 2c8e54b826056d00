"""Long messages as several short ones, and back: the `__dispatcherd_chunk__` envelope, version 1.

Works on text only and knows no broker: whoever sends says how long a piece may be. Where it stands: brokers split what
they send, `control` joins replies.
"""

from __future__ import annotations

import json
import logging
import time
import uuid
from bisect import bisect_right
from dataclasses import dataclass, field
from json.encoder import encode_basestring_ascii
from typing import Any

logger = logging.getLogger(__name__)

CHUNK_MARKER = "__dispatcherd_chunk__"
"""The key that tells a chunk from any other message; its value is the version."""
CHUNK_VERSION = "v1"
WIDEST_CHARACTER = 12
"""Bytes of the longest escape that one character becomes in JSON: two surrogates, `\\ud83d\\udd25`."""


def _envelope(message_id: str, index: int, total: int, escaped: str) -> str:
    """One chunk; `escaped` is the payload as JSON text, with its quotes."""
    return (
        f'{{"{CHUNK_MARKER}":"{CHUNK_VERSION}","message_id":"{message_id}",'
        f'"index":{index},"total":{total},"payload":{escaped}}}'
    )


def _wrapper_overhead_bytes(message_id: str, index: int, total: int) -> int:
    """The size of a chunk without its payload."""
    return len(_envelope(message_id, index, total, '""'))


def split_message(message: str, *, max_bytes: int | None = None) -> list[str]:
    """The message itself when it fits into `max_bytes`, else as few chunks as possible, none longer than that."""
    if max_bytes is None or len(message) * 4 <= max_bytes:
        return [message]
    size = len(message.encode("utf-8"))
    if size <= max_bytes:
        return [message]
    message_id = uuid.uuid4().hex
    # There are never more chunks than bytes, so these numbers are at least as wide as the real ones.
    budget = max_bytes - _wrapper_overhead_bytes(message_id, size, size)
    if budget < WIDEST_CHARACTER:
        raise ValueError(
            f"max_bytes={max_bytes} is too small to split a message of {size} bytes: "
            f"the envelope and one character need {max_bytes - budget + WIDEST_CHARACTER}"
        )
    pieces = _cut(message, budget)
    return [_envelope(message_id, index, len(pieces), piece) for index, piece in enumerate(pieces)]


def _cut(message: str, budget: int) -> list[str]:
    """Slices of the message as JSON text, each as long as its escaped form allows."""
    pieces: list[str] = []
    start = 0
    while start < len(message):
        piece = message[start : start + budget]
        escaped = encode_basestring_ascii(piece)
        if len(escaped) - 2 > budget:
            lengths = range(1, len(piece))
            fitting = bisect_right(
                lengths,
                budget,
                key=lambda count: len(encode_basestring_ascii(piece[:count])) - 2,
            )
            piece = piece[:fitting]
            escaped = encode_basestring_ascii(piece)
        pieces.append(escaped)
        start += len(piece)
    return pieces


def parse_chunk_dict(candidate: Any) -> dict[str, Any] | None:
    """The candidate when it is a chunk of any version, else None."""
    return candidate if isinstance(candidate, dict) and CHUNK_MARKER in candidate else None


@dataclass
class _Partial:
    """A message of which some chunks have come."""

    total: int
    started_at: float
    pieces: dict[int, str] = field(default_factory=dict)


class ChunkAccumulator:
    """Joins chunks, in whatever order and mixture they come. Not for use by several threads at a time."""

    def __init__(self, *, message_timeout_seconds: float = 30 * 60) -> None:
        """`message_timeout_seconds`: how long a message may stay incomplete; 0 or less for ever."""
        self.message_timeout_seconds = message_timeout_seconds
        self.total_chunks_received = 0
        self.successful_assemblies = 0
        self.errored_assemblies = 0
        self.timed_out_assemblies = 0
        self._partials: dict[str, _Partial] = {}

    @property
    def pending_messages(self) -> dict[str, dict[int, str]]:
        """The pieces of each incomplete message, by its id and their index."""
        return {message_id: partial.pieces for message_id, partial in self._partials.items()}

    @property
    def expected_totals(self) -> dict[str, int]:
        """How many pieces each incomplete message has, by its id."""
        return {message_id: partial.total for message_id, partial in self._partials.items()}

    @property
    def assembly_started_at(self) -> dict[str, float]:
        """When the first piece of each incomplete message came, of `time.monotonic`, by its id."""
        return {message_id: partial.started_at for message_id, partial in self._partials.items()}

    def ingest_dict(self, payload_dict: dict[str, Any]) -> tuple[bool, dict[str, Any] | None]:
        """Whether this was a chunk, and the message: the given one if not, the whole one with the last chunk."""
        chunk = parse_chunk_dict(payload_dict)
        if chunk is None:
            return False, payload_dict
        self.total_chunks_received += 1
        problem = self._keep(chunk)
        if problem:
            self.errored_assemblies += 1
            logger.error("dropped a chunk of message %r: %s", chunk.get("message_id"), problem)
            return True, None
        return True, self._join(chunk["message_id"])

    def _keep(self, chunk: dict[str, Any]) -> str | None:
        """Keeps one piece, or says why it cannot."""
        if chunk[CHUNK_MARKER] != CHUNK_VERSION:
            return f"Unsupported chunk version {chunk[CHUNK_MARKER]!r}, only {CHUNK_VERSION!r} is known"
        message_id, index, total = chunk.get("message_id"), chunk.get("index"), chunk.get("total")
        payload = chunk.get("payload")
        if not isinstance(message_id, str) or not isinstance(payload, str):
            return "message_id and payload have to be text"
        if type(index) is not int or type(total) is not int or not 0 <= index < total:
            return f"index {index!r} and total {total!r} have to be numbers with 0 <= index < total"
        partial = self._partials.setdefault(message_id, _Partial(total, time.monotonic()))
        if partial.total != total:
            return f"it says {total} chunks in all, an earlier one said {partial.total}"
        partial.pieces.setdefault(index, payload)
        return None

    def _join(self, message_id: str) -> dict[str, Any] | None:
        """The whole message, if nothing is missing."""
        partial = self._partials[message_id]
        if len(partial.pieces) < partial.total:
            logger.debug("%d of %d chunks came of message_id=%s", len(partial.pieces), partial.total, message_id)
            return None
        del self._partials[message_id]
        problem = "not a dict, which a JSON object becomes"
        try:
            message = json.loads("".join(partial.pieces[index] for index in range(partial.total)))
            if isinstance(message, dict):
                self.successful_assemblies += 1
                return message
        except ValueError as error:
            # Where it is at fault, and not what is there.
            problem = f"no JSON, at character {getattr(error, 'pos', '?')}"
        self.errored_assemblies += 1
        logger.error("Failed to decode chunked message %r: it is %s", message_id, problem)
        return None

    def expire_partial_messages(self, *, current_time: float | None = None) -> None:
        """Forgets messages whose first chunk came too long ago; `current_time` is of `time.monotonic`."""
        if self.message_timeout_seconds <= 0:
            return
        now = time.monotonic() if current_time is None else current_time
        for message_id, partial in list(self._partials.items()):
            if now - partial.started_at >= self.message_timeout_seconds:
                del self._partials[message_id]
                self.timed_out_assemblies += 1
                logger.error(
                    "message %r is incomplete after %.0f s: %d of %d chunks came",
                    message_id, now - partial.started_at, len(partial.pieces), partial.total,
                )  # fmt: skip

    def get_status_data(self) -> dict[str, int]:
        """Counts since the start, and the number of incomplete messages."""
        return {
            "total_chunks_received": self.total_chunks_received,
            "successful_assemblies": self.successful_assemblies,
            "errored_assemblies": self.errored_assemblies,
            "timed_out_assemblies": self.timed_out_assemblies,
            "active_messages": len(self._partials),
        }
