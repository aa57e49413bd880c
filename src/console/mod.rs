//! The bastion's own commands, over SSH.
//!
//! Parses a command line, asks policy, records, answers. Knows no SSH: bytes come and go through [`Io`]. Nothing
//! here opens a session, and nothing of a recording leaves before the record that somebody looked.

use std::borrow::Cow;
use std::sync::Arc;

use serde_json::{Value, json};
use thiserror::Error;
use tracing::error;

use crate::approval::{self, Fault, Id};
use crate::clock::Clock;
use crate::domain::Disclose;
use crate::domain::identity::Caller;
use crate::domain::session::SessionId;
use crate::identity::{self as identities, Identities};
use crate::session::glass::Error as GlassError;
use crate::session::{Glass, Sessions};
use crate::{ledger, recording};

mod approvals;
mod editor;
mod evidence;
mod explain;
mod glass;
mod identity;
mod io;
mod keys;
mod line;
mod play;
mod prompt;
mod reach;
mod revoke;
mod sessions;
mod table;
mod targets;
mod trail;
mod trust;

pub use editor::{Editor, Step};
pub use io::{Input, Io};
pub use reach::{Grade, Reach, Trial};

use approvals::{Approvals, ApprovalsCommand};
use io::{Ears, Say};
use line::{Command, Form, NotOne, SessionsCommand, TargetsCommand};

/// What the console tells of the bastion itself.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The bastion's name.
    pub bastion: String,
    /// Host name or address that clients use, for the ssh lines that are printed.
    pub host: String,
    /// The port they use.
    pub port: u16,
    /// The authority of user certificates, as a line of OpenSSH text.
    pub user_ca: String,
    /// The authority of target certificates: what targets trust.
    pub target_ca: String,
    /// The authority of host certificates: what clients trust.
    pub host_ca: String,
}

/// The room. Cheap to clone; clones are the same room.
#[derive(Clone, Debug)]
pub struct Console(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    settings: Settings,
    sessions: Sessions,
    identities: Identities,
    reach: Arc<dyn Reach>,
    clock: Clock,
}

impl Console {
    /// Over the sessions and identities of this bastion; `reach` tries targets for it.
    pub fn new(
        settings: Settings,
        sessions: Sessions,
        identities: Identities,
        reach: Arc<dyn Reach>,
        clock: Clock,
    ) -> Self {
        Self(Arc::new(Inner { settings, sessions, identities, reach, clock }))
    }

    /// How somebody at another machine gives this command.
    pub fn line_for(&self, command: &str) -> String {
        let Settings { host, port, .. } = &self.0.settings;
        format!("ssh -p {port} {host} {command}")
    }

    /// Runs one command, or without one whatever commands come in. The exit code: 0 done, 1 failed, 2 usage, 4 denied.
    pub async fn run(&self, caller: &Arc<Caller>, command: Option<&str>, io: &mut Io) -> Done {
        let mut ears = Ears::new(&mut io.input, io.terminal);
        let Some(line) = command else { return Done::Code(prompt::run(self, caller, &io.out, &mut ears).await) };
        let say = Say::new(io.out.clone(), ears.terminal());
        let visit = Visit { room: &self.0, caller, say: &say };
        match visit.alone(line, &mut ears).await {
            Ok(Some(glass)) => Done::Glass(Box::new(glass)),
            Ok(None) => Done::Code(0),
            Err(error) => Done::Code(visit.sorry(&error).await),
        }
    }

    async fn line(&self, caller: &Arc<Caller>, line: &str, out: &Out, ears: &mut Ears<'_>) -> u8 {
        let say = Say::new(out.clone(), ears.terminal());
        let visit = Visit { room: &self.0, caller, say: &say };
        match visit.line(line, ears).await {
            Ok(()) => 0,
            Err(error) => visit.sorry(&error).await,
        }
    }
}

/// What a command came to.
#[derive(Debug)]
pub enum Done {
    /// Its exit code.
    Code(u8),
    /// A shell at a target begins on the same channel, past approval.
    Glass(Box<Glass>),
}

type Out = tokio::sync::mpsc::Sender<(crate::domain::session::Stream, bytes::Bytes)>;

/// One caller's one command.
struct Visit<'a> {
    room: &'a Inner,
    caller: &'a Arc<Caller>,
    say: &'a Say,
}

impl Visit<'_> {
    /// A command that has its channel for itself: what follows from it may go on there.
    async fn alone(&self, line: &str, ears: &mut Ears<'_>) -> Result<Option<Glass>, Error> {
        match line::parse(line, self.say.width())? {
            Some(Command::BreakGlass(asked)) if asked.is_now() => self.break_glass(&asked, ears).await.map(Some),
            _ => self.line(line, ears).await.map(|()| None),
        }
    }

    async fn line(&self, line: &str, ears: &mut Ears<'_>) -> Result<(), Error> {
        let command = line::parse(line, self.say.width())?.ok_or(Error::Nothing)?;
        if let Command::Play(play) = &command {
            return self.play(play, ears).await;
        }
        match &command {
            Command::Approve(asked) => return self.approve(asked, ears).await,
            Command::Approvals(Approvals { command: Some(ApprovalsCommand::Watch(form)), .. }) => {
                return self.watch(*form, ears).await;
            }
            _ => {}
        }
        tokio::select! {
            done = self.command(command) => done,
            () = ears.interrupted() => Err(Error::Interrupted),
        }
    }

    async fn command(&self, command: Command) -> Result<(), Error> {
        match command {
            Command::Help { about, form } => self.help(&about, form).await,
            Command::Whoami(form) => self.whoami(form).await,
            Command::Targets { command: None, form } => self.targets(form).await,
            Command::Targets { command: Some(TargetsCommand::Check(asked)), .. } => self.check_targets(&asked).await,
            Command::Trust(asked) => self.trust(&asked).await,
            Command::Certificate(form) => self.certificate(form).await,
            Command::Keys { command, form } => self.keys(form, command.as_ref()).await,
            Command::Sessions { command: None, list } => self.list(&list).await,
            Command::Sessions { command: Some(SessionsCommand::List(list)), .. } => self.list(&list).await,
            Command::Sessions { command: Some(SessionsCommand::Show { id, form }), .. } => self.show(id, form).await,
            Command::Export(export) => self.export(&export).await,
            Command::Explain(asked) => self.explain(&asked).await,
            Command::Approvals(asked) => self.approvals(asked.form).await,
            Command::Deny(asked) => self.deny(&asked).await,
            Command::BreakGlass(asked) => self.glass(&asked).await,
            Command::Revoke(asked) => self.revoke(&asked).await,
            Command::Reinstate(asked) => self.reinstate(&asked).await,
            Command::Evidence { command } => self.evidence(&command).await,
            // They are taken care of where input is read.
            Command::Play(_) | Command::Approve(_) | Command::Exit => Ok(()),
        }
    }

    async fn help(&self, about: &[String], form: Form) -> Result<(), Error> {
        let text = line::help(about, self.say.width()).ok_or(Error::NoCommand)?;
        let settings = &self.room.settings;
        let (host, port) = (&settings.host, settings.port);
        let text = match about {
            [] => format!(
                "The console of {}.\n\n{text}\n\
                 One command:  ssh -p {port} {host} COMMAND\n\
                 A target:     ssh -p {port} LOGIN+TARGET@{host}\n",
                settings.bastion
            ),
            _ => text,
        };
        let commands = line::commands();
        let listed: Vec<Value> =
            commands.iter().map(|(name, about)| json!({ "command": name, "about": about })).collect();
        self.answer(form, &text, &json!({ "commands": listed })).await
    }

    /// Says one of both.
    async fn answer(&self, form: Form, text: &str, value: &Value) -> Result<(), Error> {
        match form.json {
            true => self.say.out(&table::json(value)).await,
            false => self.say.out(text).await,
        }
    }

    /// Says what went wrong; the exit code for it.
    async fn sorry(&self, error: &Error) -> u8 {
        let said = match error {
            Error::Gone | Error::Interrupted => Ok(()),
            Error::NotOne(NotOne::Help(text)) => self.say.out(text).await,
            error => self.say.err(&format!("sallyport: {}\n", error.disclose().trim_end())).await,
        };
        if matches!(
            error,
            Error::Ledger(_)
                | Error::Entry(_)
                | Error::Index(_)
                | Error::Recording(_)
                | Error::Identity(_)
                | Error::Approval(_)
                | Error::Glass(
                    GlassError::Ledger(_) | GlassError::Register(_) | GlassError::Index(_) | GlassError::Desk(_)
                )
                | Error::Bundle(evidence::Fault::Write(_))
        ) {
            error!(error = ?error, "console command failed");
        }
        // Whoever is gone hears nothing.
        said.map_or(1, |()| error.code())
    }
}

/// Why a command was not done.
#[derive(Debug, Error)]
enum Error {
    /// Nobody is there any more.
    #[error("the client is gone")]
    Gone,
    /// By Ctrl-C.
    #[error("interrupted")]
    Interrupted,
    /// No command came.
    #[error("no command")]
    Nothing,
    /// `help` of what is none.
    #[error("no such command")]
    NoCommand,
    /// The line is no command.
    #[error("not a command line")]
    NotOne(#[from] NotOne),
    /// Unknown, or not for this caller: both read the same.
    #[error("no session {0} for this caller")]
    NoSession(SessionId),
    /// A session that has only just begun.
    #[error("nothing stored of {0} yet")]
    NotYet(SessionId),
    /// Bytes that are no text would go to a terminal.
    #[error("export to a terminal")]
    ToTerminal(SessionId),
    /// A bundle could not be made.
    #[error(transparent)]
    Bundle(#[from] evidence::Fault),
    /// The ledger did not take the record of a look, or was not readable.
    #[error("ledger")]
    Ledger(#[from] ledger::Error),
    /// An entry of the ledger is none.
    #[error("entry of the ledger")]
    Entry(#[from] ledger::entry::Error),
    /// The index of sessions.
    #[error("index of sessions")]
    Index(#[from] recording::index::Error),
    /// The recording.
    #[error("recording")]
    Recording(#[from] recording::Error),
    /// Unknown, or not for this caller: both read the same.
    #[error("no target '{0}' for this caller")]
    NoTarget(String),
    /// So many logins of targets did not let us in.
    #[error("{0} logins did not work")]
    NotAll(usize),
    /// Policy has no rule that lets this caller do it.
    #[error("{0} is not for this caller")]
    Denied(&'static str),
    /// Nobody, or not one, goes by what was given.
    #[error(transparent)]
    Unnamed(#[from] identities::Unnamed),
    /// A void certificate is not brought back.
    #[error("only identities are reinstated")]
    VoidStays,
    /// The caller has no such key.
    #[error("no such key of theirs is remembered")]
    NoSuchKey,
    /// There is nothing to revoke, or to reinstate.
    #[error("nothing to revoke or to reinstate")]
    NotLive,
    /// Unknown, or not for this caller: both read the same.
    #[error("no open request {0} for this caller")]
    NoRequest(Id),
    /// What was to be explained is no command that could be sent.
    #[error("no command of a target")]
    NoCommandLine,
    /// Without a terminal nothing was shown.
    #[error("an approval without digest")]
    NoDigest,
    /// They did not say yes.
    #[error("not approved")]
    NotApproved,
    /// The vote does not count.
    #[error(transparent)]
    Vote(Fault),
    /// The desk.
    #[error("approval")]
    Approval(#[source] approval::Error),
    /// Past approval.
    #[error("break-glass")]
    Glass(#[from] GlassError),
    /// It wants a terminal.
    #[error("no terminal")]
    NoTerminal,
    /// It goes on in its channel, so it is no command among others.
    #[error("not at a prompt")]
    Alone,
    /// They typed something else than the target's name.
    #[error("not the target's name")]
    NotTyped,
    /// A revocation could not be recorded or kept.
    #[error("identities")]
    Identity(#[source] identities::Error),
}

impl From<identities::Error> for Error {
    fn from(error: identities::Error) -> Self {
        match error {
            identities::Error::NotLive => Self::NotLive,
            other => Self::Identity(other),
        }
    }
}

impl From<approval::Error> for Error {
    fn from(error: approval::Error) -> Self {
        match error {
            approval::Error::Vote(fault) => Self::Vote(fault),
            other => Self::Approval(other),
        }
    }
}

impl Error {
    fn code(&self) -> u8 {
        match self {
            Self::NotOne(NotOne::Help(_)) => 0,
            Self::Nothing
            | Self::NoCommand
            | Self::NotOne(_)
            | Self::ToTerminal(_)
            | Self::VoidStays
            | Self::NoCommandLine
            | Self::Bundle(evidence::Fault::ToTerminal | evidence::Fault::Period)
            | Self::NoTerminal
            | Self::Alone
            | Self::NoDigest => 2,
            Self::NoSession(_)
            | Self::NoTarget(_)
            | Self::Denied(_)
            | Self::Glass(GlassError::Nowhere(_) | GlassError::Denied(_) | GlassError::Vote(_))
            | Self::Vote(Fault::Policy | Fault::Issuer | Fault::Oneself | Fault::Group | Fault::NoPerson) => 4,
            // As a shell says of what Ctrl-C ended.
            Self::Interrupted => 130,
            Self::Gone
            | Self::NotAll(_)
            | Self::NotYet(_)
            | Self::Ledger(_)
            | Self::Entry(_)
            | Self::Index(_)
            | Self::Recording(_)
            | Self::Unnamed(_)
            | Self::NotLive
            | Self::Bundle(_)
            | Self::NoSuchKey
            | Self::NoRequest(_)
            | Self::NotApproved
            | Self::NotTyped
            | Self::Glass(_)
            | Self::Vote(_)
            | Self::Approval(_)
            | Self::Identity(_) => 1,
        }
    }
}

impl Disclose for Error {
    fn disclose(&self) -> Cow<'static, str> {
        match self {
            Self::Gone | Self::Interrupted => "interrupted".into(),
            Self::Nothing => "no command; 'help' lists them".into(),
            Self::NoCommand => "no such command; 'help' lists them".into(),
            Self::NotOne(not) => not.to_string().into(),
            Self::NoSession(id) => {
                format!("no session {id} for you; 'sessions' lists those that you may look at").into()
            }
            Self::NotYet(id) => format!("nothing of {id} is stored yet; try again in a second").into(),
            Self::ToTerminal(id) => {
                format!("an export is for a file or a pipe: ssh ... export {id} --format raw > {id}.cast.zst").into()
            }
            Self::Bundle(fault) => fault.to_string().into(),
            Self::Ledger(_) | Self::Entry(_) => {
                "the ledger does not answer, so nothing is shown that would have to be recorded; tell the operator"
                    .into()
            }
            Self::Index(_) => "the index of sessions does not answer; tell the operator".into(),
            Self::Recording(recording::Error::Root | recording::Error::Length | recording::Error::Missing { .. }) => {
                "the recording is not the one that the ledger tells of: do not rely on it, and tell the operator".into()
            }
            Self::Recording(_) => "the recording cannot be read; tell the operator".into(),
            Self::NoTarget(name) => format!("no target '{name}' for you").into(),
            Self::NotAll(1) => "1 login did not work; see above what to do".into(),
            Self::NotAll(count) => format!("{count} logins did not work; see above what to do").into(),
            Self::Denied(action) => {
                format!("no rule lets you {action}; 'whoami' says what a policy can know you by").into()
            }
            Self::Unnamed(unnamed) => unnamed.to_string().into(),
            Self::VoidStays => {
                "only an identity is reinstated: what was void stays void, its holder signs in anew".into()
            }
            Self::NoSuchKey => "no such key of yours is remembered; 'keys' lists them".into(),
            Self::NotLive => {
                "no such certificate lives, or no such identity is revoked; 'revoke --list' says what is".into()
            }
            Self::NoRequest(id) => format!("no open request {id} for you; 'approvals' lists them").into(),
            Self::Glass(
                GlassError::Ledger(_) | GlassError::Desk(_) | GlassError::Register(_) | GlassError::Index(_),
            ) => "it cannot be recorded at the moment, so it does not begin; tell the operator".into(),
            Self::Glass(error) => error.to_string().into(),
            Self::NoTerminal => "this asks you something: give it with a terminal, ssh -t".into(),
            Self::Alone => {
                "a shell follows it, so give it by itself: ssh -t ... break-glass TARGET LOGIN --reason TEXT".into()
            }
            Self::NotTyped => "that is not the target's name; nothing was begun".into(),
            Self::NoCommandLine => "that is no command that a target could be given".into(),
            Self::NoDigest => {
                "without a terminal nothing can be shown: ssh -t ..., or --digest with what 'approvals' lists".into()
            }
            Self::NotApproved => "not approved; the request stays open".into(),
            Self::Vote(fault) => fault.to_string().into(),
            Self::Approval(_) => "the ledger does not answer, so no vote counts; tell the operator".into(),
            Self::Identity(_) => {
                "the revocation holds in this process, and could not be kept; tell the operator".into()
            }
        }
    }
}

#[cfg(test)]
mod tests;
