//! Past and present sessions: which there were, what the ledger says of one, and its recording for other programs.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::line::{Export, Form, List};
use super::table::{Cell, Table, fields, span, stamp};
use super::{Error, Visit};
use crate::domain::RecordId;
use crate::domain::event::{Event, Fact, Outcome, TargetRef};
use crate::domain::identity::Principal;
use crate::domain::session::{SessionId, Stream};
use crate::domain::target::Login;
use crate::ledger::entry::Entry;
use crate::policy::{self, Asked, Decision};
use crate::recording::index::{Ended, Filter, Summary};
use crate::recording::{self, Reader};

impl Visit<'_> {
    pub(super) async fn list(&self, list: &List) -> Result<(), Error> {
        let now = self.room.clock.now();
        let filter = Filter {
            principal: None,
            who: list.who.clone(),
            target: list.target.as_deref().map(|name| self.canonical(name)),
            since: list.since.map(|since| since.moment(now)),
        };
        // What policy looks at is the place and whether the session is one's own: each such pair is judged once.
        let mut judged = HashMap::new();
        let own = self.caller.identity.principal();
        let keep = |summary: &Summary| {
            let pair = (summary.target.clone(), summary.login.clone(), summary.principal == own.as_str());
            *judged.entry(pair).or_insert_with(|| is_allowed(&self.judge(summary)))
        };
        let found = self.room.sessions.index().list_where(&filter, usize::from(list.limit), keep).await?;
        let mut table = Table::new(&["SESSION", "STARTED", "LASTED", "WHO", "TARGET", "WHAT", "END"], &[3, 4]);
        for summary in &found {
            let lasted = summary.ended.as_ref().map_or_else(
                || span(now.since(summary.started)),
                |ended| span(std::time::Duration::from_millis(ended.duration_ms)),
            );
            table.push(vec![
                Cell::new(summary.session.to_string()),
                Cell::new(stamp(summary.started)),
                Cell::new(lasted),
                Cell::new(&summary.name),
                Cell::new(format!("{}@{}", summary.login, summary.target)),
                Cell::new(what(summary)),
                end(summary),
            ]);
        }
        let value = json!({ "sessions": found.iter().map(facts).collect::<Vec<_>>() });
        self.answer(list.form, &table.render(self.say.look()), &value).await
    }

    /// A name or an alias, as the index knows the target.
    fn canonical(&self, name: &str) -> String {
        let targets = self.room.sessions.targets();
        let target = targets.iter().find(|target| target.is_called(name));
        target.map_or_else(|| name.to_owned(), |target| target.name.to_string())
    }

    pub(super) async fn show(&self, id: SessionId, form: Form) -> Result<(), Error> {
        let summary = self.look(id, "show").await?;
        let mut told = self.told(&summary).await?;
        if summary.principal == self.caller.identity.principal().as_str() {
            // Who looked at it is for those who may look at other people's sessions, not for whom it is about.
            told.retain(|entry| !self.is_by_another(entry));
        }
        let reader = self.room.sessions.recordings().reader(summary.recording);
        // A recording that cannot be read says so here, and leaves the rest of the answer standing.
        let command = match reader.preamble().await {
            Ok(preamble) => Cell::new(preamble.about.and_then(|about| about.command).unwrap_or_default()),
            // The first frame is stored within a second.
            Err(recording::Error::Missing { .. }) if summary.ended.is_none() => Cell::new(""),
            Err(_) => Cell::new("(the recording's begin cannot be read)").bad(),
        };
        let ended = summary.ended.as_ref();
        let bytes = ended.map(|ended| format!("{} in, {} out", ended.bytes_in, ended.bytes_out)).unwrap_or_default();
        let (extent, root) = told.extent_and_root();
        let mut text = fields(
            &[
                ("session", Cell::new(summary.session.to_string())),
                ("who", Cell::new(format!("{} ({})", summary.name, summary.principal))),
                ("target", Cell::new(format!("{}@{}", summary.login, summary.target))),
                ("what", Cell::new(what(&summary))),
                ("command", command),
                ("started", Cell::new(summary.started.to_string())),
                ("ended", Cell::new(ended.map(|ended| ended.time.to_string()).unwrap_or_default())),
                ("end", end(&summary)),
                ("bytes", Cell::new(bytes)),
                ("masked", Cell::new(masked(ended))),
                ("recording", Cell::new(summary.recording.to_string())),
                ("  extent", Cell::new(extent)),
                ("  root", Cell::new(root)),
            ],
            self.say.look(),
        );
        text.push('\n');
        text.push_str(&told.table().render(self.say.look()));
        text.push_str(&format!("\n{}\n", told.looked_at()));
        let mut value = facts(&summary);
        if let Value::Object(map) = &mut value {
            map.insert("recording".to_owned(), told.recording(&summary));
            map.insert("looked_at".to_owned(), told.windows());
            map.insert("records".to_owned(), told.records());
        }
        self.answer(form, &text, &value).await
    }

    fn is_by_another(&self, entry: &Entry) -> bool {
        let (actor, identity) = (entry.actor(), &self.caller.identity);
        let own = actor.text("iss") == Some(&identity.issuer_url) && actor.text("sub") == Some(&identity.subject);
        actor.text("type") != Some("system") && !own
    }

    pub(super) async fn export(&self, export: &Export) -> Result<(), Error> {
        if self.say.terminal().is_some() {
            return Err(Error::ToTerminal(export.id));
        }
        let summary = self.look(export.id, "export").await?;
        let mut export = self.reader(&summary).await?.export(export.format);
        while let Some(chunk) = export.next_chunk().await? {
            self.say.bytes(Stream::Stdout, chunk).await?;
        }
        Ok(())
    }

    /// The session's recording. If the ledger says that it is complete, whoever reads to its end hears whether it is
    /// the one that the ledger means.
    pub(super) async fn reader(&self, summary: &Summary) -> Result<Reader, Error> {
        let reader = self.room.sessions.recordings().reader(summary.recording);
        Ok(match self.told(summary).await?.whole() {
            Some(extent) => reader.expecting(extent),
            None => reader,
        })
    }

    /// Asks policy, and records both its answer and the look, before anything is shown. A session that the caller may
    /// not see reads the same as one that does not exist.
    pub(super) async fn look(&self, id: SessionId, how: &'static str) -> Result<Summary, Error> {
        let now = self.room.clock.now();
        let before = self.room.clock.elapsed();
        let summary = self.room.sessions.index().get(id).await?;
        let decision = match &summary {
            Some(summary) => self.judge(summary),
            None => self.room.sessions.judge(self.caller, Asked::Review, None, None),
        };
        let took = self.room.clock.elapsed().saturating_sub(before);
        let mut decided = decision.to_decided("review", u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
        let fact = |outcome, event| Fact::new(RecordId::new(now), outcome, event).by(self.caller);
        let Some(summary) = summary else {
            // Whatever the rules would have said, it was not about this.
            decided.rules.clear();
            self.record(vec![fact(Outcome::Deny, Event::AuthzDecision(decided))]).await?;
            return Err(Error::NoSession(id));
        };
        let allowed = is_allowed(&decision);
        let outcome = match decision.recorded() {
            Outcome::Allow if !allowed => Outcome::Deny,
            recorded => recorded,
        };
        let place = self.place(&summary);
        let decided = fact(outcome, Event::AuthzDecision(decided)).within(id).towards(place.clone());
        if !allowed {
            self.record(vec![decided]).await?;
            return Err(Error::NoSession(id));
        }
        let mut viewed = fact(Outcome::Success, Event::EvidenceViewed { how, session: id }).towards(place);
        viewed.refs.push(decided.id);
        self.record(vec![decided, viewed]).await?;
        Ok(summary)
    }

    async fn record(&self, facts: Vec<Fact>) -> Result<(), Error> {
        self.room.sessions.ledger().append(facts).await?;
        Ok(())
    }

    fn judge(&self, summary: &Summary) -> Decision {
        let targets = self.room.sessions.targets();
        let target = targets.iter().find(|target| target.name.as_str() == summary.target);
        let login = Login::parse(&summary.login).ok();
        let owner = Principal::parse(&summary.principal);
        // A target that is gone from the config has no labels any more: then only rules for the bastion itself count.
        let place = target.zip(login.as_ref()).map(|(target, login)| (target.as_ref(), login));
        self.room.sessions.judge(self.caller, Asked::Review, place, owner.as_ref())
    }

    /// The target as it is configured now, or what is left of it.
    fn place(&self, summary: &Summary) -> TargetRef {
        let targets = self.room.sessions.targets();
        let target = targets.iter().find(|target| target.name.as_str() == summary.target);
        match target.zip(Login::parse(&summary.login).ok()) {
            Some((target, login)) => TargetRef::of(target, &login),
            None => TargetRef {
                name: summary.target.clone(),
                host: String::new(),
                login: summary.login.clone(),
                host_key: None,
                labels: std::collections::BTreeMap::new(),
            },
        }
    }
}

fn facts(summary: &Summary) -> Value {
    json!({
        "session": summary.session.to_string(),
        "recording": summary.recording.to_string(),
        "principal": summary.principal,
        "name": summary.name,
        "target": summary.target,
        "login": summary.login,
        "action": summary.action,
        "pty": summary.pty,
        "started": summary.started.to_string(),
        "ended": summary.ended.as_ref().map(|ended| json!({
            "time": ended.time.to_string(),
            "end": ended.end,
            "exit": ended.exit,
            "bytes_in": ended.bytes_in,
            "bytes_out": ended.bytes_out,
            "duration_ms": ended.duration_ms,
            "masked": ended.masked,
        })),
    })
}

/// Which kinds of secrets were hidden, and how many.
fn masked(ended: Option<&Ended>) -> String {
    let counts = ended.into_iter().flat_map(|ended| &ended.masked);
    counts.map(|(rule, count)| format!("{count} {rule}")).collect::<Vec<_>>().join(", ")
}

fn what(summary: &Summary) -> String {
    // A shell has a terminal and a command has none: said where it is otherwise.
    match (summary.action.as_str(), summary.pty) {
        ("shell", false) => "shell, no pty".to_owned(),
        ("exec", true) => "exec, pty".to_owned(),
        (action, _) => action.to_owned(),
    }
}

fn end(summary: &Summary) -> Cell {
    let Some(ended) = &summary.ended else { return Cell::new("open").good() };
    match (&ended.exit, ended.end.as_str()) {
        (Some(exit), _) if exit == "exit 0" => Cell::new(exit),
        (Some(exit), _) => Cell::new(exit).bad(),
        (None, "client closed") => Cell::new("client closed"),
        (None, end) => Cell::new(end).bad(),
    }
}

/// A rule may allow a look only within limits; those that say how a session is kept mean nothing here, any other one
/// would have to be kept.
fn is_allowed(decision: &Decision) -> bool {
    match &decision.outcome {
        policy::Outcome::Allow(limits) => limits.unserved(&OF_SESSIONS).is_none(),
        policy::Outcome::Hold(_) | policy::Outcome::Deny => false,
    }
}

const OF_SESSIONS: [&str; 5] = ["max_session", "durable", "input", "hidden_input", "shell"];
