//! The stock `ssh`, with one identity: alone, as one of many on a connection, and under somebody who types.

use std::path::PathBuf;
use std::process::{Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

use pty_process::{OwnedReadPty, OwnedWritePty, Size};
use russh::keys::ssh_key::LineEnding;
use russh::keys::{Certificate, PrivateKey};
use sallyport::client::setup;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::{NAME, World, until};

/// No run of a command takes longer.
const RUN: Duration = Duration::from_secs(60);
/// Whatever is waited for comes sooner.
const SOON: Duration = Duration::from_secs(20);

/// Somebody at a machine with the stock `ssh`.
pub struct Client {
    pub key: Arc<PrivateKey>,
    pub certificate: Certificate,
    pub port: u16,
    known: PathBuf,
    dir: TempDir,
}

impl Client {
    pub fn new(world: &World, key: Arc<PrivateKey>, certificate: Certificate) -> Self {
        let dir = tempfile::tempdir_in(world.dir.path()).unwrap();
        key.write_openssh_file(dir.path().join("key"), LineEnding::LF).unwrap();
        certificate.write_file(&dir.path().join("key-cert.pub")).unwrap();
        let known = dir.path().join("known_hosts");
        let line = format!("@cert-authority {NAME} {}\n", world.keys.signer.host_ca().to_openssh().unwrap());
        std::fs::write(&known, line).unwrap();
        Self { key, certificate, port: world.bastion.ssh.port(), known, dir }
    }

    /// The arguments of `ssh`; the first is the program.
    pub fn line(&self, user: &str, options: &[&str], command: &[&str]) -> Vec<String> {
        let key = self.dir.path().join("key");
        let mut line: Vec<String> = ["ssh", "-F", "none", "-p"].map(str::to_owned).to_vec();
        line.extend([self.port.to_string(), "-i".to_owned(), key.display().to_string()]);
        let alias = format!("HostKeyAlias={NAME}");
        let known = format!("UserKnownHostsFile={}", self.known.display());
        for option in ["BatchMode=yes", "IdentitiesOnly=yes", "StrictHostKeyChecking=yes", &alias, &known] {
            line.extend(["-o".to_owned(), option.to_owned()]);
        }
        line.extend(options.iter().map(ToString::to_string));
        line.extend(["-l", user, "127.0.0.1"].map(str::to_owned));
        line.extend(command.iter().map(ToString::to_string));
        line
    }

    pub fn command(&self, user: &str, options: &[&str], command: &[&str]) -> Command {
        let line = self.line(user, options, command);
        let mut ssh = Command::new(&line[0]);
        ssh.args(&line[1..]).env_clear().env("PATH", "/usr/bin:/bin").kill_on_drop(true);
        ssh
    }

    /// Through the bastion as a jump host, to one of the targets by its name, with the lines that `sallyport login --setup` writes.
    pub fn jump(&self, world: &World, options: &[&str], destination: &str, command: &[&str]) -> Command {
        self.jumping(world, "ssh", options, destination, command)
    }

    /// The same with another program of OpenSSH.
    pub fn jumping(&self, world: &World, program: &str, options: &[&str], from: &str, rest: &[&str]) -> Command {
        let lines = setup::lines(&setup::Setup {
            bastion: NAME.to_owned(),
            host_name: Some("127.0.0.1".to_owned()),
            port: self.port,
            targets: ["web1", "web1.internal", "db1"].map(str::to_owned).to_vec(),
            logins: Vec::new(),
            host_ca: world.keys.signer.host_ca().clone(),
            certificate: self.dir.path().join("key-cert.pub"),
            key: Some(self.dir.path().join("key")),
        });
        let lines = lines.unwrap();
        let (config, known) = (self.dir.path().join("config"), self.dir.path().join("known_hosts_of_setup"));
        std::fs::write(&known, lines.known_hosts).unwrap();
        let all = format!("Host *\n    UserKnownHostsFile {}\n    StrictHostKeyChecking yes\n", known.display());
        let text =
            format!("{}{all}    BatchMode yes\n    ControlPath {}\n", lines.config, self.path("jump-%C").display());
        std::fs::write(&config, text).unwrap();
        let mut run = Command::new(program);
        run.arg("-F").arg(&config).args(options).arg(from).args(rest);
        run.env_clear().env("PATH", "/usr/bin:/bin").kill_on_drop(true);
        run
    }

    /// A file of this client's.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Runs a command and waits for its end.
    pub async fn run(&self, user: &str, command: &str) -> Output {
        self.feed(user, command, b"").await
    }

    /// The same, with input.
    pub async fn feed(&self, user: &str, command: &str, input: &[u8]) -> Output {
        finish(self.command(user, &[], &[command]), input).await
    }

    /// The same, with options of `ssh`.
    pub async fn with(&self, user: &str, options: &[&str], command: &[&str]) -> Output {
        finish(self.command(user, options, command), b"").await
    }

    /// Starts a command; its streams are pipes.
    pub fn start(&self, user: &str, options: &[&str], command: &str) -> Child {
        let mut ssh = self.command(user, options, &[command]);
        ssh.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        ssh.spawn().unwrap()
    }

    /// One connection for many sessions.
    pub async fn master(&self, user: &str) -> Master<'_> {
        let path = self.dir.path().join("m").display().to_string();
        let options = ["-M", "-N", "-S", &path];
        let mut ssh = self.command(user, &options, &[]);
        ssh.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = ssh.spawn().unwrap();
        until("a master connection", async || std::fs::exists(&path).unwrap().then_some(())).await;
        Master { client: self, user: user.to_owned(), path, _child: child }
    }

    /// A terminal of this size with `ssh` in it.
    pub fn terminal(&self, user: &str, options: &[&str], command: &[&str], size: (u16, u16)) -> Terminal {
        let line = self.line(user, options, command);
        self.terminal_of(&line, size)
    }

    /// A terminal with a program in it.
    pub fn terminal_of(&self, line: &[String], (cols, rows): (u16, u16)) -> Terminal {
        let (pty, pts) = pty_process::open().unwrap();
        pty.resize(Size::new(rows, cols)).unwrap();
        let mut program = Command::new(&line[0]);
        program
            .args(&line[1..])
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("TERM", "xterm-256color")
            .kill_on_drop(true);
        let child = pty_process::Command::from(program).spawn(pts).unwrap();
        let (read, write) = pty.into_split();
        Terminal { child, read, write, seen: Vec::new(), at: 0 }
    }
}

/// Runs to its end.
pub async fn finish(mut ssh: Command, input: &[u8]) -> Output {
    ssh.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = ssh.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let feeding = async move {
        // A command that reads nothing closes its end first.
        let _ = stdin.write_all(&input).await;
        drop(stdin);
    };
    let waiting = child.wait_with_output();
    let (output, ()) = timeout(RUN, async { tokio::join!(waiting, feeding) }).await.expect("ssh did not end");
    output.unwrap()
}

/// What a command gave, readable in a failed assertion.
pub fn shown(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

/// A connection that `ssh` keeps for others to use.
pub struct Master<'a> {
    client: &'a Client,
    user: String,
    path: String,
    _child: Child,
}

impl Master<'_> {
    pub fn start(&self, command: &str) -> Child {
        self.client.start(&self.user, &["-S", &self.path, "-o", "ControlMaster=no"], command)
    }

    pub async fn run(&self, command: &str) -> Output {
        self.feed(command, b"").await
    }

    pub async fn feed(&self, command: &str, input: &[u8]) -> Output {
        let options = ["-S", &self.path, "-o", "ControlMaster=no"];
        finish(self.client.command(&self.user, &options, &[command]), input).await
    }
}

/// Writes zeros into `child` until nobody takes any more; how many went.
pub async fn flood(child: &mut Child) -> u64 {
    let zeros = vec![0; 64 * 1024];
    let stdin = child.stdin.as_mut().unwrap();
    let mut sent = 0;
    loop {
        let mut piece = 0;
        let filling = async {
            while piece < zeros.len() {
                piece += stdin.write(&zeros[piece..]).await.unwrap();
            }
        };
        // What takes so long for a piece is blocked: what still goes is the trickle that keeps a blocked upload alive.
        let is_full = timeout(Duration::from_millis(700), filling).await.is_ok();
        sent += piece as u64;
        assert!(sent < 1 << 30, "nothing ever stops this");
        if !is_full {
            break;
        }
    }
    sent
}

/// A program in a terminal, and somebody who types and reads.
pub struct Terminal {
    child: Child,
    read: OwnedReadPty,
    write: OwnedWritePty,
    seen: Vec<u8>,
    /// What was seen up to here was waited for already.
    at: usize,
}

impl Terminal {
    pub async fn types(&mut self, text: &str) {
        timeout(SOON, self.write.write_all(text.as_bytes())).await.expect("nobody reads what is typed").unwrap();
    }

    /// Reads until `text` is seen, and gives what came before it.
    pub async fn sees(&mut self, text: &str) -> String {
        loop {
            let new = &self.seen[self.at..];
            if let Some(found) = new.windows(text.len()).position(|window| window == text.as_bytes()) {
                let before = String::from_utf8_lossy(&new[..found]).into_owned();
                self.at += found + text.len();
                return before;
            }
            let more = timeout(SOON, self.more()).await;
            assert!(matches!(more, Ok(true)), "no {text:?} in {:?}", String::from_utf8_lossy(&self.seen));
        }
    }

    pub fn resize(&self, (cols, rows): (u16, u16)) {
        self.write.resize(Size::new(rows, cols)).unwrap();
    }

    /// Reads to the end; the exit code, and all that was seen since it was last waited for.
    pub async fn ends(mut self) -> (Option<i32>, String) {
        let reading = async { while self.more().await {} };
        timeout(RUN, reading).await.expect("it goes on and on");
        let status = timeout(SOON, self.child.wait()).await.expect("it does not end").unwrap();
        (status.code(), String::from_utf8_lossy(&self.seen[self.at..]).into_owned())
    }

    async fn more(&mut self) -> bool {
        // The end of a terminal reads as an error.
        matches!(self.read.read_buf(&mut self.seen).await, Ok(count) if count > 0)
    }
}
