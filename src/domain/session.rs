//! Sessions: one governed use of one target by one identity, open to close.

use std::fmt;

use bytes::Bytes;

use super::forward::Forward;
use super::id;
use super::listen::Listen;

id! {
    /// Names one session.
    SessionId
}

id! {
    /// Names one recording.
    RecordingId
}

/// Through what a connection came in jump mode: another one of the same client, and from where that says it carries it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Jump {
    /// The id of the outer SSH connection, as hex.
    pub connection: String,
    /// Address and port in the client's words, printable ASCII only.
    pub originator: String,
}

/// A command line as the client sent it: exact bytes, not necessarily UTF-8.
///
/// Invariant: at most 32 KiB, no NUL. (A target's `sshd` would cut at a NUL, so what ran would not
/// be what was decided.)
#[derive(Clone, PartialEq, Eq)]
pub struct Command(Bytes);

impl Command {
    /// The longest command line that is carried.
    pub const LIMIT_BYTES: usize = 32 * 1024;

    /// Checks the invariant.
    pub fn parse(bytes: impl Into<Bytes>) -> Result<Self, CommandError> {
        let bytes = bytes.into();
        if bytes.len() > Self::LIMIT_BYTES {
            return Err(CommandError::TooLong);
        }
        if bytes.contains(&0) {
            return Err(CommandError::Nul);
        }
        Ok(Self(bytes))
    }

    /// The exact bytes.
    pub fn bytes(&self) -> &Bytes {
        &self.0
    }
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Command({} bytes)", self.0.len())
    }
}

/// Why a command line is not carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// Over the limit.
    #[error("the command is longer than 32 KiB: put it into a file on the target")]
    TooLong,
    /// Has a NUL byte.
    #[error("the command has a NUL byte")]
    Nul,
}

/// What is asked of a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// An interactive or piped login shell.
    Shell,
    /// One command.
    Exec(Command),
    /// File transfer by SFTP.
    Sftp,
    /// One connection through the target.
    Forward(Forward),
    /// Connections that the target takes for the client.
    Listen(Listen),
}

impl Action {
    /// The word in policy and records.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Shell => "shell",
            Self::Exec(_) => "exec",
            Self::Sftp => "sftp",
            Self::Forward(_) => "forward",
            Self::Listen(_) => "listen",
        }
    }

    /// The command, if it is one.
    pub fn command(&self) -> Option<&Command> {
        match self {
            Self::Shell | Self::Sftp | Self::Forward(_) | Self::Listen(_) => None,
            Self::Exec(command) => Some(command),
        }
    }
}

/// Which of the two output streams of a command without a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Standard output, and everything of a terminal.
    Stdout,
    /// Standard error.
    Stderr,
}

/// The size of a terminal, in character cells. Zero means unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TerminalSize {
    /// Columns.
    pub cols: u16,
    /// Rows.
    pub rows: u16,
}

/// How what ran came to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Exit {
    /// `exit-status` of RFC 4254 §6.10.
    Status(u32),
    /// `exit-signal` of RFC 4254 §6.10, without the `SIG`.
    Signal(String),
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(code) => write!(f, "exit {code}"),
            Self::Signal(name) => write!(f, "signal {name}"),
        }
    }
}

/// Why a session ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// What ran came to its end.
    Finished(Exit),
    /// The client closed its channel or connection first.
    ByClient,
    /// The target closed without a status, or its connection broke.
    ByTarget,
    /// Policy, or an approver, said no.
    Denied,
    /// The target could not be reached or signed in to; the code says at which step.
    Unreachable(&'static str),
    /// The recording could not go on.
    RecordingFailed,
    /// The target, or the login there, is not in the config any more.
    Removed,
    /// The identity or its certificate was revoked.
    Revoked,
    /// The bastion is stopping.
    Drain,
    /// Over a limit in memory or backlog.
    Limit(&'static str),
    /// A task of ours failed; its panic is in the log.
    Fault,
    /// The bastion died with the session open; written at the next start.
    Crash,
}

impl End {
    /// The word in records.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Finished(_) => "finished",
            Self::ByClient => "client closed",
            Self::ByTarget => "target closed",
            Self::Denied => "denied",
            Self::Unreachable(_) => "unreachable",
            Self::RecordingFailed => "recording failed",
            Self::Removed => "target removed",
            Self::Revoked => "revoked",
            Self::Drain => "bastion stopped",
            Self::Limit(_) => "limit",
            Self::Fault => "fault",
            Self::Crash => "crash",
        }
    }
}

/// As the last marker of a recording says it.
impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Finished(exit) => write!(f, "{exit}"),
            Self::Unreachable(step) => write!(f, "unreachable: {step}"),
            Self::Limit(which) => write!(f, "limit: {which}"),
            other => f.write_str(other.as_str()),
        }
    }
}
