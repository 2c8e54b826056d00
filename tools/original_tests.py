"""Runs the original's own unit tests, unchanged, against our package `dispatcherd`: `make compat`.

They come out of the source distribution of dispatcherd, which pip downloads into `.run/original` and which is never
committed; the original's package is left out when it is unpacked, so that nothing but ours can be imported. What does
not hold here stands in tests/compat/original_exceptions.txt with its reason. Where it stands: after our own tests, in
`.ci/run`.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parent.parent
VERSION = "2026.5.27"
HOME = CHECKOUT / ".run" / "original"
EXCEPTIONS = CHECKOUT / "tests" / "compat" / "original_exceptions.txt"
FILES = [
    "tests/unit/test_publish.py",
    "tests/unit/test_registry.py",
    "tests/unit/test_config.py",
    "tests/unit/test_chunking.py",
    "tests/unit/test_utils.py",
    "tests/unit/test_cli_control_args.py",
    "tests/unit/test_control_tasks.py",
    "tests/unit/test_connection_saver.py",
    "tests/unit/test_control_cleanup.py",
    "tests/unit/test_factories.py",
    "tests/unit/processors",
    "tests/unit/service/test_process.py",
    "tests/unit/worker",
    "tests/testing",
    "asyncio_tests/unit/test_connection_saver.py",
]
"""What is left out tests the original's service from the inside: its event loop, its pool, its producers."""


def unpacked() -> Path:
    """The original's tests, downloaded the first time."""
    target = HOME / f"dispatcherd-{VERSION}"
    if not target.is_dir():
        archive = _download()
        with tarfile.open(archive) as tar:
            inside = f"{target.name}/dispatcherd/"
            members = [member for member in tar.getmembers() if not member.name.startswith(inside)]
            tar.extractall(HOME, members=members, filter="data")
    return target


def _download() -> Path:
    HOME.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", "dispatcherd"]
    done = subprocess.run([*command, "--dest", str(HOME), f"dispatcherd=={VERSION}"], check=False)
    archive = HOME / f"dispatcherd-{VERSION}.tar.gz"
    if done.returncode or not archive.is_file():
        sys.exit(f"original_tests.py: pip could not download the source distribution of dispatcherd {VERSION}")
    return archive


def exceptions() -> dict[str, str]:
    """The tests that do not hold here, and why."""
    lines = [line for line in EXCEPTIONS.read_text().splitlines() if line and not line.startswith("#")]
    pairs = [line.partition("|") for line in lines]
    return {name.strip(): reason.strip() for name, _, reason in pairs}


class Exceptions:
    """A plugin of pytest: the listed tests have to fail."""

    def __init__(self, reasons: dict[str, str]) -> None:
        self.reasons = reasons
        self.unused = set(reasons)

    def pytest_collection_modifyitems(self, items: list[Any]) -> None:
        """Marks them."""
        import pytest

        for item in items:
            if item.nodeid in self.reasons:
                self.unused.discard(item.nodeid)
                item.add_marker(pytest.mark.xfail(strict=True, reason=self.reasons[item.nodeid]))


def refuse_the_original() -> None:
    """Ends this program unless `dispatcherd` is ours."""
    import dispatcher.publish
    import dispatcherd.publish

    if dispatcherd.publish is not dispatcher.publish:
        sys.exit(f"original_tests.py: the original is installed here: {dispatcherd.publish.__file__}")


def main() -> int:
    """Runs the tests; the exit code is that of pytest."""
    import pytest

    refuse_the_original()
    os.chdir(unpacked())
    plugin = Exceptions(exceptions())
    chosen = sys.argv[1:] or ["-q", *FILES]
    code = int(
        pytest.main(
            ["-p", "no:cacheprovider", "-o", "asyncio_default_fixture_loop_scope=function", "-rx", *chosen],
            plugins=[plugin],
        )
    )
    if plugin.unused and not sys.argv[1:]:
        print("no such tests in the list of exceptions:", *sorted(plugin.unused), sep="\n  ", file=sys.stderr)
        return 1
    return code


if __name__ == "__main__":
    sys.exit(main())
