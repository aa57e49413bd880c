//! `approvals watch`: requests as they come, and one key to answer the one on the screen.

use std::time::Duration;

use serde_json::json;
use tokio::time::sleep;

use super::super::io::{CTRL_C, Ears, Heard};
use super::super::line::Form;
use super::super::{Error, Visit};
use super::{view, what};
use crate::approval::{Id, Request, State, Vote};
use crate::domain::printable;
use crate::session::Shown;

/// A key counts once what it answers has been on the screen for so long.
const SEEN_FOR: Duration = Duration::from_secs(1);
/// How often the time that is left is drawn anew.
const REDRAW: Duration = Duration::from_secs(1);
/// The longest reason.
const REASON: usize = 400;
const CLEAR: &str = "\x1b[H\x1b[2J";

/// The request on the screen.
struct Pinned {
    shown: Shown,
    /// Since when, by the clock that only goes forward.
    since: Duration,
    /// Whether all of it was on the screen.
    whole: bool,
}

impl Visit<'_> {
    pub(in super::super) async fn watch(&self, form: Form, ears: &mut Ears<'_>) -> Result<(), Error> {
        match ears.terminal() {
            Some(_) if !form.json => self.watch_keys(ears).await,
            _ => self.watch_lines(form, ears).await,
        }
    }

    /// A line for each request, until nobody listens any more.
    async fn watch_lines(&self, form: Form, ears: &mut Ears<'_>) -> Result<(), Error> {
        let mut changes = self.room.sessions.desk().changes();
        let mut told: Vec<Id> = Vec::new();
        loop {
            changes.mark_unchanged();
            let open = self.room.sessions.requests(self.caller);
            told.retain(|id| open.iter().any(|request| request.id == *id));
            for request in &open {
                if !told.contains(&request.id) {
                    told.push(request.id);
                    self.say.out(&self.news(form, request)).await?;
                }
            }
            tokio::select! {
                _ = changes.changed() => {}
                () = ears.interrupted() => return Err(Error::Interrupted),
            }
        }
    }

    fn news(&self, form: Form, request: &Request) -> String {
        if form.json {
            return format!("{}\n", json!(self.value(request)));
        }
        let subject = &request.subject;
        format!(
            "{} {} wants {}@{}: {}\n",
            request.id,
            printable(&request.caller.identity.name, 64),
            subject.login,
            printable(&subject.target, 64),
            printable(&what(&subject.action), 200),
        )
    }

    /// One request on the screen at a time, the oldest first; new ones queue behind it.
    async fn watch_keys(&self, ears: &mut Ears<'_>) -> Result<(), Error> {
        let mut changes = self.room.sessions.desk().changes();
        let (mut pinned, mut passed, mut note): (Option<Pinned>, Vec<Id>, String) = (None, Vec::new(), String::new());
        loop {
            changes.mark_unchanged();
            let open = self.room.sessions.requests(self.caller);
            let mine = |request: &Request| request.caller.identity.principal() == self.caller.identity.principal();
            let open: Vec<Request> = open.into_iter().filter(|request| !mine(request)).collect();
            passed.retain(|id| open.iter().any(|request| request.id == *id));
            match pinned.take().filter(|pin| open.iter().any(|request| request.id == pin.shown.request.id)) {
                Some(pin) => pinned = Some(pin),
                None => {
                    let next = open.iter().find(|request| !passed.contains(&request.id)).or(open.first());
                    if let Some(next) = next {
                        let shown = self.room.sessions.show(self.caller, next.id).await?;
                        pinned = Some(Pinned { shown, since: self.room.clock.elapsed(), whole: false });
                    }
                }
            }
            self.draw(pinned.as_mut(), open.len(), &note, ears).await?;
            let heard = tokio::select! {
                _ = changes.changed() => continue,
                () = sleep(REDRAW), if pinned.is_some() => continue,
                heard = ears.next() => heard,
            };
            note.clear();
            let key = match heard {
                Heard::Byte(byte) => byte.to_ascii_lowercase(),
                Heard::Resize(_) => continue,
                Heard::End => return Ok(()),
            };
            match (key, &pinned) {
                (b'q' | CTRL_C, _) => return self.say.out("\n").await,
                (b'n', Some(pin)) => {
                    if passed.len() + 1 >= open.len() {
                        passed.clear();
                    }
                    passed.push(pin.shown.request.id);
                    pinned = None;
                }
                (b'a' | b'd', Some(pin)) if self.room.clock.elapsed().saturating_sub(pin.since) < SEEN_FOR => {
                    "look at it first: keys count after a second".clone_into(&mut note);
                }
                (b'a', Some(pin)) if !pin.whole => {
                    note = format!("it does not fit this screen: approve {} shows it to its end", pin.shown.request.id);
                }
                (b'a', Some(pin)) => note = self.answered(&pin.shown.request, Vote::Approve, None).await?,
                (b'd', Some(pin)) => {
                    self.say.out("\nWhy not? The requester hears it: ").await?;
                    match self.typed(ears, REASON).await? {
                        Some(why) if !why.trim().is_empty() => {
                            note = self.answered(&pin.shown.request, Vote::Deny, Some(why.trim())).await?;
                        }
                        _ => "not denied: a no needs a reason".clone_into(&mut note),
                    }
                }
                _ => {}
            }
        }
    }

    async fn draw(&self, pin: Option<&mut Pinned>, open: usize, note: &str, ears: &Ears<'_>) -> Result<(), Error> {
        let mut text = CLEAR.to_owned();
        match pin {
            None => text.push_str("Nothing waits that you may vote on.\n"),
            Some(pin) => {
                let all = view::text(&pin.shown, self.room.clock.now());
                let screens = ears.terminal().map(|size| view::screens(&all, size)).unwrap_or_default();
                pin.whole = screens.len() <= 1;
                text.push_str(screens.first().map_or(all.as_str(), String::as_str));
            }
        }
        let waiting = open.saturating_sub(1);
        let queue = if waiting > 0 { format!("{waiting} more wait. ") } else { String::new() };
        let keys = if open > 0 { "a approve, d deny, n next, q leave" } else { "q leave" };
        let note = if note.is_empty() { String::new() } else { format!(" [{note}]") };
        text.push_str(&format!("{queue}{keys}{note} "));
        self.say.out(&text).await
    }

    /// Votes; what came of it, in a line. A vote that does not count is no reason to leave.
    async fn answered(&self, request: &Request, vote: Vote, why: Option<&str>) -> Result<String, Error> {
        let id = request.id;
        match self.room.sessions.vote(self.caller, id, &request.digest, (vote, why)).await.map_err(Error::from) {
            Ok(State::Open) => Ok(format!("{id}: your approval counts; others are still needed")),
            Ok(State::Denied) => Ok(format!("{id}: denied")),
            Ok(_) => Ok(format!("{id}: approved")),
            Err(Error::Vote(fault)) => Ok(format!("{id}: {fault}")),
            Err(other) => Err(other),
        }
    }
}
