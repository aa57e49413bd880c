"""A small service manager: listens, hands its sockets over, hears sd_notify, restarts on SIGUSR1, ends on SIGTERM.

manager.py LOG NAME=PORT... -- COMMAND...: what the command says goes to LOG, a line each, newlines as `|`; so does
`restarted` and `exit N`. The sockets stay open while the command is away.
"""

import os
import signal
import socket
import subprocess
import sys
import threading

log_path, rest = sys.argv[1], sys.argv[2:]
at = rest.index("--")
places, command = rest[:at], rest[at + 1:]
log = open(log_path, "a", buffering=1)

names, listeners = [], []
for place in places:
    name, port = place.split("=")
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", int(port)))
    listener.listen(128)
    names.append(name)
    listeners.append(listener)

heard = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
heard.bind(log_path + ".socket")


def hear():
    while True:
        log.write(heard.recv(4096).decode().replace("\n", "|") + "\n")


threading.Thread(target=hear, daemon=True).start()


def start():
    environment = dict(os.environ, NOTIFY_SOCKET=log_path + ".socket", WATCHDOG_USEC="1000000")
    environment.pop("WATCHDOG_PID", None)
    if listeners:
        environment.update(LISTEN_FDS=str(len(listeners)), LISTEN_FDNAMES=":".join(names))

    def hand_over():
        signal.pthread_sigmask(signal.SIG_SETMASK, [])
        # First out of the way: a socket may have the number that another one is to get.
        away = [os.dup2(listener.fileno(), 100 + n) for n, listener in enumerate(listeners)]
        for n, fd in enumerate(away):
            os.dup2(fd, 3 + n)
            os.close(fd)

    # The shell knows the process id that the command keeps.
    line = ["sh", "-c", 'LISTEN_PID=$$; export LISTEN_PID; exec "$@"', "sh", *command]
    passed = [3 + n for n in range(len(listeners))]
    return subprocess.Popen(line, env=environment, preexec_fn=hand_over, pass_fds=passed)


asked = {signal.SIGUSR1: "restart", signal.SIGTERM: "stop", signal.SIGHUP: "reload"}
signal.pthread_sigmask(signal.SIG_BLOCK, asked)
child = start()
while True:
    what = asked[signal.sigwait(asked)]
    if what == "reload":
        child.send_signal(signal.SIGHUP)
        continue
    child.terminate()
    if what == "stop":
        # A second one is passed on: it means "now".
        done = threading.Event()

        def pass_on():
            signal.sigwait({signal.SIGTERM})
            if not done.is_set():
                child.terminate()

        threading.Thread(target=pass_on, daemon=True).start()
        code = child.wait()
        done.set()
        log.write(f"exit {code}\n")
        sys.exit(0)
    log.write(f"exit {child.wait()}\n")
    child = start()
    log.write("restarted\n")
