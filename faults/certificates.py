"""Certificates for a server, good ones and such that have run out.

Where it stands: under the row of certificates. Made with the program openssl; where it is not installed that row is
not run.
"""

from __future__ import annotations

import os
import shutil
import socket
import ssl
import struct
import subprocess
import time
from pathlib import Path

from catalogue import Unavailable
from stage import Cluster

SETTINGS = """
[ca]
default_ca = own
[own]
dir = {home}
database = $dir/index
new_certs_dir = $dir
rand_serial = yes
unique_subject = no
default_md = sha256
policy = any
x509_extensions = extensions
[any]
commonName = supplied
[extensions]
subjectAltName = IP:127.0.0.1
"""

SSL_REQUEST = struct.pack("!II", 8, 80877103)
"""What a client says to Postgres before TLS begins."""


class Authority:
    """Signs certificates; `root` is what a client trusts."""

    def __init__(self, home: Path) -> None:
        home.mkdir(parents=True)
        self.home, self.root = home, home / "root.crt"
        (home / "index").touch()
        (home / "settings").write_text(SETTINGS.format(home=home))
        self._openssl(
            "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=faults", "-days", "2",
            "-keyout", "root.key", "-out", "root.crt",
        )  # fmt: skip
        self._openssl(
            "req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=server", "-keyout", "server.key", "-out", "server.csr"
        )

    def issue(self, expired: bool = False) -> Path:
        """A certificate for the server; its key lies beside it."""
        times = ("20200101000000Z", "20200201000000Z") if expired else ("20200101000000Z", "20991231000000Z")
        self._openssl(
            "ca", "-batch", "-config", "settings", "-cert", "root.crt", "-keyfile", "root.key", "-in", "server.csr",
            "-startdate", times[0], "-enddate", times[1], "-out", "server.crt", "-notext",
        )  # fmt: skip
        return self.home / "server.crt"

    def _openssl(self, *arguments: str) -> None:
        if not shutil.which("openssl"):
            raise Unavailable("openssl is not installed here")
        done = subprocess.run(["openssl", *arguments], cwd=self.home, capture_output=True, text=True, check=False)
        if done.returncode:
            raise Unavailable(f"openssl {arguments[0]} failed: {done.stderr.strip().splitlines()[-1]}")


def install(cluster: Cluster, certificate: Path) -> None:
    """The server shows this certificate to whoever connects from now on."""
    data, account = cluster.server.data, cluster.server.account
    for source, name in ((certificate, "server.crt"), (certificate.with_name("server.key"), "server.key")):
        target = data / name
        target.write_bytes(source.read_bytes())
        target.chmod(0o600)
        if os.getuid() == 0:
            os.chown(target, account.uid, account.gid)
    cluster.run("ALTER SYSTEM SET ssl = on")
    cluster.run("SELECT pg_reload_conf()")
    deadline = time.monotonic() + 5
    while _shown(cluster) != ssl.PEM_cert_to_DER_cert(certificate.read_text()):
        if time.monotonic() > deadline:
            raise Unavailable("the server did not take the certificate")
        time.sleep(0.02)


def _shown(cluster: Cluster) -> bytes | None:
    """The certificate that the server shows now."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection(("127.0.0.1", cluster.server.port), 5) as line:
        line.sendall(SSL_REQUEST)
        if line.recv(1) != b"S":
            return None
        with context.wrap_socket(line) as encrypted:
            return encrypted.getpeercert(binary_form=True)


def remove(cluster: Cluster) -> None:
    """The server does without."""
    cluster.run("ALTER SYSTEM RESET ssl")
    cluster.run("SELECT pg_reload_conf()")
