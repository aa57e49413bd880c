#!/usr/bin/env python3
"""Many connections that never sign in: half of them silent, half with a byte of their version line now and then.

slow.py PORT COUNT SOURCES SECONDS: from SOURCES addresses of loopback, kept for SECONDS, each opened anew at most three times
when it is closed. Prints `ready` once all were tried, then at the end how many were taken and how many were closed.
"""

import resource
import selectors
import socket
import sys
import time

port, count, sources, seconds = map(int, sys.argv[1:5])
resource.setrlimit(resource.RLIMIT_NOFILE, (count + 200, count + 200))
selector = selectors.DefaultSelector()
taken = closed = 0
tries = [0] * count


def connect(number):
    client = socket.socket()
    if sources > 1:
        client.bind((f"127.0.1.{1 + number % sources}", 0))
    client.settimeout(5)
    client.connect(("127.0.0.1", port))
    client.setblocking(False)
    tries[number] += 1
    selector.register(client, selectors.EVENT_READ, number)


def drop(client, number):
    global closed
    selector.unregister(client)
    client.close()
    closed += 1
    if tries[number] < 3:
        connect(number)


end = time.monotonic() + seconds
for number in range(count):
    connect(number)
print("ready", flush=True)
line = b"SSH-2.0-Slow\r\n"
beat = 0
while time.monotonic() < end:
    for key, _ in selector.select(0.2):
        try:
            got = key.fileobj.recv(4096)
        except OSError:
            got = b""
        if got:
            taken += 1
        else:
            drop(key.fileobj, key.data)
    beat += 1
    for key in list(selector.get_map().values()):
        if key.data % 2 and beat <= len(line):
            try:
                key.fileobj.send(line[beat - 1 : beat])
            except OSError:
                pass
print(f"taken {taken}, closed {closed}", flush=True)
