#!/usr/bin/env python3
"""A command or a transfer by an SSH library for Python, as a program on it would do it.

library.py LIBRARY WAY PORT USER KEY OP ARGUMENT...

LIBRARY: paramiko, asyncssh, libssh (ssh-python) or libssh2 (ssh2-python). WAY: `plain`, as USER on PORT, or `jump`, which signs
in on PORT as a jump host and goes on to db1 as USER. OP: run COMMAND, pty COMMAND, put LOCAL REMOTE, get REMOTE LOCAL, version.
Standard input, output, error and the exit code are the command's.
"""

import os
import socket
import subprocess
import sys
import threading

# The places a jump goes by: the bastion's side and the target's, as in known_hosts and scripts.
JUMP_USER, TARGET = "jump", "db1"


def given():
    """All of standard input, or nothing where a command is not meant to have any."""
    return b"" if sys.stdin.isatty() else sys.stdin.buffer.read()


def passed_on(out, err, code):
    sys.stdout.buffer.write(out)
    sys.stdout.buffer.flush()
    sys.stderr.buffer.write(err)
    sys.exit(code)


class Paramiko:
    def __init__(self, way, port, user, key):
        import paramiko

        def client(name, host, port, sock=None):
            made = paramiko.SSHClient()
            made.set_missing_host_key_policy(paramiko.AutoAddPolicy())
            made.connect(host, port, name, key_filename=key, look_for_keys=False, allow_agent=False, sock=sock, timeout=30)
            return made

        if way == "plain":
            self.client = client(user, "127.0.0.1", port)
        else:
            self.outer = client(JUMP_USER, "127.0.0.1", port)
            channel = self.outer.get_transport().open_channel("direct-tcpip", (TARGET, 22), ("127.0.0.1", 0), timeout=30)
            self.client = client(user, TARGET, 22, channel)

    def run(self, command, pty=False):
        channel = self.client.get_transport().open_session(timeout=30)
        if pty:
            channel.get_pty("vt100", 80, 24)
        channel.exec_command(command)

        def feed():
            channel.sendall(given())
            channel.shutdown_write()

        threading.Thread(target=feed, daemon=True).start()
        errors = []
        reader = threading.Thread(target=lambda: errors.append(channel.makefile_stderr("rb").read()))
        reader.start()
        out = channel.makefile("rb").read()
        reader.join()
        passed_on(out, errors[0], channel.recv_exit_status())

    def put(self, local, remote):
        self.client.open_sftp().put(local, remote)

    def get(self, remote, local):
        self.client.open_sftp().get(remote, local)


class Asyncssh:
    def __init__(self, *place):
        self.place = place

    def work(self, what):
        import asyncio

        import asyncssh

        async def all_of_it():
            way, port, user, key = self.place
            options = {"known_hosts": None, "client_keys": [key], "agent_path": None, "config": None, "login_timeout": 30}
            outer = None
            if way == "jump":
                outer = await asyncssh.connect("127.0.0.1", port, username=JUMP_USER, **options)
                port = 22
            async with asyncssh.connect(TARGET if outer else "127.0.0.1", port, username=user, tunnel=outer or (), **options) as client:
                return await what(client)

        return asyncio.run(all_of_it())

    def run(self, command, pty=False):
        more = {"term_type": "vt100", "term_size": (80, 24), "request_pty": "force"} if pty else {}
        done = self.work(lambda client: client.run(command, input=given(), encoding=None, **more))
        passed_on(done.stdout, done.stderr, done.exit_status)

    def put(self, local, remote):
        async def step(client):
            async with client.start_sftp_client() as sftp:
                await sftp.put(local, remote)

        self.work(step)

    def get(self, remote, local):
        async def step(client):
            async with client.start_sftp_client() as sftp:
                await sftp.get(remote, local)

        self.work(step)


class Libssh:
    def __init__(self, way, port, user, key):
        from ssh import options
        from ssh.key import import_privkey_file
        from ssh.session import Session

        self.session = Session()
        self.session.options_set(options.HOST, "127.0.0.1" if way == "plain" else TARGET)
        self.session.options_set(options.USER, user)
        self.session.options_set(options.KNOWNHOSTS, "/dev/null")
        if way == "plain":
            self.session.options_set_port(port)
        else:
            # The library's own jump is a program, as in its reading of OpenSSH's configuration.
            self.session.options_set(options.PROXYCOMMAND, os.environ["JUMP_COMMAND"])
        self.session.connect()
        self.session.userauth_publickey(import_privkey_file(key))

    def run(self, command, pty=False):
        channel = self.session.channel_new()
        channel.open_session()
        if pty:
            channel.request_pty_size("vt100", 80, 24)
        channel.request_exec(command)
        data, out, err = given(), b"", b""
        for start in range(0, len(data), 32768):
            channel.write(data[start : start + 32768])
            out += channel.read_nonblocking(65536)[1]
        channel.send_eof()
        while True:
            size, more = channel.read(65536)
            if size <= 0:
                break
            out += more
        while True:
            size, more = channel.read(65536, is_stderr=True)
            if size <= 0:
                break
            err += more
        code = channel.get_exit_status()
        channel.close()
        passed_on(out, err, code)

    def put(self, local, remote):
        sftp = self.session.sftp_new()
        sftp.init()
        with open(local, "rb") as source, sftp.open(remote, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644) as file:
            while part := source.read(30000):
                file.write(part)

    def get(self, remote, local):
        sftp = self.session.sftp_new()
        sftp.init()
        with open(local, "wb") as copy, sftp.open(remote, os.O_RDONLY, 0) as file:
            while True:
                size, part = file.read(30000)
                if size <= 0:
                    break
                copy.write(part)


class Libssh2:
    def __init__(self, way, port, user, key):
        from ssh2.session import Session

        if way == "plain":
            self.sock = socket.create_connection(("127.0.0.1", port), 30)
            self.sock.settimeout(None)
        else:
            # It has no jump of its own: a program carries the inner connection.
            self.sock, theirs = socket.socketpair()
            self.carrier = subprocess.Popen(["bash", "-c", "exec " + os.environ["JUMP_COMMAND"]], stdin=theirs, stdout=theirs)
            theirs.close()
        self.session = Session()
        self.session.handshake(self.sock)
        self.session.userauth_publickey_fromfile(user, key, publickey=key + ".pub")

    def run(self, command, pty=False):
        channel = self.session.open_session()
        if pty:
            channel.pty("vt100")
        channel.execute(command)
        data = given()
        sent = 0
        while sent < len(data):
            sent += channel.write(data[sent : sent + 32768])[1]
        channel.send_eof()
        out, err = self.all_of(channel.read), self.all_of(channel.read_stderr)
        channel.wait_eof()
        channel.close()
        channel.wait_closed()
        passed_on(out, err, channel.get_exit_status())

    @staticmethod
    def all_of(read):
        got = b""
        while True:
            size, part = read()
            if size <= 0:
                return got
            got += part

    def put(self, local, remote):
        from ssh2 import sftp as names

        flags = names.LIBSSH2_FXF_WRITE | names.LIBSSH2_FXF_CREAT | names.LIBSSH2_FXF_TRUNC
        with open(local, "rb") as source, self.session.sftp_init().open(remote, flags, 0o644) as file:
            while part := source.read(30000):
                file.write(part)

    def get(self, remote, local):
        from ssh2 import sftp as names

        with open(local, "wb") as copy, self.session.sftp_init().open(remote, names.LIBSSH2_FXF_READ, 0) as file:
            for _size, part in file:
                copy.write(part)


def version(library):
    import importlib.metadata
    import pathlib

    package = {"libssh": "ssh-python", "libssh2": "ssh2-python"}.get(library, library)
    found = f"{package} {importlib.metadata.version(package)}"
    files = importlib.metadata.files(package) or []
    bundled = [pathlib.Path(file).name for file in files if pathlib.Path(file).name.startswith(library + "-")]
    return found + (f" with {bundled[0]}" if bundled else "")


def main():
    library, way, port, user, key, op, *arguments = sys.argv[1:]
    if op == "version":
        print(version(library))
        return
    client = {"paramiko": Paramiko, "asyncssh": Asyncssh, "libssh": Libssh, "libssh2": Libssh2}[library](way, int(port), user, key)
    if op == "pty":
        client.run(arguments[0], pty=True)
    else:
        getattr(client, op)(*arguments)


main()
