#!/usr/bin/env python3
"""A target that opens channels which nobody has asked for, as soon as a command runs there, and prints what came of each.

Asked to listen it does, and opens the same at once, a connection to another port among them; what came of that is in its log.

rogue.py PORT HOST_KEY AUTHORIZED: as asyncssh_server.py has them. The command is a number: how often each is tried.
"""

import asyncio
import sys

import asyncssh
from asyncssh.channel import SSHForwardChannel
from asyncssh.packet import String, UInt32

port, host_key, authorized = sys.argv[1:]

tcp = String("127.0.0.1") + UInt32(22) + String("127.0.0.1") + UInt32(4711)
CHANNELS = {
    "session": b"",
    "x11": String("127.0.0.1") + UInt32(4711),
    "direct-tcpip": tcp,
    "forwarded-tcpip": tcp,
    "auth-agent@openssh.com": b"",
    "direct-streamlocal@openssh.com": String("/run/x.sock") + String("") + UInt32(0),
    "forwarded-streamlocal@openssh.com": String("/run/x.sock") + String(""),
    "tun@openssh.com": UInt32(1) + UInt32(0),
}


async def tried(connection, name, about):
    channel = SSHForwardChannel(connection, asyncio.get_event_loop(), None, "strict", 65536, 32768)
    try:
        await channel._open(name.encode(), about)
        return "open"
    except asyncssh.ChannelOpenError:
        return "refused"


async def serve(process):
    connection = process.channel.get_connection()
    for name, about in CHANNELS.items():
        came = [await tried(connection, name, about) for _ in range(int(process.command or 1))]
        process.stdout.write(f"{name} {' '.join(sorted(set(came)))}\n")
    process.exit(5)


class Server(asyncssh.SSHServer):
    def connection_made(self, connection):
        self.connection = connection

    def server_requested(self, host, granted):
        self.intruding = asyncio.get_event_loop().create_task(self.intrude(granted + 1))
        return True

    async def intrude(self, other):
        near = String("localhost") + UInt32(other) + String("127.0.0.1") + UInt32(4711)
        for turn in ("at once", "later"):
            for name, about in {**CHANNELS, "forwarded-tcpip": near}.items():
                print(turn, name, await tried(self.connection, name, about), flush=True)
            await asyncio.sleep(1)


async def main():
    await asyncssh.listen("127.0.0.1", int(port), server_factory=Server, server_host_keys=[host_key], authorized_client_keys=authorized,
                          process_factory=serve, line_editor=False)
    print("ready", flush=True)
    await asyncio.Event().wait()


asyncio.run(main())
