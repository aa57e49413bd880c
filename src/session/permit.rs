//! Proofs that an action was allowed. Only `session` makes them, after a recorded decision.

use bytes::Bytes;

use crate::domain::forward::Forward;
use crate::domain::listen::Listen;
use crate::domain::loan::Loans;
use crate::domain::session::{Command, SessionId};

/// Proof that something may be started in a session, once.
#[derive(Debug)]
pub enum Permit {
    /// A login shell.
    Shell(ShellPermit),
    /// Exactly one command.
    Exec(ExecPermit),
    /// The subsystem `sftp`.
    Sftp(SftpPermit),
    /// One connection.
    Forward(ForwardPermit),
    /// One place to listen.
    Listen(ListenPermit),
}

/// Proof that a login shell may be started in this session.
#[derive(Debug)]
pub struct ShellPermit {
    session: SessionId,
    /// People agreed to this standard input, and to no other.
    input: Option<Bytes>,
    /// What of the client's goes along.
    lent: Loans,
}

/// Proof that `command` may run in this session. It carries the command: what runs is what was allowed.
#[derive(Debug)]
pub struct ExecPermit {
    session: SessionId,
    command: Command,
    /// People agreed to it.
    approved: bool,
    /// They agreed to this standard input, and to no other.
    input: Option<Bytes>,
    /// What of the client's goes along.
    lent: Loans,
}

impl Permit {
    /// The one command that may run, where people agreed to exactly that.
    pub fn forced(&self) -> Option<&Command> {
        match self {
            Self::Shell(_) | Self::Sftp(_) | Self::Forward(_) | Self::Listen(_) => None,
            Self::Exec(permit) => permit.forced(),
        }
    }

    /// Where the one connection goes that may be opened.
    pub fn forward(&self) -> Option<&Forward> {
        match self {
            Self::Forward(permit) => Some(permit.forward()),
            Self::Shell(_) | Self::Exec(_) | Self::Sftp(_) | Self::Listen(_) => None,
        }
    }

    /// Whether the target is to carry connections for it, and nothing else.
    pub fn is_forwarding(&self) -> bool {
        match self {
            Self::Forward(_) | Self::Listen(_) => true,
            Self::Shell(_) | Self::Exec(_) | Self::Sftp(_) => false,
        }
    }

    /// The same, with what the client lends, for what can use it.
    pub(super) fn lending(self, lent: Loans) -> Self {
        match self {
            Self::Shell(permit) => Self::Shell(ShellPermit { lent, ..permit }),
            Self::Exec(permit) => Self::Exec(ExecPermit { lent, ..permit }),
            Self::Sftp(_) | Self::Forward(_) | Self::Listen(_) => self,
        }
    }

    /// What of the client's may be used by it.
    pub fn lent(&self) -> Loans {
        match self {
            Self::Shell(permit) => permit.lent,
            Self::Exec(permit) => permit.lent,
            Self::Sftp(_) | Self::Forward(_) | Self::Listen(_) => Loans::default(),
        }
    }

    /// The only standard input that it may get, where people agreed to exactly that.
    pub fn input(&self) -> Option<Bytes> {
        match self {
            Self::Shell(permit) => permit.input.clone(),
            Self::Exec(permit) => permit.input.clone(),
            Self::Sftp(_) | Self::Forward(_) | Self::Listen(_) => None,
        }
    }
}

/// Proof that the subsystem `sftp` may be started in this session.
#[derive(Debug)]
pub struct SftpPermit {
    session: SessionId,
}

impl SftpPermit {
    pub(super) fn new(session: SessionId) -> Self {
        Self { session }
    }

    /// In which session.
    pub fn session(&self) -> SessionId {
        self.session
    }
}

/// Proof that one connection may be opened through the target. It carries to where.
#[derive(Debug)]
pub struct ForwardPermit {
    session: SessionId,
    forward: Forward,
}

impl ForwardPermit {
    pub(super) fn new(session: SessionId, forward: Forward) -> Self {
        Self { session, forward }
    }

    /// In which session.
    pub fn session(&self) -> SessionId {
        self.session
    }

    /// To where.
    pub fn forward(&self) -> &Forward {
        &self.forward
    }
}

/// Proof that the target may be asked to listen for the client. It carries where.
#[derive(Debug)]
pub struct ListenPermit {
    session: SessionId,
    listen: Listen,
}

impl ListenPermit {
    pub(super) fn new(session: SessionId, listen: Listen) -> Self {
        Self { session, listen }
    }

    /// In which session.
    pub fn session(&self) -> SessionId {
        self.session
    }

    /// Where.
    pub fn listen(&self) -> &Listen {
        &self.listen
    }
}

impl ShellPermit {
    pub(super) fn new(session: SessionId, input: Option<Bytes>) -> Self {
        Self { session, input, lent: Loans::default() }
    }

    /// In which session.
    pub fn session(&self) -> SessionId {
        self.session
    }
}

impl ExecPermit {
    pub(super) fn new(session: SessionId, command: Command) -> Self {
        Self { session, command, approved: false, input: None, lent: Loans::default() }
    }

    /// For exactly what people agreed to.
    pub(super) fn approved(session: SessionId, command: Command, input: Option<Bytes>) -> Self {
        Self { session, command, approved: true, input, lent: Loans::default() }
    }

    /// The one command that may run, where people agreed to exactly that.
    pub fn forced(&self) -> Option<&Command> {
        self.approved.then_some(&self.command)
    }

    /// In which session.
    pub fn session(&self) -> SessionId {
        self.session
    }

    /// Uses the permit up.
    pub fn into_command(self) -> Command {
        self.command
    }
}
