"""Rows of the way to Postgres: holes, pauses, delays, moved addresses, herds, certificates, names.

Each function breaks one thing between a service and Postgres and gives figures; it judges nothing. Where it stands:
registered in catalogue.py, run by run.py.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import threading
import time

import certificates
from catalogue import CATALOGUE, POSTGRES, Figures, Unavailable
from ledger import END
from rows_postgres import RATE, counted, deaf_since
from stage import Stage
from trial import Trial

row = CATALOGUE.row


def silent(stage: Stage, trial: Trial, limit: float) -> Figures:
    """The line has just gone silent; until when is the service deaf? Its answers and its readiness are watched."""
    began = time.monotonic()
    with trial.asking() as asked, trial.traffic(20):
        unready = trial.ready() is None or trial.wait(lambda: trial.ready() is False, 15)
        figures: Figures = {"unready_s": round(time.monotonic() - began, 1) if unready else None}
        trial.back(began, limit)
        time.sleep(1)
    back = deaf_since(trial, began)
    if not stage.ours:
        del figures["unready_s"]
    figures |= {"back_s": back, **counted(trial, began, back), "alive": trial.alive(), **asked.figures()}
    return {**figures, "exit": trial.finish()}


SILENT = ("back_s < 15", "alive = true", "exit = 0")
PATIENCE = 60.0
"""Seconds after which a deaf service counts as deaf for ever; the other system tests its line after 30 s."""


@row(38, "packets vanish, the old line for ever", POSTGRES, *SILENT)
def swallowed(stage: Stage) -> Figures:
    proxy = stage.proxy()
    with stage.trial(service_dsn=stage.cluster.dsn_at(proxy.port)).start() as trial:
        time.sleep(1)
        proxy.hole()
        return silent(stage, trial, PATIENCE)


@row(39, "packets wait for 8 s, then come", POSTGRES, "lost = 0", "back_s < 10", "alive = true", "exit = 0")
def held_up(stage: Stage) -> Figures:
    proxy = stage.proxy()
    with stage.trial(service_dsn=stage.cluster.dsn_at(proxy.port)).start() as trial:
        with trial.asking() as asked, trial.traffic(RATE):
            time.sleep(1)
            began = time.monotonic()
            proxy.pause = True
            time.sleep(2 if stage.quick else 8)
            proxy.pause = False
            trial.back(time.monotonic(), 20)
            time.sleep(1)
        trial.settle(10)
        figures: Figures = {"back_s": deaf_since(trial, began), "lost": len(trial.unfinished())}
        return {**figures, "alive": trial.alive(), **asked.figures(), "exit": trial.finish()}


@row(40, "the server's process is stopped (SIGSTOP)", POSTGRES, *SILENT)
def server_stopped(stage: Stage) -> Figures:
    with stage.trial().start() as trial:
        publisher = trial.publisher.connection().info.backend_pid
        stopped = set(stage.cluster.backends()) - {publisher}
        for pid in stopped:
            os.kill(pid, signal.SIGSTOP)
            stage.at_end(_go_on, pid)
        return silent(stage, trial, PATIENCE)


def _go_on(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGCONT)


@row(41, "200 ms of delay on the line", POSTGRES, "lost = 0", "reconnects = 0", "alive = true", "exit = 0")
def slow(stage: Stage) -> Figures:
    """Lost packets only add to the delay of a TCP line, so a delay is all that there is to put in."""
    proxy = stage.proxy()
    proxy.delay = 0.2
    with stage.trial(service_dsn=stage.cluster.dsn_at(proxy.port)).start() as trial:
        before = len(proxy.accepted)
        with trial.asking() as asked, trial.traffic(5):
            time.sleep(4 if stage.quick else 15)
        trial.settle(10)
        figures: Figures = {"lost": len(trial.unfinished()), "reconnects": len(proxy.accepted) - before}
        return {**figures, "alive": trial.alive(), **asked.figures(), "exit": trial.finish()}


@row(37, "the address moves to another server after 2 s", POSTGRES, "back_s < 1", "alive = true", "exit = 0")
def failed_over(stage: Stage) -> Figures:
    """Notifications are stored nowhere, so a second server that knows nothing of the first stands for a new primary."""
    other, proxy = stage.second_cluster(), stage.proxy()
    with stage.trial(service_dsn=stage.cluster.dsn_at(proxy.port)).start() as trial:
        time.sleep(0.5)
        stage.cluster.server.stop("immediate")
        trial.publisher.close()
        time.sleep(2)
        trial.publisher.dsn = other.dsn
        with trial.asking() as asked, trial.traffic(RATE):
            moved = time.monotonic()
            proxy.target = ("127.0.0.1", other.server.port)
            trial.back(moved, 30)
            time.sleep(0.5)
        figures: Figures = {"back_s": deaf_since(trial, moved), "alive": trial.alive(), **asked.figures()}
        return {**figures, "exit": trial.finish()}


@row(51, "eight services lose Postgres together for 5 s", POSTGRES, "worst_100_ms <= 4", "back_s < 1.5")
def herd(stage: Stage) -> Figures:
    """When it is there again: how many come in the same 100 ms, and when are all back?

    A fifth of them would be the mean of any even spread over half a second, so by chance some come closer than that.
    """
    proxy, count = stage.proxy(), 8
    dsn = f"{stage.cluster.dsn_at(proxy.port)} sslmode=disable"  # so that an attempt is one connection
    with contextlib.ExitStack() as stack:
        trials = [stack.enter_context(stage.trial(service_dsn=dsn, workers=1)) for _ in range(count)]
        starters = [threading.Thread(target=trial.start) for trial in trials]
        for starter in starters:
            starter.start()
        for starter in starters:
            starter.join()
        proxy.refuse = True
        began = time.monotonic()
        proxy.cut()
        time.sleep(5)
        proxy.refuse = False
        up = time.monotonic()
        waiting = set(range(count))
        back = 0.0
        while waiting and time.monotonic() < up + 30:
            for number in list(waiting):
                task = trials[number].send("work")
                if trials[number].wait_for(END, [task], 0.05):
                    back = max(back, time.monotonic() - up)
                    waiting.discard(number)
        attempts = [at for at in proxy.accepted if began < at < up]
        returns = [at for at in proxy.accepted if at > up][:count]
        worst = max(sum(at <= other < at + 0.1 for other in returns) for at in returns)
        figures: Figures = {"attempts": len(attempts), "worst_100_ms": worst, "services": count}
        return {**figures, "back_s": None if waiting else round(back, 2)}


@row(52, "the server's certificate has run out", POSTGRES, "kept_lost = 0", "said = true", "back_s < 1.5", "exit = 0")
def expired(stage: Stage) -> Figures:
    """The line that is open goes on; a new one fails and says why; a new certificate mends it."""
    authority = certificates.Authority(stage.place / "certificates")
    certificates.install(stage.cluster, authority.issue())
    stage.at_end(certificates.remove, stage.cluster)
    verified = f"{stage.cluster.dsn} sslmode=verify-ca sslrootcert={authority.root}"
    with stage.trial(service_dsn=verified).start() as trial:
        certificates.install(stage.cluster, authority.issue(expired=True))
        tasks = [trial.send("work") for _ in range(20)]
        trial.wait_for(END, tasks, 10)
        publisher = trial.publisher.connection().info.backend_pid
        stage.cluster.terminate(besides=publisher)
        said = trial.wait(lambda: "expired" in trial.said(), 8)
        certificates.install(stage.cluster, authority.issue())
        with trial.asking() as asked, trial.traffic(RATE):
            began = time.monotonic()
            trial.back(began, 30)
            time.sleep(0.5)
        figures: Figures = {"kept_lost": trial.lost(tasks), "said": said, "back_s": deaf_since(trial, began)}
        return {**figures, **asked.figures(), "exit": trial.finish()}


@row(53, "the resolver does not answer", POSTGRES, "alive = true", "back_s < 1.5", "exit = 0")
def no_names(stage: Stage) -> Figures:
    """The service lives in a mount namespace where names go to an address that swallows all; then it is as before."""
    if os.getuid() != 0 or not shutil.which("unshare"):
        raise Unavailable("only root can give a service a resolver of its own")
    place = stage.place
    place.mkdir(parents=True, exist_ok=True)
    (place / "resolv.conf").write_text("nameserver 192.0.2.1\n")
    (place / "hosts").write_text("127.0.0.1 localhost database.test\n")
    mounts = f"mount --bind {place}/resolv.conf /etc/resolv.conf && mount --bind {place}/hosts /etc/hosts"
    prefix = ("unshare", "--mount", "sh", "-c", f'{mounts} && exec "$@"', "sh")
    dsn = stage.cluster.dsn_at(stage.cluster.server.port, "database.test")
    with stage.trial(service_dsn=dsn) as trial:
        trial.start(prefix=prefix)
        (place / "hosts").write_text("127.0.0.1 localhost\n")
        stage.cluster.terminate(besides=trial.publisher.connection().info.backend_pid)
        with trial.asking() as asked:
            time.sleep(4 if stage.quick else 15)
            alive = trial.alive()
        (place / "hosts").write_text("127.0.0.1 localhost database.test\n")
        began = time.monotonic()
        with trial.traffic(RATE):
            trial.back(began, 40)
            time.sleep(0.5)
        figures: Figures = {"alive": alive, "back_s": deaf_since(trial, began), **asked.figures()}
        return {**figures, "exit": trial.finish()}
