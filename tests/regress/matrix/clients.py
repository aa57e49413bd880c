"""How each client is asked for each thing. A client's `did(way, op)` gives its code, output and error output."""

import hashlib
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import threading

HERE = pathlib.Path(__file__).parent
PATIENCE = 60
COMMANDS = {
    "exec": "echo hello from $(id -un); pwd",
    "exit": "exit 7",
    "stderr": "echo out; echo err >&2",
    "bytes": "cat",
    "pty": "stty size; test -t 0 && test -t 1 && echo a terminal; echo $TERM",
}
EVERYTHING = [*COMMANDS, "transfer"]


def ran(argv, given=None, env=None, cwd=None):
    """Runs it without a terminal; given: its input, nothing otherwise. Bytes that are no short text count by their digest."""
    try:
        done = subprocess.run([str(part) for part in argv], input=given or b"", capture_output=True, timeout=PATIENCE, env=env, cwd=cwd)
    except subprocess.TimeoutExpired as late:
        return {"code": "no end", "out": str(late.stdout)[-300:], "err": str(late.stderr)[-300:]}
    out = done.stdout
    shown = out.decode(errors="replace") if len(out) < 4096 else f"{len(out)} bytes {hashlib.sha256(out).hexdigest()}"
    return {"code": done.returncode, "out": shown, "err": done.stderr.decode(errors="replace")[-600:]}


class Client:
    """What all have in common: a folder with keys and configuration, and the ways in."""

    ops = EVERYTHING
    ways = ["direct", "target", "jump"]
    needs: list[str] = []
    # What no package can bring: a machine without it cannot try this client, and that is no change.
    device = None

    def __init__(self, name, folder, place):
        self.name, self.folder, self.place = name, folder, place
        self.noise = folder / "noise"
        self.key = folder / "key"
        self.env = dict(os.environ, HOME=str(folder), JUMP_COMMAND=f"ssh -F {folder}/config -W db1:22 m-bastion")
        self.env.pop("SSH_AUTH_SOCK", None)

    def carried(self):
        return self.device is None or os.access(self.device, os.R_OK | os.W_OK)

    def here(self):
        return self.carried() and all(shutil.which(need) for need in self.needs)

    def version(self):
        return "absent" if not self.here() else self.said(self.version_argv())

    def said(self, argv):
        done = ran(argv, env=self.env)
        return ((done["out"] + done["err"]).strip().splitlines() or ["?"])[0]

    def port(self, way):
        return self.place["direct"] if way == "direct" else self.place["bastion"]

    def user(self, way):
        return self.place["login"] + ("+db1" if way == "target" else "")

    def did(self, way, op):
        if op == "transfer":
            return self.transferred(way)
        given = self.noise.read_bytes() if op == "bytes" else None
        return ran(self.argv(way, COMMANDS[op], op == "pty"), given, self.env)

    def transferred(self, way):
        """Up under a name of its own, back, and what came back."""
        remote = f"{self.place['remote']}/{self.name}-{way}"
        back = self.folder / f"back-{self.name}-{way}"
        for step in (self.put_argv(way, self.noise, remote), self.get_argv(way, remote, back)):
            done = ran(step, env=self.env)
            if done["code"] != 0:
                return done
        return {"code": 0, "out": hashlib.sha256(back.read_bytes()).hexdigest(), "err": ""}

    def wrong(self, op, got):
        """What is wrong with it by itself, apart from any comparison; None when nothing is."""
        noise = self.noise.read_bytes()
        digest = hashlib.sha256(noise).hexdigest()
        want = {
            "exec": (0, f"hello from {self.place['login']}"), "exit": (7, ""), "stderr": (0, "out"),
            "bytes": (0, f"{len(noise)} bytes {digest}"), "transfer": (0, digest), "pty": (0, "a terminal"),
        }[op]
        fine = got["code"] == want[0] and want[1] in got["out"] and (op != "stderr" or ("err" in got["err"] and "err" not in got["out"]))
        return None if fine else f"got {got}"


class OpenSsh(Client):
    """The stock client, and its older namesake; a certificate towards the bastion."""

    def __init__(self, program, copy, *rest):
        super().__init__(*rest)
        self.program, self.copy, self.needs = program, copy, [program]
        # Its own program for the jump, or an older one would go through the newer.
        self.jump = ["-o", f"ProxyCommand={program} -F {self.folder}/config -W %h:%p m-certified"]

    def base(self, way, program):
        return [*program, "-F", self.folder / "config", *(self.jump if way == "jump" else [])]

    def version_argv(self):
        return [self.program, "-V"]

    def argv(self, way, command, pty):
        return [*self.base(way, [self.program]), *(["-tt"] if pty else []), f"m-{way}", command]

    def did(self, way, op):
        """Without the client's own word at the end, which has the name of the place."""
        got = super().did(way, op)
        got["err"] = re.sub(r"Connection to \S+ closed\.\r?\n", "", got["err"])
        return got

    def put_argv(self, way, local, remote):
        return [*self.base(way, self.copy), "-q", local, f"m-{way}:{remote}"]

    def get_argv(self, way, remote, local):
        return [*self.base(way, self.copy), "-q", f"m-{way}:{remote}", local]


class OpenSshFiles(OpenSsh):
    """Its other ways to move files: sftp by batch, and scp in its old protocol, which is a command."""

    ops = ["transfer"]

    def batch(self, way, line):
        script = self.folder / f"batch-{self.name}-{way}-{line.split()[0]}"
        script.write_text(line + "\n")
        return [*self.base(way, self.copy), "-q", "-b", script, f"m-{way}"]

    def put_argv(self, way, local, remote):
        return self.batch(way, f"put {local} {remote}") if self.copy == ["sftp"] else super().put_argv(way, local, remote)

    def get_argv(self, way, remote, local):
        return self.batch(way, f"get {remote} {local}") if self.copy == ["sftp"] else super().get_argv(way, remote, local)


class Putty(Client):
    needs = ["plink", "pscp", "psftp"]

    def version_argv(self):
        return ["plink", "-V"]

    def base(self, program, way):
        base = [program, "-batch", "-P", self.port(way) if way != "jump" else 22, "-l", self.user(way), "-i", self.folder / "key.ppk", "-noagent"]
        for print_ in self.place["fingerprints"].values():
            base += ["-hostkey", print_]
        if way == "jump":
            keys = " ".join("-hostkey " + print_ for print_ in self.place["fingerprints"].values())
            # PuTTY reads a backslash in this as an escape; there is none.
            base += ["-proxycmd", f"plink -batch -P {self.port(way)} -l jump -i {self.folder}/key.ppk -noagent {keys} -nc db1:22 127.0.0.1"]
        return base

    def host(self, way):
        return "db1" if way == "jump" else "127.0.0.1"

    def argv(self, way, command, pty):
        return [*self.base("plink", way), "-ssh", *(["-t"] if pty else ["-T"]), self.host(way), command]

    def put_argv(self, way, local, remote):
        return [*self.base("pscp", way), "-q", local, f"{self.host(way)}:{remote}"]

    def get_argv(self, way, remote, local):
        return [*self.base("pscp", way), "-q", f"{self.host(way)}:{remote}", local]


class Psftp(Putty):
    ops = ["transfer"]

    def batch(self, way, line):
        script = self.folder / f"batch-{self.name}-{way}-{line.split()[0]}"
        script.write_text(line + "\n")
        return [*self.base("psftp", way), "-b", script, self.host(way)]

    def put_argv(self, way, local, remote):
        return self.batch(way, f"put {local} {remote}")

    def get_argv(self, way, remote, local):
        return self.batch(way, f"get {remote} {local}")


class Dropbear(Client):
    needs = ["dbclient"]

    def version_argv(self):
        return ["dbclient", "-V"]

    def base(self, way):
        base = ["dbclient", "-y", "-y", "-i", self.folder / "key.db", "-l", self.user(way)]
        if way == "jump":
            return [*base, "-J", f"dbclient -y -y -i {self.folder}/key.db -p {self.port(way)} -B db1:22 jump@127.0.0.1", "db1"]
        return [*base, "-p", self.port(way), "127.0.0.1"]

    def argv(self, way, command, pty):
        *base, host = self.base(way)
        if not pty:
            return [*base, "-T", host, command]
        # It takes the modes of a terminal of its own, and does without none.
        return ["script", "-qec", shlex.join(str(part) for part in [*base, "-t", host, command]), "/dev/null"]

    def did(self, way, op):
        """Without its word that it was told to trust whoever answers, once for each connection, and without what the terminal of
        its own echoes of the end of its input, if that comes before it takes the modes away: ahead of that word or behind it."""
        got = super().did(way, op)
        got["out"] = re.sub(r"(\^[@D](\x08\x08)?)+", "", got["out"])
        for stream in ("out", "err"):
            got[stream] = re.sub(r"dbclient: (Caution, skipping hostkey check|Failed to connect to agent).*\r?\n(\r?\n)?", "", got[stream])
        return got

    def copier(self, way):
        """The stock scp with dbclient below, as on a machine that has only that; its own options mean nothing to dbclient."""
        script = self.folder / f"dbclient-{way}"
        line = " ".join(f"'{part}'" for part in self.base(way))
        script.write_text(f'#!/bin/bash\nwhile [ "$1" != -- ]; do shift; done\nshift 2\nexec {line} "$@"\n')
        script.chmod(0o755)
        return ["scp", "-O", "-q", "-S", script]

    def put_argv(self, way, local, remote):
        return [*self.copier(way), local, f"there:{remote}"]

    def get_argv(self, way, remote, local):
        return [*self.copier(way), f"there:{remote}", local]


class Library(Client):
    """A program of ours on somebody's library; all of them take the same arguments."""

    def __init__(self, program, *rest, key=None, ops=None, ways=None):
        super().__init__(*rest)
        self.program, self.ops, self.ways = program, ops or self.ops, ways or self.ways
        self.key = key or self.key

    def here(self):
        return ran(self.version_argv(), env=self.env)["code"] == 0

    def call(self, way, op, *arguments):
        return [*self.program, "jump" if way == "jump" else "plain", self.port(way), self.user(way), self.key, op, *arguments]

    def version_argv(self):
        return self.call("direct", "version")

    def argv(self, way, command, pty):
        return self.call(way, "pty" if pty else "run", command)

    def put_argv(self, way, local, remote):
        return self.call(way, "put", local, remote)

    def get_argv(self, way, remote, local):
        return self.call(way, "get", remote, local)


class Curl(Client):
    needs = ["curl"]
    ops = ["transfer"]

    def __init__(self, scheme, *rest):
        super().__init__(*rest)
        self.scheme = scheme

    def here(self):
        return super().here() and self.scheme in ran(["curl", "--version"])["out"].split()

    def version_argv(self):
        return ["curl", "--version"]

    def base(self, way, remote):
        """By its own means: it knows no jump, and takes a SOCKS port of the stock client's."""
        host = f"127.0.0.1:{self.port(way)}" if way != "jump" else "db1:22"
        proxy = ["--proxy", f"socks5h://127.0.0.1:{self.place['socks']}"] if way == "jump" else []
        return ["curl", "-sS", "-k", *proxy, "--key", self.key, "--pubkey", f"{self.key}.pub", "-u", f"{self.user(way)}:",
                f"{self.scheme}://{host}{remote}"]

    def put_argv(self, way, local, remote):
        return [*self.base(way, remote), "-T", local]

    def get_argv(self, way, remote, local):
        return [*self.base(way, remote), "-o", local]


class Tool(Client):
    """A program that starts the stock ssh itself."""

    ops = ["transfer"]

    def ssh(self, way):
        return f"ssh -F {self.folder}/config"

    def version_argv(self):
        return [self.needs[0], "-V" if self.needs[0] == "ssh" else "--version"]


class Rsync(Tool):
    needs = ["rsync"]

    def put_argv(self, way, local, remote):
        return ["rsync", "-e", self.ssh(way), local, f"m-{way}:{remote}"]

    def get_argv(self, way, remote, local):
        return ["rsync", "-e", self.ssh(way), f"m-{way}:{remote}", local]


class Lftp(Tool):
    needs = ["lftp"]

    def line(self, way, what):
        return ["lftp", "-c", f"set sftp:connect-program '{self.ssh(way)} -a -x'; set net:max-retries 1; open sftp://m-{way}; {what}"]

    def put_argv(self, way, local, remote):
        return self.line(way, f"put {local} -o {remote}")

    def get_argv(self, way, remote, local):
        return self.line(way, f"get {remote} -o {local}")


class Script(Tool):
    """A few lines of shell that end with the bytes that came back on standard output."""

    def __init__(self, script, *rest, needs=(), ops=None, ways=None):
        super().__init__(*rest)
        self.script, self.needs, self.ops, self.ways = script, list(needs), ops or self.ops, ways or self.ways

    def did(self, way, op):
        folder = self.folder / f"{self.name}-{way}-{op}"
        folder.mkdir()
        env = dict(self.env, WAY=way, CONFIG=f"{self.folder}/config", NOISE=str(self.noise), REMOTE=f"{self.place['remote']}/{self.name}-{way}", OP=op)
        done = ran(["bash", HERE / "scripts" / self.script], env=env, cwd=folder)
        # What a transfer brought back counts as a client's own copy does.
        if op == "transfer" and done["code"] == 0:
            done = dict(done, out=done["out"].split()[-1], err="")
        return done


class Sshfs(Script):
    device = "/dev/fuse"


class Ansible(Tool):
    """All ways and all its kinds of transfer in one play, for it starts slowly; each cell is one host of the play."""

    ops = ["exec", "transfer"]
    needs = ["ansible-playbook"]
    kinds = ["sftp", "scp", "piped", "pipelining"]
    played: dict = {}
    lock = threading.Lock()

    def __init__(self, kind, *rest):
        super().__init__(*rest)
        self.kind = kind

    def did(self, way, op):
        with self.lock:
            if not self.played:
                self.played.update(self.play())
        host = f"{self.kind}-{way}"
        if op == "transfer":
            back = self.folder / "fetched" / host
            return {"code": 0 if back.exists() else 1, "out": hashlib.sha256(back.read_bytes()).hexdigest() if back.exists() else "", "err": ""}
        return self.played.get(host, {"code": 1, "out": "", "err": self.played["log"]})

    def play(self):
        lines = []
        for kind in self.kinds:
            for way in self.ways:
                transfer = f"ansible_ssh_transfer_method={kind}" if kind != "pipelining" else "ansible_ssh_pipelining=true"
                lines.append(f"{kind}-{way} ansible_host=m-{way} {transfer} ansible_remote_tmp=/tmp/ansible-{self.place['direct']}-{kind}-{way}")
        (self.folder / "inventory").write_text("\n".join(lines) + "\n[all:vars]\nansible_python_interpreter=/usr/bin/python3\n")
        (self.folder / "play.yml").write_text(f"""- hosts: all
  gather_facts: false
  tasks:
    - ansible.builtin.copy: {{src: {self.noise}, dest: "{self.place['remote']}/ansible-{{{{ inventory_hostname }}}}"}}
    - ansible.builtin.shell: "{COMMANDS['exec']}; echo err >&2; exit 7"
      register: said
      failed_when: said.rc != 7 or said.stderr != 'err'
    - ansible.builtin.fetch: {{src: "{self.place['remote']}/ansible-{{{{ inventory_hostname }}}}", dest: "fetched/{{{{ inventory_hostname }}}}", flat: true}}
    - ansible.builtin.copy: {{content: "{{{{ said.stdout }}}}", dest: "said/{{{{ inventory_hostname }}}}"}}
      delegate_to: localhost
      vars: {{ansible_connection: local}}
""")
        (self.folder / "said").mkdir()
        (self.folder / "fetched").mkdir()
        env = dict(
            self.env, ANSIBLE_SSH_ARGS=f"-F {self.folder}/config -o ControlMaster=auto -o ControlPersist=5s", ANSIBLE_NOCOLOR="1",
            ANSIBLE_SSH_CONTROL_PATH_DIR=str(self.folder / "cp"), ANSIBLE_LOCALHOST_WARNING="0", ANSIBLE_FORKS="4", ANSIBLE_SCP_EXTRA_ARGS="-O",
        )
        done = ran(["ansible-playbook", "-i", "inventory", "play.yml"], env=env, cwd=self.folder)
        (self.folder / "ansible.log").write_text(done["out"] + done["err"])
        said = {file.name: {"code": 0, "out": file.read_text(), "err": ""} for file in (self.folder / "said").iterdir()}
        return {**said, "log": done["out"] + done["err"]}


def every(folder, place):
    """All of them, in the order of the table."""
    def rest(name):
        return name, folder, place

    python = [sys.executable, HERE / "library.py"]
    return [
        OpenSsh("ssh", ["scp"], *rest("openssh")),
        OpenSshFiles("ssh", ["sftp"], *rest("openssh-sftp")),
        OpenSshFiles("ssh", ["scp", "-O"], *rest("openssh-scp-O")),
        OpenSsh("ssh1", ["scp1", "-S", shutil.which("ssh1") or "ssh1"], *rest("openssh-7.5")),
        Putty(*rest("putty")),
        Psftp(*rest("psftp")),
        Dropbear(*rest("dropbear")),
        *(Library([*python, name], *rest(name)) for name in ("libssh", "libssh2", "paramiko", "asyncssh")),
        Curl("sftp", *rest("curl-sftp")),
        Curl("scp", *rest("curl-scp")),
        Library([folder / "client-go"], *rest("go")),
        Library(["node", HERE / "client.mjs"], *rest("ssh2-node")),
        Library(["ruby", HERE / "client.rb"], *rest("net-ssh")),
        Library(["java", "-cp", f"{folder}:/usr/share/java/jsch.jar", "Client"], *rest("jsch"), key=folder / "key.pem",
                ops=list(COMMANDS), ways=["direct", "target"]),
        Rsync(*rest("rsync")),
        Script("git.sh", *rest("git"), needs=["git"]),
        Lftp(*rest("lftp")),
        Sshfs("sshfs.sh", *rest("sshfs"), needs=["sshfs", "fusermount3"]),
        *(Ansible(kind, *rest(f"ansible-{kind}")) for kind in Ansible.kinds),
        Script("vscode.sh", *rest("vscode-socks"), needs=["ssh"], ops=["bytes"]),
        Script("vscode.sh", *rest("vscode-socket"), needs=["ssh"], ops=["bytes"]),
        Script("mosh.sh", *rest("mosh"), needs=["mosh"], ops=["exec"], ways=["target"]),
    ]
