//! One process of the demo target and the pumps between it and its channel.
//!
//! A process has a group or a terminal session of its own and ends with its channel. It inherits no
//! environment and no root.

use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use pty_process::Size;
use russh::server::{Handle, Msg};
use russh::{Channel, ChannelMsg, ChannelReadHalf, ChannelWriteHalf, Sig};
use rustix::process::{Gid, Pid, Signal, Uid, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::process::Child;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::connection::cost;
use super::terminal::{self, Terminal};

/// What a client asked for.
pub(super) enum Program {
    Shell,
    Command(Vec<u8>),
}

impl Program {
    pub(super) fn asked(&self) -> Option<&[u8]> {
        match self {
            Self::Shell => None,
            Self::Command(command) => Some(command),
        }
    }
}

/// All that decides how a process starts.
pub(super) struct Order {
    pub(super) program: Program,
    pub(super) forced: Option<String>,
    pub(super) login: String,
    pub(super) target: String,
    pub(super) home: PathBuf,
    pub(super) env: Vec<(String, String)>,
    pub(super) terminal: Option<Terminal>,
    pub(super) source: SocketAddr,
}

/// A process that runs, not yet joined to its channel.
pub(super) struct Process {
    child: Child,
    group: Group,
    input: Box<dyn AsyncWrite + Send + Unpin>,
    output: Box<dyn AsyncRead + Send + Unpin>,
    errors: Option<Box<dyn AsyncRead + Send + Unpin>>,
    terminal: Option<Arc<OwnedFd>>,
}

impl Process {
    pub(super) fn controls(&self) -> Controls {
        Controls { group: self.group.0, terminal: self.terminal.as_ref().map(Arc::downgrade).unwrap_or_default() }
    }
}

/// What a client may do to a process while it runs.
pub(super) struct Controls {
    group: Pid,
    /// Weak: the process hangs up when its own task lets go.
    terminal: Weak<OwnedFd>,
}

impl Controls {
    pub(super) fn resize(&self, size: Size) {
        if let Some(terminal) = self.terminal.upgrade() {
            let _ = rustix::termios::tcsetwinsize(&terminal, size.into());
        }
    }

    pub(super) fn signal(&self, signal: &Sig) {
        let signal = match signal {
            Sig::ABRT => Signal::ABORT,
            Sig::ALRM => Signal::ALARM,
            Sig::FPE => Signal::FPE,
            Sig::HUP => Signal::HUP,
            Sig::ILL => Signal::ILL,
            Sig::INT => Signal::INT,
            Sig::KILL => Signal::KILL,
            Sig::PIPE => Signal::PIPE,
            Sig::QUIT => Signal::QUIT,
            Sig::SEGV => Signal::SEGV,
            Sig::TERM => Signal::TERM,
            Sig::USR1 => Signal::USR1,
            Sig::Custom(name) if name == "USR2" => Signal::USR2,
            Sig::Custom(_) => return,
        };
        let _ = kill_process_group(self.group, signal);
    }
}

/// A process group. Whatever is left of it dies when this is dropped.
struct Group(Pid);

impl Drop for Group {
    fn drop(&mut self) {
        let _ = kill_process_group(self.0, Signal::KILL);
    }
}

/// Programs of the home come first, as many a login's profile has it.
fn path(home: &Path) -> std::ffi::OsString {
    let mut path = home.join("bin").into_os_string();
    path.push(":/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin");
    path
}

/// The program behind a subsystem, where this machine has it.
pub(super) fn subsystem(name: &str) -> Option<&'static str> {
    let places = ["/usr/lib/openssh/sftp-server", "/usr/libexec/openssh/sftp-server", "/usr/libexec/sftp-server"];
    places.into_iter().find(|place| name == "sftp" && Path::new(place).exists())
}

pub(super) fn start(order: Order) -> std::io::Result<Process> {
    let mut command = command(&order);
    let Some(terminal) = &order.terminal else {
        command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = tokio::process::Command::from(command).spawn()?;
        let group = group_of(&child)?;
        let (Some(input), Some(output), Some(errors)) = (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err(std::io::ErrorKind::BrokenPipe.into());
        };
        let (input, output, errors) = (Box::new(input), Box::new(output), Some(Box::new(errors) as _));
        return Ok(Process { child, group, input, output, errors, terminal: None });
    };
    let (pty, pts) = pty_process::open().map_err(std::io::Error::other)?;
    pty.resize(terminal.size).map_err(std::io::Error::other)?;
    terminal::set_modes(&pts, &terminal.modes)?;
    if rustix::process::geteuid().is_root() {
        rustix::fs::fchown(&pts, Some(Uid::from_raw(NOBODY)), Some(Gid::from_raw(NOBODY)))?;
    }
    let control = Arc::new(pty.as_fd().try_clone_to_owned()?);
    // It becomes the leader of a session with this terminal, so its group has its own number too.
    let spawned = pty_process::Command::from(tokio::process::Command::from(command)).spawn(pts);
    let child = spawned.map_err(std::io::Error::other)?;
    let group = group_of(&child)?;
    let (output, input) = pty.into_split();
    let (input, output) = (Box::new(input), Box::new(output));
    Ok(Process { child, group, input, output, errors: None, terminal: Some(control) })
}

fn group_of(child: &Child) -> std::io::Result<Group> {
    let id = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    id.map(Group).ok_or_else(|| std::io::ErrorKind::NotFound.into())
}

/// As OpenSSH does it: through the login's shell, in a clean environment.
fn command(order: &Order) -> std::process::Command {
    let mut command = std::process::Command::new(SHELL);
    let forced = order.forced.as_ref().map(|text| text.clone().into_bytes());
    match forced.as_deref().or(order.program.asked()) {
        Some(text) => command.arg("-c").arg(std::ffi::OsString::from_vec(text.to_vec())),
        None => command.arg0("-sh"),
    };
    command
        .env_clear()
        .envs(order.env.iter().map(|(name, value)| (name, value)))
        .env("HOME", &order.home)
        .env("PATH", path(&order.home))
        .env("USER", &order.login)
        .env("LOGNAME", &order.login)
        .env("SHELL", SHELL)
        .env("SSH_CLIENT", format!("{} {} 22", order.source.ip(), order.source.port()))
        .current_dir(&order.home);
    if let Some(terminal) = &order.terminal {
        command.env("TERM", &terminal.term).env("PS1", format!("{}@{}$ ", order.login, order.target));
    }
    if let (Some(_), Some(asked)) = (&order.forced, order.program.asked()) {
        command.env("SSH_ORIGINAL_COMMAND", std::ffi::OsString::from_vec(asked.to_vec()));
    }
    if rustix::process::geteuid().is_root() {
        // With a new uid the standard library drops root's supplementary groups by itself.
        command.uid(NOBODY).gid(NOBODY);
    }
    command
}

/// Joins a process to its channel until both have ended, or `end` says so.
pub(super) async fn serve(
    process: Process,
    channel: Channel<Msg>,
    session: Handle,
    end: impl Future<Output = ()>,
    backlog: &AtomicI64,
) {
    let (read, write) = channel.split();
    let Process { mut child, group, input, output, errors, terminal } = process;
    let ended = {
        let exited = CancellationToken::new();
        // Others may keep a terminal open for ever; a pipe is waited for, as OpenSSH's server does.
        let last_words = terminal.as_ref().map(|_| exited.clone());
        let wait = async {
            let status = child.wait().await;
            exited.cancel();
            status
        };
        let show = async {
            let errors = async {
                if let Some(errors) = errors {
                    pump(errors, &write, Some(STDERR), None).await;
                }
            };
            tokio::join!(pump(output, &write, None, last_words), errors);
        };
        tokio::select! {
            (status, ()) = async { tokio::join!(wait, show) } => status.ok(),
            () = feed(read, input, backlog) => None,
            () = end => None,
        }
    };
    match ended {
        Some(status) => report(&session, &write, status).await,
        None => {
            let _ = kill_process_group(group.0, Signal::HUP);
            let _ = kill_process_group(group.0, Signal::CONT);
            let _ = timeout(HANGUP_GRACE, child.wait()).await;
        }
    }
    drop(terminal);
    drop(group);
    // Bounded: a client that reads nothing leaves no room in the library's queue.
    let _ = timeout(CLOSE_TIME, async {
        let _ = write.eof().await;
        let _ = write.close().await;
    })
    .await;
}

/// Client to process. Returns when the channel was closed, not at its end of input.
async fn feed(mut read: ChannelReadHalf, input: Box<dyn AsyncWrite + Send + Unpin>, backlog: &AtomicI64) {
    let mut input = Some(input);
    while let Some(message) = read.wait().await {
        match message {
            ChannelMsg::Data { data } => {
                if let Some(open) = &mut input {
                    // A process that closed its input goes on; what still comes for it is dropped.
                    if open.write_all(&data).await.is_err() {
                        input = None;
                    }
                }
                backlog.fetch_sub(cost(data.len()), Ordering::SeqCst);
            }
            ChannelMsg::Eof => input = None,
            ChannelMsg::Close => return,
            _ => {}
        }
    }
}

/// Process to client. With `last_words`, ends once those were cancelled and nothing more comes.
async fn pump(
    mut from: Box<dyn AsyncRead + Send + Unpin>,
    to: &ChannelWriteHalf<Msg>,
    extended: Option<u32>,
    last_words: Option<CancellationToken>,
) {
    let mut buffer = BytesMut::new();
    loop {
        buffer.reserve(READ_BYTES);
        let quiet = async {
            match &last_words {
                Some(exited) => exited.cancelled().await,
                None => std::future::pending().await,
            }
            tokio::time::sleep(LAST_WORDS).await;
        };
        let read = tokio::select! {
            biased;
            // A terminal whose other side was closed reads as an input/output error.
            read = from.read_buf(&mut buffer) => read.unwrap_or(0),
            () = quiet => 0,
        };
        if read == 0 {
            return;
        }
        let bytes: Bytes = buffer.split().freeze();
        let sent = match extended {
            None => to.data_bytes(bytes).await,
            Some(code) => to.extended_data_bytes(code, bytes).await,
        };
        if sent.is_err() {
            return;
        }
    }
}

/// Before the end of output and the close: after them it would go nowhere.
async fn report(session: &Handle, write: &ChannelWriteHalf<Msg>, status: ExitStatus) {
    if let Some(code) = status.code() {
        let _ = write.exit_status(u32::try_from(code).unwrap_or(255)).await;
        return;
    }
    let name = match status.signal().and_then(Signal::from_named_raw) {
        Some(Signal::ABORT) => Sig::ABRT,
        Some(Signal::ALARM) => Sig::ALRM,
        Some(Signal::FPE) => Sig::FPE,
        Some(Signal::HUP) => Sig::HUP,
        Some(Signal::ILL) => Sig::ILL,
        Some(Signal::INT) => Sig::INT,
        Some(Signal::PIPE) => Sig::PIPE,
        Some(Signal::QUIT) => Sig::QUIT,
        Some(Signal::SEGV) => Sig::SEGV,
        Some(Signal::TERM) => Sig::TERM,
        Some(Signal::USR1) => Sig::USR1,
        Some(Signal::USR2) => Sig::Custom("USR2".to_owned()),
        _ => Sig::KILL,
    };
    let _ = session.exit_signal_request(write.id(), name, status.core_dumped(), String::new(), String::new()).await;
}

const SHELL: &str = "/bin/sh";
/// The account `nobody`, user and group, on every Linux in common use.
const NOBODY: u32 = 65534;
/// RFC 4254 §5.2.
const STDERR: u32 = 1;
const READ_BYTES: usize = 32 << 10;
const HANGUP_GRACE: Duration = Duration::from_millis(500);
const CLOSE_TIME: Duration = Duration::from_secs(1);
/// How long a terminal may be silent after its shell ended before its channel ends too.
const LAST_WORDS: Duration = Duration::from_millis(300);
