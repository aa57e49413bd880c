//! Requests that wait for people: which are open, what exactly each asks for, and votes on them.

use std::borrow::Cow;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::io::{CTRL_C, Ears, Heard};
use super::line::{Form, reason};
use super::table::{Cell, Table};
use super::{Error, Visit};
use crate::approval::{Fault, Id, Request, State, Vote};
use crate::domain::Timestamp;
use crate::domain::session::Action;

mod view;
mod watch;

/// What is open: listed, or watched.
#[derive(Args, Clone, Debug, PartialEq)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Approvals {
    #[command(subcommand)]
    pub(super) command: Option<ApprovalsCommand>,
    #[command(flatten)]
    pub(super) form: Form,
}

/// Below `approvals`.
#[derive(Clone, Debug, PartialEq, Subcommand)]
pub(super) enum ApprovalsCommand {
    /// Stay and show each request as it comes; in a terminal (ssh -t) one key agrees or says no. Without one: a line
    /// for each.
    Watch(Form),
}

/// On what, and with which words.
#[derive(Args, Clone, Debug, PartialEq)]
pub(super) struct Approve {
    /// As `approvals` lists it.
    #[arg(value_parser = id)]
    id: Id,
    /// The first eight digits of the request's digest, as `approvals` lists it: needed where nothing can be asked.
    #[arg(long, value_name = "FIRST8", value_parser = digits)]
    digest: Option<String>,
    /// What to say to it. It goes into the ledger.
    #[arg(long, value_name = "TEXT")]
    comment: Option<String>,
}

/// On what, and why not.
#[derive(Args, Clone, Debug, PartialEq)]
pub(super) struct Deny {
    /// As `approvals` lists it.
    #[arg(value_parser = id)]
    id: Id,
    /// Why. The requester hears it, and it goes into the ledger.
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    reason: String,
    #[command(flatten)]
    form: Form,
}

/// How many digits of a digest are enough.
const DIGITS: usize = 8;

pub(super) fn id(text: &str) -> Result<Id, String> {
    Id::parse(text).ok_or_else(|| "not an id of eight characters as the bastion gives them".to_owned())
}

fn digits(text: &str) -> Result<String, String> {
    let plain = text.len() == DIGITS && text.bytes().all(|b| b.is_ascii_hexdigit());
    plain.then(|| text.to_ascii_lowercase()).ok_or_else(|| "not eight hex digits; 'approvals' lists them".to_owned())
}

impl Visit<'_> {
    /// What is open: one's own, and what one may vote on.
    pub(super) async fn approvals(&self, form: Form) -> Result<(), Error> {
        let now = self.room.clock.now();
        let requests = self.room.sessions.requests(self.caller);
        let mut table = Table::new(&["ID", "DIGEST", "WHO", "LOGIN", "TARGET", "NEEDS", "LEFT", "COMMAND"], &[7]);
        let mut listed = Vec::new();
        for request in &requests {
            let subject = &request.subject;
            table.push(vec![
                Cell::new(request.id.to_string()),
                Cell::new(first(request)),
                Cell::new(&request.caller.identity.name),
                Cell::new(&subject.login),
                Cell::new(&subject.target),
                Cell::new(format!("{} of {}", request.approvers().len(), request.terms.quorum)),
                Cell::new(left(request, now)),
                Cell::new(what(&subject.action)),
            ]);
            listed.push(self.value(request));
        }
        let text = match listed.as_slice() {
            [] => "Nothing waits that you may vote on.\n".to_owned(),
            _ => table.render(self.say.look()),
        };
        self.answer(form, &text, &json!({ "approvals": listed })).await
    }

    fn value(&self, request: &Request) -> Value {
        let subject = &request.subject;
        json!({
            "id": request.id.to_string(),
            "digest": request.digest.to_string(),
            "name": request.caller.identity.name,
            "principal": request.caller.identity.principal().as_str(),
            "source": request.caller.source.to_string(),
            "own": request.caller.identity.principal() == self.caller.identity.principal(),
            "target": subject.target,
            "login": subject.login,
            "action": subject.action.as_str(),
            "command": subject.action.command().map(|command| String::from_utf8_lossy(command.bytes())),
            "reason": subject.reason,
            "pty": subject.terminal.is_some(),
            "input": subject.input.len(),
            "rules": subject.rules,
            "quorum": request.terms.quorum,
            "approvals": request.approvers().len(),
            "groups": request.terms.approver_groups,
            "asked": request.asked.to_string(),
            "expires": request.expires.to_string(),
        })
    }

    /// Agrees: to what was just shown in a terminal, or to what the digest names.
    pub(super) async fn approve(&self, asked: &Approve, ears: &mut Ears<'_>) -> Result<(), Error> {
        let request = self.request(asked.id)?;
        match &asked.digest {
            Some(digest) if *digest == first(&request) => {}
            Some(_) => return Err(Error::Vote(Fault::Changed)),
            None if self.say.terminal().is_none() => return Err(Error::NoDigest),
            None => {
                // Who may not vote is told so before they read all of it.
                request.check(self.caller, &request.digest, self.room.clock.now()).map_err(Error::Vote)?;
                let shown = self.room.sessions.show(self.caller, request.id).await?;
                if !self.page(&view::text(&shown, self.room.clock.now()), ears).await? {
                    return Err(Error::NotApproved);
                }
                self.say.out("Run exactly this? Type yes to approve: ").await?;
                if !self.typed(ears, 16).await?.is_some_and(|typed| typed.eq_ignore_ascii_case("yes")) {
                    return Err(Error::NotApproved);
                }
            }
        }
        let vote = (Vote::Approve, asked.comment.as_deref());
        let state = self.room.sessions.vote(self.caller, request.id, &request.digest, vote).await?;
        let text = match state {
            State::Open => "Your approval counts; others are still needed.\n",
            _ => "Approved: it runs now, once, if the policy still allows it.\n",
        };
        self.say.out(text).await
    }

    /// Says no.
    pub(super) async fn deny(&self, asked: &Deny) -> Result<(), Error> {
        let request = self.request(asked.id)?;
        let vote = (Vote::Deny, Some(asked.reason.as_str()));
        self.room.sessions.vote(self.caller, request.id, &request.digest, vote).await?;
        self.answer(asked.form, "Denied: the requester hears your reason.\n", &self.value(&request)).await
    }

    /// One that is open and that the caller may know of.
    fn request(&self, id: Id) -> Result<Request, Error> {
        self.room.sessions.request(self.caller, id).ok_or(Error::NoRequest(id))
    }

    /// What is typed up to Enter, at most `limit` characters; nothing where no more comes.
    pub(super) async fn typed(&self, ears: &mut Ears<'_>, limit: usize) -> Result<Option<String>, Error> {
        let mut typed = String::new();
        loop {
            match ears.next().await {
                Heard::Byte(b'\r' | b'\n') => {
                    self.say.out("\n").await?;
                    return Ok(Some(typed));
                }
                Heard::Byte(CTRL_C) => {
                    self.say.out("\n").await?;
                    return Err(Error::Interrupted);
                }
                Heard::Byte(8 | 127) => {
                    if typed.pop().is_some() {
                        self.say.out("\x08 \x08").await?;
                    }
                }
                Heard::Byte(byte @ b' '..=b'~') if typed.len() < limit => {
                    typed.push(char::from(byte));
                    self.say.out(&char::from(byte).to_string()).await?;
                }
                Heard::Byte(_) | Heard::Resize(_) => {}
                Heard::End => return Ok(None),
            }
        }
    }

    /// Shows a text to its end, a screen at a time. Whether they have come to its end.
    async fn page(&self, text: &str, ears: &mut Ears<'_>) -> Result<bool, Error> {
        let Some(size) = ears.terminal() else { return self.say.out(text).await.map(|()| true) };
        let screens = view::screens(text, size);
        let last = screens.len().saturating_sub(1);
        for (at, screen) in screens.iter().enumerate() {
            self.say.out(screen).await?;
            if at == last {
                break;
            }
            self.say.out(&format!("-- {} of {}: any key for more, q to leave --", at + 1, last + 1)).await?;
            let key = loop {
                match ears.next().await {
                    Heard::Resize(_) => {}
                    key => break key,
                }
            };
            self.say.out("\n").await?;
            match key {
                Heard::Byte(CTRL_C) => return Err(Error::Interrupted),
                Heard::Byte(b'q' | b'Q') | Heard::End => return Ok(false),
                Heard::Byte(_) | Heard::Resize(_) => {}
            }
        }
        Ok(true)
    }
}

/// What is asked for, in a list.
fn what(action: &Action) -> Cow<'_, str> {
    let other = if *action == Action::Sftp { "(files by SFTP)" } else { "(a shell)" };
    action.command().map_or(other.into(), |command| String::from_utf8_lossy(command.bytes()))
}

fn first(request: &Request) -> String {
    request.digest.to_string().chars().take(DIGITS).collect()
}

fn left(request: &Request, now: Timestamp) -> String {
    let left = request.expires.since(now).as_secs();
    format!("{}:{:02} min", left / 60, left % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_eight_hex_digits() {
        assert_eq!(digits("0A1b2c3d").as_deref(), Ok("0a1b2c3d"));
        assert!(digits("0a1b2c3").is_err() && digits("0a1b2c3g").is_err());
    }
}
