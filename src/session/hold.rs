//! What is held: asks people, hears their votes, and begins the session that they agreed to.

use std::time::Duration;

use bytes::Bytes;

use super::open::failed;
use super::{Ask, Opened, Refused, Sessions};
use crate::approval::{self, Desk, Granted, Held, Request, State, Subject, Window};
use crate::domain::event::TargetRef;
use crate::domain::event::held::Used;
use crate::domain::session::Action;
use crate::domain::target::{Login, Target};
use crate::domain::{Digest, RecordId, Timestamp, printable};
use crate::policy::{self, Approvals, Terms};

/// What policy wants before something may begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    pub(super) terms: Terms,
    pub(super) rules: Vec<String>,
    pub(super) policy: Digest,
    /// The decision that held it.
    pub(super) record: RecordId,
}

impl Hold {
    /// Whether the standard input of `ask` is not part of what is asked for.
    pub fn open_input(&self, ask: &Ask<'_>) -> bool {
        // A conversation cannot be there before it is agreed to.
        (self.terms.open_input || ask.action == Action::Sftp) && ask.terminal.is_none()
    }
}

/// A request that is open. Dropped, it is withdrawn.
#[derive(Debug)]
pub struct Waiting(Held);

impl Sessions {
    /// The desk itself.
    pub fn desk(&self) -> &Desk {
        &self.0.desk
    }

    /// Asks people for `ask`, which policy holds, together with its standard input.
    pub async fn hold(&self, ask: &Ask<'_>, mut hold: Box<Hold>, input: Bytes) -> Result<Waiting, Refused> {
        let Some((target, login)) = self.find(ask.login, ask.target) else {
            return Err(Refused::Held(hold));
        };
        if let Some(terms) = self.as_shell_too(ask, (&target, &login), None).await? {
            hold.terms = hold.terms.merge(&terms);
        }
        // Whoever started that run may be the one who votes: a second one must agree.
        if !self.0.groups.knows_human(&ask.caller.identity) {
            hold.terms.quorum = hold.terms.quorum.max(2);
        }
        // Nobody is asked for longer than whoever asks is signed in.
        let signed_in = ask.caller.sign_in.until.since(self.0.clock.now());
        hold.terms.ttl = hold.terms.ttl.min(signed_in).min(ask.wait.unwrap_or(Duration::MAX));
        let open_input = hold.open_input(ask);
        let window = self.lasting(ask, &hold, (&target, &login)).filter(|_| input.is_empty() && !open_input);
        let subject = Subject {
            target: target.name.to_string(),
            address: target.address.to_string(),
            login: login.to_string(),
            action: ask.action.clone(),
            environment: ask.env_passed.to_vec(),
            terminal: ask.terminal.map(|(term, _)| term.to_owned()),
            input,
            open_input,
            window,
            reason: ask.reason.map(str::to_owned),
            rules: hold.rules,
            policy: hold.policy,
        };
        let place = TargetRef::of(&target, &login);
        match self.0.desk.submit(ask.caller, subject, hold.terms, place, hold.record).await {
            Ok(held) => Ok(Waiting(held)),
            Err(approval::Error::Ledger(cause)) => Err(failed("ledger", &cause)),
            Err(approval::Error::Random) => Err(failed("random", &"no random bytes")),
            Err(full) => Err(Refused::Rejected(format!("nobody was asked: {full}"))),
        }
    }

    /// What else an approval would hold for afterwards: nothing that asks for other rights, and nothing whose text does not
    /// say what it does.
    fn lasting(&self, ask: &Ask<'_>, hold: &Hold, (target, _): (&Target, &Login)) -> Option<Window> {
        let span = hold.terms.window.filter(|_| ask.terminal.is_none())?;
        let command = ask.action.command()?;
        let policy = self.0.policy.borrow().clone();
        let reading = policy.commands().read(command.bytes(), target.posix_shell, false);
        let told = !reading.is_opaque() && !reading.elevated && !reading.classes.is_empty();
        told.then_some(Window { classes: reading.classes, span })
    }

    /// What people have agreed to lately, where `ask` is its like and policy still lets an approval last.
    pub(super) fn agreed_lately(&self, ask: &Ask<'_>, hold: &Hold, place: (&Target, &Login)) -> Option<Granted> {
        let window = self.lasting(ask, hold, place)?;
        let (target, login) = (place.0.name.as_str(), place.1.as_str());
        self.0.desk.within(&ask.caller.identity.principal(), (target, login), ask.env_passed, &window.classes)
    }

    /// A held command in a terminal is judged as a shell too: what is typed into it is not what people agreed to. What
    /// policy wants for the shell beside what it wants for the command.
    pub(super) async fn as_shell_too(
        &self,
        ask: &Ask<'_>,
        (target, login): (&Target, &Login),
        approvals: Option<&Approvals>,
    ) -> Result<Option<Terms>, Refused> {
        if ask.terminal.is_none() || ask.action == Action::Shell {
            return Ok(None);
        }
        let now = self.0.clock.now();
        let shell = Ask { action: Action::Shell, ..ask.clone() };
        let judged = self.decide(&shell, target, login, now, approvals);
        let fact = ask.fact(now, judged.decision.recorded(), judged.event()).towards(TargetRef::of(target, login));
        self.record(vec![fact]).await?;
        match judged.decision.outcome {
            policy::Outcome::Allow(_) => Ok(None),
            policy::Outcome::Hold(terms) => Ok(Some(terms)),
            policy::Outcome::Deny => Err(Refused::Rejected(NO_SHELL.to_owned())),
        }
    }

    /// Begins what people have agreed to, if policy still lets it. The grant is used up either way.
    pub async fn open_approved(&self, ask: Ask<'_>, waiting: Waiting) -> Result<Opened, Refused> {
        match waiting.0.take() {
            Some(granted) => self.begin(ask, Some(granted)).await,
            None => Err(Refused::Lapsed("the approval was not there any more; nothing was run".to_owned())),
        }
    }
}

impl Waiting {
    /// What the requester hears, now and every minute. `approve` is the command line for an approver.
    pub fn line(&self, now: Timestamp, approve: impl Fn(&str) -> String) -> String {
        let Some(request) = self.0.request() else { return "held no more".to_owned() };
        let left = request.terms.quorum.saturating_sub(u8::try_from(request.approvers().len()).unwrap_or(u8::MAX));
        let groups: Vec<_> = request.terms.approver_groups.iter().map(|group| printable(group, 64)).collect();
        let from = if groups.is_empty() { String::new() } else { format!(" from {}", groups.join(", ")) };
        let plural = if left == 1 { "" } else { "s" };
        let rest = request.expires.since(now);
        let left_s = rest.as_secs() + u64::from(rest.subsec_nanos() > 0);
        let span = if left_s < 60 { format!("{left_s} s") } else { format!("{} min", left_s.div_ceil(60)) };
        let at = request.expires.to_string();
        let at = at.get(11..16).unwrap_or_default();
        let id = request.id.to_string();
        let approve = approve(&id);
        format!(
            "held {id}: needs {left} approval{plural}{from}, expires in {span} ({at} UTC); {approve}; Ctrl-C cancels"
        )
    }

    /// Waits until people have agreed; the error is what the requester hears otherwise.
    pub async fn ends(&mut self) -> Result<(), Refused> {
        match self.0.ends().await {
            Ok((State::Granted, _)) => Ok(()),
            Ok((State::Denied, why)) => {
                Err(Refused::Rejected(format!("denied by {}; nothing was run", printable(&why, 1024))))
            }
            Ok((State::Expired, _)) => {
                Err(Refused::Lapsed("nobody agreed in time, so nothing was run; ask again".to_owned()))
            }
            Ok((State::Withdrawn | State::Open, why)) => {
                let why = if why.is_empty() { why } else { format!(" ({why})") };
                Err(Refused::Lapsed(format!("the request was withdrawn{why}; nothing was run")))
            }
            Err(cause) => Err(failed("ledger", &cause)),
        }
    }

    /// Gives it up; recorded before it returns.
    pub async fn withdraw(self, reason: &'static str) {
        self.0.withdraw(reason).await;
    }
}

/// Said of a held command that would get a terminal.
const NO_SHELL: &str = "a held command in a terminal is judged as a shell too, and no rule allows you one here: \
                        ask for it without a terminal (ssh -T)";

/// The record that a grant is used up.
pub(super) fn used(request: &Request) -> Used {
    let approvers = request.approvers().iter().map(|one| one.identity.principal().as_str().to_owned());
    Used { id: request.id.to_string(), digest: request.digest, approvers: approvers.collect() }
}

/// How often somebody who waits hears that they do.
pub const REMIND_EVERY: Duration = Duration::from_secs(60);
