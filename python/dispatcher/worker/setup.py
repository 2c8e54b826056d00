"""What a fork server, or a worker started alone, does once before any task: path, settings, log, modules."""

from __future__ import annotations

import importlib
import json
import logging
import sys
import time
from typing import Any


class _JsonLines(logging.Formatter):
    """One JSON object a line, in the shape of the service's own lines."""

    def format(self, record: logging.LogRecord) -> str:
        stamp = time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(record.created))
        line = {
            'timestamp': f'{stamp}.{int(record.msecs):03d}Z',
            'level': record.levelname,
            'logger': record.name,
            'message': record.getMessage(),
        }
        if record.exc_info:
            line['traceback'] = self.formatException(record.exc_info)
        return json.dumps(line)


def prepare(setup: dict[str, Any]) -> None:
    """Carries out a ``setup`` packet. Raises whatever a preloaded module raises."""
    for entry in reversed(setup.get('sys_path') or []):
        if entry not in sys.path:
            sys.path.insert(0, entry)
    from ..config import setup as configure

    configure(setup['config'])
    for module in setup.get('preload') or []:
        importlib.import_module(module)
    if not logging.getLogger().handlers:
        _log(setup)


def _log(setup: dict[str, Any]) -> None:
    handler = logging.StreamHandler()
    if setup.get('log_format') == 'json':
        handler.setFormatter(_JsonLines())
    else:
        handler.setFormatter(logging.Formatter('%(asctime)s %(levelname)s %(name)s: %(message)s'))
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(setup.get('log_level', 'INFO'))
