//! What a gateway asks of a session, and what it hears.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::budget::Share;
use super::files::Files;
use super::glass::Glass;
use super::governed::Governed;
use super::hold::Hold;
use super::keeper::Keeper;
use super::lending::Lending;
use super::permit::Permit;
use super::space::Purpose;
use super::tap::{DownTap, UpTap};
use crate::domain::Text;
use crate::domain::event::Event;
use crate::domain::event::arrived::Listening;
use crate::domain::identity::Caller;
use crate::domain::loan::Loans;
use crate::domain::session::{Action, Jump, TerminalSize};

/// What a gateway asks for.
#[derive(Clone, Debug)]
pub struct Ask<'a> {
    /// Who asks.
    pub caller: &'a Arc<Caller>,
    /// What its channel may hold; it tells the channel to end.
    pub share: Share,
    /// The client's connection, as hex.
    pub connection: &'a str,
    /// In jump mode, what that connection came through.
    pub jump: Option<&'a Jump>,
    /// The client's channel, counted per connection.
    pub channel: u32,
    /// As written; absent means the target's default.
    pub login: Option<&'a str>,
    /// Name or alias, as written.
    pub target: &'a str,
    /// What is to be done there.
    pub action: Action,
    /// `TERM` and size, if the client has a terminal.
    pub terminal: Option<(&'a str, TerminalSize)>,
    /// Environment that will be passed on.
    pub env_passed: &'a [(String, String)],
    /// Names of environment variables that were dropped.
    pub env_dropped: &'a [String],
    /// What the client would lend to it.
    pub lends: Loans,
    /// Why, in the client's words.
    pub reason: Option<&'a str>,
    /// How long the client would wait for people, if it says so.
    pub wait: Option<Duration>,
    /// The client asks to see the output as the target printed it.
    pub unmask: bool,
    /// Mask profiles that hold already: those of the prompt that it is a line of.
    pub profiles: &'a [String],
    /// Past approval.
    pub glass: Option<&'a Glass>,
}

impl<'a> Ask<'a> {
    /// With nothing but what each has: the target's default login, no terminal, no environment, no wishes.
    pub fn plain(caller: &'a Arc<Caller>, share: Share, connection: &'a str, target: &'a str, action: Action) -> Self {
        Self {
            caller,
            share,
            connection,
            jump: None,
            channel: 0,
            login: None,
            target,
            action,
            terminal: None,
            env_passed: &[],
            env_dropped: &[],
            lends: Loans::default(),
            reason: None,
            wait: None,
            unmask: false,
            profiles: &[],
            glass: None,
        }
    }
}

impl Ask<'_> {
    /// Past approval there is a reserve of disk.
    pub(super) fn purpose(&self) -> Purpose {
        if self.glass.is_some() { Purpose::BreakGlass } else { Purpose::Ordinary }
    }

    /// What the log says is about to begin.
    pub(super) fn begins(&self) -> Event {
        match &self.action {
            Action::Shell => Event::ChannelShell { term: self.terminal.map(|(term, _)| term.to_owned()) },
            Action::Exec(command) => {
                let bytes = command.bytes().clone();
                Event::ChannelExec { length: bytes.len() as u64, command: Text::new(bytes) }
            }
            Action::Sftp => Event::ChannelSubsystem { name: "sftp" },
            Action::Forward(forward) => Event::ChannelForward {
                to: forward.to.to_string(),
                originator: forward.originator.as_ref().map(|(from, port)| format!("{from}:{port}")),
            },
            Action::Listen(listen) => Event::ChannelListen(Listening { at: listen.to_string(), is_granted: false }),
        }
    }
}

/// A session that may begin.
#[derive(Debug)]
pub struct Opened {
    /// The session's own handle.
    pub governed: Governed,
    /// What may be started, once.
    pub permit: Permit,
    /// Of a session by SFTP: where its operations are recorded.
    pub files: Option<Files>,
    /// Where something of the client's is lent to the target: each use is recorded there.
    pub lending: Option<Lending>,
    /// For the pump from the client.
    pub up: UpTap,
    /// For the pump to the client.
    pub down: DownTap,
    /// To be run beside the pumps.
    pub keeper: Box<Keeper>,
}

/// Why a session did not begin. Each of them is in the ledger already, those of limits as counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// Unknown, or nothing permits it: both read the same.
    NoTarget(String),
    /// These rules forbid it.
    Denied(Vec<String>),
    /// People have to agree first: [`super::Sessions::hold`] asks them.
    Held(Box<Hold>),
    /// People said no, or may not be asked now; the line says which.
    Rejected(String),
    /// It was held, and nobody agreed in time, or it was given up.
    Lapsed(String),
    /// No shell, but the bastion's own prompt, for so long at most and masked by these profiles: each of its lines is asked
    /// for by itself.
    Guarded(Option<Duration>, Vec<String>),
    /// Nothing of the target passes unmasked, and files by SFTP would.
    Unmasked,
    /// A rule wants a reason, and none was given.
    NoReason,
    /// A rule sets a limit that cannot be kept: what it limits is refused.
    Limit(String),
    /// Something of ours failed or is used up; the line says what to do.
    Failed(String),
}

/// What the client hears, after `sallyport: `. One line of ASCII.
impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoTarget(name) => write!(f, "no target '{name}' for you"),
            Self::Denied(rules) => write!(f, "denied by {}; ask those who keep the policy", rules.join(", ")),
            Self::Held(hold) => {
                write!(f, "{} wants approval, which cannot be asked for here; nothing was run", hold.rules.join(", "))
            }
            Self::Guarded(..) => {
                f.write_str("a shell is the bastion's own prompt here: use a terminal (ssh -t), or give one command")
            }
            Self::Unmasked => {
                f.write_str("files do not leave that target unmasked, so there is no SFTP; run a command instead")
            }
            Self::NoReason => {
                // The quotes are for OpenSSH, which splits at blanks, and for the shell around it.
                f.write_str("the policy wants to know why: ssh -o 'SetEnv=SALLYPORT_REASON=\"your reason\"' ...")
            }
            Self::Rejected(line) | Self::Lapsed(line) => f.write_str(line),
            Self::Limit(limit) => {
                write!(f, "the policy asks for {limit}, which this bastion cannot keep; tell the operator")
            }
            Self::Failed(line) => f.write_str(line),
        }
    }
}
