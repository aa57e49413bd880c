"""What is measured, a function a row. Each checks what arrived: its count and its digest, after the clock has stopped."""

import hashlib
import os
import pathlib
import pty
import select
import shutil
import statistics
import subprocess
import time
import tty

GIB = 1 << 30


def number(name, default):
    return int(os.environ.get(name, default))


def void(why):
    from bench import Void

    return Void(why)


def digest(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def line(name, medians, faster_is, unit, besides=""):
    """One row: the ratio to direct, and direct's own figure. faster_is: `less` for times, `more` for rates."""
    base = medians["direct"]
    cells = [f"{base:.3g} {unit}"] + [f"{medians[route] / base:.2f}" for route in ("proxyjump", "bastion", "jump")]
    return f"| {name} ({'less' if faster_is == 'less' else 'more'} is better) | {' | '.join(cells)} | {besides} |"


def content(bench, kind):
    """A file at the target and its digest; made once."""
    size = bench.mib << 20 if kind != "zeros" else 2 * bench.mib << 20
    file = bench.files / kind
    if not file.exists():
        with open(file, "wb") as out:
            for _ in range(size >> 20):
                out.write(os.urandom(1 << 20) if kind == "random" else bytes(1 << 20))
        file.chmod(0o644)
    return file, digest(file), size


def connect(bench, name, *options):
    one = lambda route: bench.timed(bench.ssh(route, "true", options=options))
    medians, cpu = bench.samples(one, number("CONNECTS", 4 * bench.rounds))
    between = ", ".join(f"{route} {1000 * cpu[route]:.1f} ms" for route in ("proxyjump", "bastion", "jump"))
    return line(name, medians, "less", "s", f"CPU between, each: {between}")


def connect_same(bench):
    return connect(bench, "connect, the same key exchange", "-o", "KexAlgorithms=curve25519-sha256")


def connect_default(bench):
    return connect(bench, "connect, everybody's defaults")


def exec_open(bench):
    """A command on a connection that is kept, as ControlMaster and Ansible do it."""
    from bench import ROUTES

    masters, medians = {}, {route: [] for route in ROUTES}
    try:
        for route in ROUTES:
            path = bench.files / f"m-{route}"
            masters[route] = subprocess.Popen(bench.ssh(route, options=["-M", "-S", path, "-N"]), stdin=subprocess.DEVNULL)
            until = time.monotonic() + 60
            while not path.exists():
                if masters[route].poll() is not None or time.monotonic() > until:
                    raise void(f"no master on {route}")
                time.sleep(0.02)
            # The first ones of a connection cost more than those that are counted.
            for _ in range(3):
                bench.timed(bench.ssh(route, "true", options=["-S", path]))

        def one(route):
            return bench.timed(bench.ssh(route, "true", options=["-S", bench.files / f"m-{route}"]))

        medians, _ = bench.samples(one, number("EXECS", 10 * bench.rounds))
    finally:
        for master in masters.values():
            master.terminate()
            master.wait()
    return line("exec on an open connection", medians, "less", "s")


def storm(bench):
    """Connections by 50 workers at once, per second."""
    total = number("STORM", 200)

    def one(route):
        began = time.monotonic()
        command = bench.ssh(route, "true", options=["-o", "KexAlgorithms=curve25519-sha256"])
        done = subprocess.run(["xargs", "-P", "50", "-I", "{}", *map(str, command)], input="x\n" * total, text=True, capture_output=True, timeout=300)
        if done.returncode != 0:
            raise void(f"{route}: {done.stderr[-200:]}")
        return total / (time.monotonic() - began)

    medians, _ = bench.samples(one, min(bench.rounds, 2))
    return line("connection storm, 50 workers", medians, "more", "a second")


def moved(bench, name, kind, down, how, digested=True):
    """A file to or from the target. how: `exec` or `sftp`."""
    source, wanted, size = content(bench, kind)
    arrived, scratch = bench.files / "arrived", bench.files / "batch"
    stored = []

    def one(route):
        arrived.unlink(missing_ok=True)
        before = disk(bench) if route == "bastion" else 0
        if how == "sftp":
            scratch.write_text(f"{'get' if down else 'put'} {source} {arrived}\n")
            took = bench.timed(["sftp", "-q", "-F", bench.place["config"], "-b", scratch, bench.host(route, digested)])
        elif down:
            with open(arrived, "wb") as out:
                took = bench.timed(bench.ssh(route, f"cat {source}", digest=digested), stdout=out)
        else:
            with open(source, "rb") as data:
                took = bench.timed(bench.ssh(route, f"cat >{arrived}", digest=digested), stdin=data)
        if route == "bastion":
            stored.append(disk(bench) - before)
        if arrived.stat().st_size != size or digest(arrived) != wanted:
            raise void(f"{route}: {arrived.stat().st_size} bytes of {size} arrived, or others")
        subprocess.run(["rm", "-f", arrived], check=True)
        return size / took / 1e6

    medians, cpu = bench.samples(one)
    between = ", ".join(f"{route} {cpu[route] * GIB / size:.2f} s" for route in ("proxyjump", "bastion", "jump"))
    kept = f"; stored {statistics.mean(stored) / size * 1024:.0f} MiB per GiB" if not digested else ""
    return line(name, medians, "more", "MB/s", f"CPU between, per GiB: {between}{kept}")


def disk(bench):
    return sum(path.stat().st_size for path in pathlib.Path(bench.place["state"]).rglob("*") if path.is_file())


def many(bench, down):
    """Files of 1 KB: scp -r up, sftp get -r down."""
    count = number("FILES", 2000)
    tree = bench.files / "tree"
    if not tree.exists():
        tree.mkdir()
        for index in range(count):
            (tree / f"{index}").write_bytes(os.urandom(1024))
    there = bench.files / "there"
    names = sorted(path.name for path in tree.iterdir())
    wanted = hashlib.sha256(b"".join((tree / name).read_bytes() for name in names)).hexdigest()

    def one(route):
        shutil.rmtree(there, ignore_errors=True)
        if down:
            batch = bench.files / "batch"
            batch.write_text(f"get -r {tree} {there}\n")
            took = bench.timed(["sftp", "-q", "-F", bench.place["config"], "-b", batch, bench.host(route)])
        else:
            took = bench.timed(["scp", "-q", "-r", "-F", bench.place["config"], tree, f"{bench.host(route)}:{there}"])
        got = hashlib.sha256(b"".join((there / name).read_bytes() for name in names)).hexdigest()
        if sorted(path.name for path in there.iterdir()) != names or got != wanted:
            raise void(f"{route}: other files arrived")
        # They belong to the target's account.
        shutil.rmtree(there)
        return took

    medians, _ = bench.samples(one)
    return line(f"{count} files of 1 KB, {'sftp get -r' if down else 'scp -r'}", medians, "less", "s")


def log_text(bench):
    """Log lines through a terminal: masked and recorded on the bastion's routes."""
    size = number("LOG_MIB", 100) << 20
    log, arrived = bench.files / "log", bench.files / "arrived"
    if not log.exists():
        with open(log, "w") as out:
            index = 0
            while out.tell() < size:
                out.write("".join(
                    f"2026-11-28T12:{(index + n) // 60 % 60:02}:{(index + n) % 60:02}Z web-{(index + n) % 7} app[{4000 + (index + n) % 97}]: GET /v1/orders/{(index + n) * 7919 % 999983}"
                    f" 200 {(index + n) * 31 % 900} ms request={(index + n) * 2654435761 % 2**32:08x}\n" for n in range(1000)))
                index += 1000
        log.chmod(0o644)
    wanted = hashlib.sha256(log.read_bytes().replace(b"\n", b"\r\n")).hexdigest()

    def one(route):
        with open(arrived, "wb") as out:
            took = bench.timed(bench.ssh(route, f"cat {log}", options=["-tt"]), stdout=out)
        if digest(arrived) != wanted:
            raise void(f"{route}: other text arrived, {arrived.stat().st_size} bytes")
        return size / took / 1e6

    medians, _ = bench.samples(one, min(bench.rounds, 3))
    return line(f"{size >> 20} MiB of log text through a terminal", medians, "more", "MB/s")


class Keys:
    """A session in a terminal whose far end gives back each key."""

    def __init__(self, bench, route):
        self.master, slave = pty.openpty()
        tty.setraw(slave)
        self.process = subprocess.Popen(bench.ssh(route, "stty raw -echo; echo ready; exec cat", options=["-tt"]), stdin=slave, stdout=slave, stderr=subprocess.DEVNULL)
        os.close(slave)
        self.until(b"ready")

    def until(self, text, limit=60):
        got, end = b"", time.monotonic() + limit
        while text not in got:
            if not select.select([self.master], [], [], max(0, end - time.monotonic()))[0]:
                raise void("no answer from a terminal")
            got += os.read(self.master, 65536)
            if not got:
                raise void("a terminal ended")

    def press(self, key):
        began = time.monotonic()
        os.write(self.master, key)
        self.until(key)
        return time.monotonic() - began

    def end(self):
        self.process.terminate()
        self.process.wait()
        os.close(self.master)


def keystroke(bench, loaded):
    """There and back; loaded: while another session by the same route downloads."""
    from bench import ROUTES

    presses = number("PRESSES", 200)
    sleeping = 0.01
    medians = {}
    source = content(bench, "random")[0] if loaded else None
    for route in ROUTES:
        keys = Keys(bench, route)
        load = None
        try:
            if loaded:
                load = subprocess.Popen(bench.ssh(route, f"while cat {source}; do :; done", digest=True), stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
                time.sleep(1)
            times = []
            for index in range(presses):
                times.append(keys.press(bytes([97 + index % 26])))
                # The pace of a person's keys would make the row long; what is waited for is an idle line.
                time.sleep(sleeping)
            if load and load.poll() is not None:
                raise void(f"{route}: the download ended")
            medians[route] = 1000 * statistics.median(times)
        finally:
            if load:
                load.terminate()
                load.wait()
            keys.end()
    return line("keystroke there and back, " + ("while another session downloads" if loaded else "idle"), medians, "less", "ms")


def family(pid):
    """A process and all below it."""
    found = [pid]
    for parent in found:
        for task in pathlib.Path(f"/proc/{parent}/task").glob("*/children"):
            found += [int(child) for child in task.read_text().split()]
    return found


def idle(bench):
    """Terminals in which nothing happens: memory of what stands between, each."""
    count = number("IDLE", 200)
    each = {}
    for route in ("proxyjump", "bastion", "jump"):
        weight = (lambda: sum(bench.pss(pid) for pid in family(bench.place["jump"]))) if route == "proxyjump" else (lambda: bench.pss(bench.place["bastion"]))
        before = weight()
        ready = bench.files / "ready"
        ready.mkdir(exist_ok=True)
        ready.chmod(0o777)
        started = []
        try:
            for index in range(count):
                command = f"touch {ready}/{route}-{index}; exec sleep 600"
                started.append(subprocess.Popen(bench.ssh(route, command, options=["-tt"]), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
                if index % 20 == 19:
                    wait_for(lambda: len(list(ready.glob(f"{route}-*"))) >= index + 1 - 10, f"{route}: sessions do not come up")
            wait_for(lambda: len(list(ready.glob(f"{route}-*"))) == count, f"{route}: sessions do not come up")
            # What their beginning left to be done is no part of it: recordings are stored and committed to for some seconds more.
            time.sleep(12)
            cpu = bench.between(route) if route != "proxyjump" else 0
            time.sleep(10)
            each[route] = ((weight() - before) / count / 1024, (bench.between(route) - cpu) / 10 * 100 if route != "proxyjump" else 0)
        finally:
            for process in started:
                process.terminate()
            for process in started:
                process.wait()
    cells = " | ".join(f"{each[route][0]:.0f} KiB" for route in ("proxyjump", "bastion", "jump"))
    return f"| {count} idle terminals, PSS each (less is better) | – | {cells} | CPU of the bastion meanwhile: {each['bastion'][1]:.1f} % of a core |"


def wait_for(holds, why, limit=120):
    end = time.monotonic() + limit
    while not holds():
        if time.monotonic() > end:
            raise void(why)
        time.sleep(0.05)


def unread(bench):
    """A client that never reads, and a target that never does: how much the one between grows."""
    seconds = number("UNREAD", 60)
    grown = {}
    for route in ("proxyjump", "bastion", "jump"):
        weigh = (lambda: sum(bench.pss(pid) for pid in family(bench.place["jump"]))) if route == "proxyjump" else (lambda: bench.pss(bench.place["bastion"]))
        for way, command in (("down", "cat /dev/zero"), ("up", f"sleep {seconds + 60}")):
            before, most = weigh(), 0
            zero = open("/dev/zero", "rb")
            said = open(bench.files / "said", "w+")
            process = subprocess.Popen(bench.ssh(route, command), stdin=zero if way == "up" else subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=said)
            try:
                end = time.monotonic() + seconds
                while time.monotonic() < end:
                    time.sleep(1)
                    if process.poll() is not None:
                        said.seek(0)
                        raise void(f"{route} {way}: ended with {process.returncode} by itself: {said.read()[-200:]}")
                    most = max(most, weigh() - before)
            finally:
                process.kill()
                process.wait()
                zero.close()
                said.close()
            grown[route, way] = most / 1048576
    cells = " | ".join(f"{grown[route, 'down']:.1f} / {grown[route, 'up']:.1f} MiB" for route in ("proxyjump", "bastion", "jump"))
    return f"| nobody reads for {seconds} s, down / up: growth (less is better) | – | {cells} | |"


ROWS = {
    "connect-same": connect_same,
    "connect": connect_default,
    "storm": storm,
    "exec-open": exec_open,
    "down": lambda bench: moved(bench, "bulk down, random, exec, digest", "random", True, "exec"),
    "up": lambda bench: moved(bench, "bulk up, random, exec, digest", "random", False, "exec"),
    "down-sftp": lambda bench: moved(bench, "bulk down, random, sftp", "random", True, "sftp", True),
    "up-sftp": lambda bench: moved(bench, "bulk up, random, sftp", "random", False, "sftp", True),
    "down-whole": lambda bench: moved(bench, "bulk down, random, exec, recorded whole", "random", True, "exec", False),
    "up-whole": lambda bench: moved(bench, "bulk up, random, exec, recorded whole", "random", False, "exec", False),
    "down-zeros": lambda bench: moved(bench, "zeros down, exec, digest", "zeros", True, "exec"),
    "up-zeros": lambda bench: moved(bench, "zeros up, exec, digest", "zeros", False, "exec"),
    "down-zeros-sftp": lambda bench: moved(bench, "zeros down, sftp", "zeros", True, "sftp", True),
    "up-zeros-sftp": lambda bench: moved(bench, "zeros up, sftp", "zeros", False, "sftp", True),
    "many-up": lambda bench: many(bench, False),
    "many-down": lambda bench: many(bench, True),
    "log": log_text,
    "key": lambda bench: keystroke(bench, False),
    "key-loaded": lambda bench: keystroke(bench, True),
    "idle": idle,
    "unread": unread,
}
