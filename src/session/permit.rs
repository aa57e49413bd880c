//! Proofs that an action was allowed. Only `session` makes them, after a recorded decision.

use crate::domain::session::{Command, SessionId};

/// Proof that something may be started in a session, once.
#[derive(Debug)]
pub enum Permit {
    /// A login shell.
    Shell(ShellPermit),
    /// Exactly one command.
    Exec(ExecPermit),
}

/// Proof that a login shell may be started in this session.
#[derive(Debug)]
pub struct ShellPermit {
    session: SessionId,
}

/// Proof that `command` may run in this session. It carries the command: what runs is what was allowed.
#[derive(Debug)]
pub struct ExecPermit {
    session: SessionId,
    command: Command,
}

impl ShellPermit {
    pub(super) fn new(session: SessionId) -> Self {
        Self { session }
    }

    /// In which session.
    pub fn session(&self) -> SessionId {
        self.session
    }
}

impl ExecPermit {
    pub(super) fn new(session: SessionId, command: Command) -> Self {
        Self { session, command }
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
