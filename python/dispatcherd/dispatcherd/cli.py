"""The command line as a Python module: what management commands of applications are built from.

The installed commands `dispatcherd` and `dispatcherctl` are the native program and do not come here. The names with an
underscore are private in dispatcherd, and applications import them all the same. There is no `main` here on purpose:
applications look for one, and call it in place of `run_service` if they find it. Where it stands: above
`service.control_tasks`, whose table says which command takes what.
"""

from __future__ import annotations

import argparse
import inspect
import logging
import os
import sys
from typing import Any

import yaml

from dispatcher import run_service
from dispatcher.config import CONFIG_FILE_VARIABLES, setup
from dispatcher.factories import get_control_from_settings
from dispatcherd.service import control_tasks

logger = logging.getLogger(__name__)

DEFAULT_CONFIG_FILE = "dispatcher.yml"
"""The configuration if nothing else is said, in the working directory."""

CONTROL_ARG_SCHEMAS: dict[str, dict[str, dict[str, Any]]] = control_tasks.ARGUMENTS
"""For each control command its arguments by name: `type`, `help`, and maybe `required`, `choices`, `default`."""

LEVELS = ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]
_TYPES = {"str": str, "int": int, "float": float}


def get_control_arg_schemas() -> dict[str, dict[str, dict[str, Any]]]:
    """`CONTROL_ARG_SCHEMAS`."""
    return CONTROL_ARG_SCHEMAS


def _base_cli_parent() -> argparse.ArgumentParser:
    """The options of both commands, for `parents=[...]`."""
    parent = argparse.ArgumentParser(add_help=False)
    parent.add_argument(
        "--log-level", default="DEBUG", choices=LEVELS, help="how much this command logs, to standard output"
    )
    parent.add_argument(
        "--config", type=os.path.abspath, default=DEFAULT_CONFIG_FILE, help="the configuration file (%(default)s)"
    )
    return parent


def _control_common_parent() -> argparse.ArgumentParser:
    """The options of every control command, for `parents=[...]`."""
    parent = argparse.ArgumentParser(add_help=False)
    parent.add_argument("--expected-replies", type=int, default=1, help="how many services have to reply (%(default)s)")
    return parent


def _register_control_arguments(parser: argparse.ArgumentParser, schema: dict[str, dict[str, Any]] | None) -> None:
    """Adds an option for each argument of a control command."""
    for name, about in (schema or {}).items():
        options: dict[str, Any] = {"dest": name, "help": about.get("help"), "default": about.get("default")}
        if about.get("type") == "bool":
            options |= {"action": "store_true", "default": about.get("default", False)}
        else:
            options |= {"type": _TYPES.get(about.get("type", "str"), str), "required": about.get("required", False)}
        if "choices" in about:
            options["choices"] = about["choices"]
        parser.add_argument(f"--{name.replace('_', '-')}", **options)


def _build_command_data_from_args(args: argparse.Namespace, command: str) -> dict[str, Any]:
    """The data of a control command: those of its arguments that were given."""
    given = {name: getattr(args, name, None) for name in CONTROL_ARG_SCHEMAS.get(command, {})}
    return {name: value for name, value in given.items() if value is not None}


def get_parser(extra_parents: list[argparse.ArgumentParser] | None = None) -> argparse.ArgumentParser:
    """A parser with the options of both commands, and those of the parents given."""
    return argparse.ArgumentParser(
        description="Background tasks: the service, and questions to it.",
        parents=[_base_cli_parent(), *(extra_parents or ())],
    )


def setup_from_parser(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """Reads the command line; sets up the log and the configuration that it names."""
    args = parser.parse_args()
    logging.basicConfig(level=args.log_level, stream=sys.stdout)
    by_environment = any(os.environ.get(variable) for variable in CONFIG_FILE_VARIABLES)
    if by_environment and args.config in (DEFAULT_CONFIG_FILE, os.path.abspath(DEFAULT_CONFIG_FILE)):
        setup()
    else:
        setup(file_path=args.config)
    return args


def standalone() -> None:
    """Runs the service."""
    setup_from_parser(get_parser())
    run_service()


def _control_parser() -> argparse.ArgumentParser:
    parser = get_parser(extra_parents=[_control_common_parent()])
    commands = parser.add_subparsers(dest="command", metavar="command", required=True)
    for name in control_tasks.__all__:
        about = inspect.getdoc(getattr(control_tasks, name)) or ""
        parents = [_base_cli_parent(), _control_common_parent()]
        command = commands.add_parser(name, help=about.partition("\n")[0], description=about, parents=parents)
        _register_control_arguments(command, CONTROL_ARG_SCHEMAS.get(name))
    return parser


def control() -> None:
    """Asks the services, prints their replies as YAML; exit code 1 when there are fewer than expected."""
    args = setup_from_parser(_control_parser())
    replies = get_control_from_settings().control_with_reply(
        args.command,
        data=_build_command_data_from_args(args, args.command),
        expected_replies=args.expected_replies,
    )
    print(yaml.dump(replies, default_flow_style=False))
    if len(replies) < args.expected_replies:
        logger.error("%d of %d replies came", len(replies), args.expected_replies)
        sys.exit(1)
