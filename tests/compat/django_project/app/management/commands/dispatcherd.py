"""`manage.py dispatcherd`: the service."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from django.core.cache import cache
from django.core.management.base import BaseCommand
from django.db import connection

from app.dispatch import get_config
from dispatcherd import run_service
from dispatcherd.config import setup


class Command(BaseCommand):
    help = "Runs the background tasks"

    def handle(self, *args: Any, **options: Any) -> None:
        config = get_config(for_service=True)
        digest = hashlib.sha256(json.dumps(config, sort_keys=True, default=str).encode()).hexdigest()
        self.stdout.write(f"configuration {digest[:8]}")
        self.stdout.flush()
        connection.close()
        cache.close()
        setup(config)
        run_service()
