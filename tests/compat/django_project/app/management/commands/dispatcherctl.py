"""`manage.py dispatcherctl`: the control commands, made of the private names of dispatcherd's command line."""

from __future__ import annotations

import argparse
import inspect
import os
from typing import Any

import yaml
from django.core.management.base import BaseCommand, CommandError

from app.dispatch import get_config
from dispatcherd.cli import (
    CONTROL_ARG_SCHEMAS,
    DEFAULT_CONFIG_FILE,
    _base_cli_parent,
    _build_command_data_from_args,
    _control_common_parent,
    _register_control_arguments,
)
from dispatcherd.config import setup
from dispatcherd.factories import get_control_from_settings
from dispatcherd.service import control_tasks


class Command(BaseCommand):
    help = "Asks the background services"

    def add_arguments(self, parser: Any) -> None:
        parents = [_base_cli_parent(), _control_common_parent()]
        for parent in parents:
            parser._add_container_actions(parent)
        commands = parser.add_subparsers(dest="command", metavar="command")
        commands.required = True
        for name in control_tasks.__all__:
            text = inspect.getdoc(getattr(control_tasks, name)) or ""
            made = commands.add_parser(name, help=text.splitlines()[0], description=text, parents=parents)
            _register_control_arguments(made, CONTROL_ARG_SCHEMAS.get(name))

    def handle(self, *args: Any, **options: Any) -> None:
        command = options["command"]
        if os.path.abspath(options["config"]) != os.path.abspath(DEFAULT_CONFIG_FILE):
            raise CommandError("the configuration of this project is in its code")
        expected = options["expected_replies"]
        setup(get_config())
        data = _build_command_data_from_args(argparse.Namespace(**options), command)
        replies = get_control_from_settings().control_with_reply(
            command, data=data, expected_replies=expected, timeout=5 if expected == 1 else 1
        )
        self.stdout.write(yaml.dump(replies, default_flow_style=False))
        if len(replies) < expected:
            raise CommandError("fewer replies than expected")
