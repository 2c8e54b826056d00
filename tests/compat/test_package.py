"""Changing the package, and changing it back: what an installer leaves behind each time."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from peers import VERSION, clean_environment

from conftest import CHECKOUT

DIST = CHECKOUT / ".venv" / "dist"


class Environment:
    """A virtualenv to install into."""

    def __init__(self, home: Path) -> None:
        self.programs = home / "bin"
        self.run(sys.executable, "-m", "venv", str(home))

    def run(self, *command: str, code: int = 0) -> str:
        """Runs a command; what it printed."""
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=clean_environment())
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout

    def pip(self, *arguments: str) -> None:
        """Runs pip."""
        self.run(str(self.programs / "python"), "-m", "pip", "--disable-pip-version-check", *arguments)

    def commands(self) -> list[str]:
        """The commands of either product that are there."""
        return sorted(path.name for path in self.programs.glob("dispatcher*"))

    def is_ours(self) -> bool:
        """Whose package an import gets, and whose program the two commands are; all have to agree."""
        script = "import dispatcherd.publish as p; print(p.__name__)"
        imported = self.run(str(self.programs / "python"), "-c", script).strip()
        helped = [self.run(str(self.programs / name), "--help") for name in ("dispatcherd", "dispatcherctl")]
        ours = [imported == "dispatcher.publish", *("--log-format" in text or "--output" in text for text in helped)]
        assert len(set(ours)) == 1, (imported, helped)
        return ours[0]


@pytest.fixture
def wheels() -> list[str]:
    """Our two wheels, as `make .venv/wheel` has built them."""
    found = sorted(map(str, DIST.glob("dispatcher*.whl")))
    assert len(found) == 2, f"there have to be two wheels in {DIST}; run make .venv/wheel"
    return found


def test_the_package_is_changed_and_changed_back(tmp_path: Path, wheels: list[str]) -> None:
    environment = Environment(tmp_path / "venv")
    environment.pip("install", f"dispatcherd=={VERSION}")
    assert not environment.is_ours()
    assert environment.commands() == ["dispatcherctl", "dispatcherd"]

    # Straight over the original, which the installer then removes, commands and all.
    environment.pip("install", *wheels)
    assert environment.is_ours()
    assert environment.commands() == ["dispatcher", "dispatcher-standalone", "dispatcherctl", "dispatcherd"]
    environment.pip("check")

    # What an application asks for is there already.
    environment.pip("install", "--no-index", f"dispatcherd=={VERSION}")
    environment.pip("install", "--no-index", "dispatcherd>=2026.1.27")
    assert environment.is_ours()

    environment.pip("uninstall", "--yes", "dispatcherd", "dispatcher-rs")
    assert environment.commands() == []
    environment.pip("install", f"dispatcherd=={VERSION}")
    assert not environment.is_ours()
    assert environment.commands() == ["dispatcherctl", "dispatcherd"]
