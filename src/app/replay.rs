//! What recorded requests would be answered by two sets of rules. Reads the state folder of a bastion that is stopped, and
//! changes nothing there.
//!
//! A request is put again as it was recorded: who, their groups and claims, their sign-in, from where, when, and the exact
//! command, as long as its text is kept. Targets and their labels, and what is known about commands, are those of the
//! config now. What cannot be put again is counted.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use bytes::Bytes;

use super::config::Config;
use super::mend::{LOG, STORE, is_ready};
use super::{ServeError, StartError, init};
use crate::domain::event::Outcome as Recorded;
use crate::domain::forward::Endpoint;
use crate::domain::identity::{Flow, Group, Identity, IssuerName, Kind, SignIn};
use crate::domain::listen::Listen;
use crate::domain::session::{Command, SessionId};
use crate::domain::target::Login;
use crate::domain::{Digest, RecordId, Timestamp};
use crate::ledger::entry::{Entry, Fields};
use crate::ledger::{self, check::verify_log_with, checkpoint};
use crate::policy::{Asked, Decision, Policy, Request, decide};
use crate::signer::Signer;
use crate::store::{self, Blobs};

/// What came of it.
#[derive(Clone, Debug, Default)]
pub struct Replayed {
    /// Requests for a shell, a command, SFTP or a forwarded connection in the time that was looked at.
    pub asked: u64,
    /// Of them, put to both sets.
    pub put: u64,
    /// Not put: the text of the command, or where a connection leads, is not kept. That of what was denied never is.
    pub without_text: u64,
    /// Not put: the config has no such target, login or issuer any more, or the sign-in is not in the log.
    pub without_place: u64,
    /// Those that the two sets answer otherwise, in the order of the log.
    pub differ: Vec<Differs>,
}

/// One request that the two sets answer otherwise.
#[derive(Clone, Debug)]
pub struct Differs {
    /// The record of its decision.
    pub record: RecordId,
    /// When it was asked.
    pub time: Timestamp,
    /// By whom: `ISSUER:SUBJECT`.
    pub who: String,
    /// Where.
    pub target: String,
    /// As whom.
    pub login: String,
    /// What, as policy calls it: `exec`.
    pub action: &'static str,
    /// The command, or where a connection leads; nothing for a shell or SFTP.
    pub what: Option<String>,
    /// What the old set answers.
    pub old: Decision,
    /// What the new set answers.
    pub new: Decision,
}

/// A request as the log tells of it.
struct Told {
    record: RecordId,
    time: Timestamp,
    sign_in: RecordId,
    kind: Kind,
    issuer: String,
    subject: String,
    name: String,
    groups: Vec<String>,
    source: SocketAddr,
    target: String,
    login: String,
    what: What<Digest, String, String>,
    pty: Option<bool>,
}

/// What is asked of a target: its command, and where it leads, if that is known.
enum What<C, F, L> {
    Shell,
    Exec(Option<C>),
    Sftp,
    Forward(Option<F>),
    Listen(Option<L>),
}

struct SignedIn {
    at: Timestamp,
    issuer: String,
    flow: Flow,
    amr: Vec<String>,
    auth_time: Option<Timestamp>,
    until: Timestamp,
    about: BTreeMap<String, String>,
}

struct Gathered {
    since: Timestamp,
    sign_ins: BTreeMap<RecordId, SignedIn>,
    told: Vec<Told>,
    /// Where in `told` a session, or the record of a decision, stands.
    sessions: BTreeMap<SessionId, usize>,
    records: BTreeMap<RecordId, usize>,
}

/// Puts every request since then to both sets.
pub async fn replay(config: &Config, old: &Policy, new: &Policy, since: Timestamp) -> Result<Replayed, ServeError> {
    let state = &config.state;
    let signer = Signer::open(&state.join(init::KEYS)).map_err(ServeError::Keys)?;
    let origin = init::read_origin(state)?;
    let key = checkpoint::Key::new(&origin, signer.log_key()).map_err(|e| StartError::from(ledger::Error::from(e)))?;
    // Opening what is missing would make it. A store without texts is no fault here: they are counted.
    let blobs = match is_ready(&state.join(STORE)) {
        true => Some(store::sled(&state.join(STORE), &store::sled::Settings::default())?.0),
        false => None,
    };
    let (sign_ins, sessions, records) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    let mut gathered = Gathered { since, sign_ins, told: Vec::new(), sessions, records };
    if state.join(LOG).is_dir() {
        let files = store::disk(&state.join(LOG))?;
        let mut each = |entry: &Entry, _| gathered.take(entry);
        let report = verify_log_with(&files, &key, &mut each).await.map_err(StartError::from)?;
        if let Some(fault) = report.faults.into_iter().next() {
            return Err(StartError::from(ledger::Error::Damaged(fault)).into());
        }
    }
    let mut replayed = Replayed::default();
    for told in &gathered.told {
        replayed.asked += 1;
        let Some(put) = gathered.placed(config, told) else {
            replayed.without_place += 1;
            continue;
        };
        let what = match &told.what {
            What::Shell => What::Shell,
            What::Sftp => What::Sftp,
            What::Exec(text) => {
                What::Exec(command(config, text.as_ref(), blobs.as_ref()).await.map_err(StartError::from)?)
            }
            What::Forward(to) => What::Forward(to.as_deref().and_then(Endpoint::read)),
            What::Listen(at) => What::Listen(at.as_deref().and_then(Listen::read)),
        };
        let action = match &what {
            What::Shell => Asked::Shell,
            What::Sftp => Asked::Sftp,
            What::Exec(Some(command)) => Asked::Exec(command),
            What::Forward(Some(to)) => Asked::Forward(to),
            What::Listen(Some(at)) => Asked::Listen(at),
            What::Exec(None) | What::Forward(None) | What::Listen(None) => {
                replayed.without_text += 1;
                continue;
            }
        };
        replayed.put += 1;
        replayed.differ.extend(put.compare(told, action, (old, new)));
    }
    Ok(replayed)
}

/// The command, if its exact text is kept.
async fn command(
    config: &Config,
    text: Option<&Digest>,
    blobs: Option<&Blobs>,
) -> Result<Option<Command>, ledger::Error> {
    let (Some(hash), Some(blobs)) = (text, blobs) else { return Ok(None) };
    let text: Option<Bytes> = ledger::payload_in(blobs, hash).await?;
    // A label in it stands for a secret: it is not what was asked.
    let exact = text.filter(|text| {
        let text = String::from_utf8_lossy(text);
        let own = config.mask.site.iter().chain(&config.mask.values).cloned();
        !own.chain(crate::mask::known()).any(|rule| text.contains(&format!("[{}]", rule.id)))
    });
    Ok(exact.and_then(|text| Command::parse(text).ok()))
}

impl Gathered {
    fn take(&mut self, entry: &Entry) {
        match entry.kind() {
            "authn.oidc" if entry.outcome() == Recorded::Success => {
                self.sign_ins.extend(signed_in(entry).map(|signed_in| (entry.id(), signed_in)));
            }
            "authz.decision" if entry.time() >= self.since => {
                let Some(told) = told(entry) else { return };
                let at = self.told.len();
                self.records.insert(entry.id(), at);
                self.sessions.extend(entry.session().map(|session| (session, at)));
                self.told.push(told);
            }
            "session.start" => {
                let pty = entry.body().flag("pty");
                self.change(entry, |told| told.pty = pty);
            }
            "channel.exec" => {
                // Of another length than the command was: a secret in it was masked.
                let length = entry.body().number("length");
                let exact = entry.body().payload("command").filter(|(_, kept)| Some(*kept) == length);
                self.change(entry, |told| told.what = What::Exec(exact.map(|(hash, _)| hash)));
            }
            "channel.forward" => {
                let to = entry.body().text("to").map(str::to_owned);
                self.change(entry, |told| told.what = What::Forward(to));
            }
            "channel.listen" if entry.body().text("what") == Some("asked") => {
                let at = entry.body().text("at").map(str::to_owned);
                self.change(entry, |told| told.what = What::Listen(at));
            }
            "approval.requested" => {
                let (text, pty) = (entry.body().payload("command").map(|(hash, _)| hash), entry.body().flag("pty"));
                let held = entry.refs().iter().find_map(|record| self.records.get(record)).copied();
                if let Some(told) = held.and_then(|at| self.told.get_mut(at)) {
                    told.pty = pty;
                    if let What::Exec(known) = &mut told.what {
                        *known = text;
                    }
                }
            }
            _ => {}
        }
    }

    /// The request that the entry's session began with.
    fn change(&mut self, entry: &Entry, change: impl FnOnce(&mut Told)) {
        let at = entry.session().and_then(|session| self.sessions.get(&session)).copied();
        if let Some(told) = at.and_then(|at| self.told.get_mut(at)) {
            change(told);
        }
    }

    /// With everything that the config knows of it.
    fn placed<'a>(&'a self, config: &'a Config, told: &Told) -> Option<Placed<'a>> {
        let target = config.targets.iter().find(|target| target.name.as_str() == told.target)?;
        let login = target.logins.iter().find(|login| login.as_str() == told.login)?;
        let signed_in = self.sign_ins.get(&told.sign_in)?;
        let issuer = IssuerName::parse(&signed_in.issuer)?;
        let known = config.issuers.iter().any(|one| one.name == issuer && one.url == told.issuer);
        known.then(|| Placed {
            identity: Identity {
                issuer,
                issuer_url: told.issuer.clone(),
                subject: told.subject.clone(),
                kind: told.kind,
                name: told.name.clone(),
                groups: told.groups.iter().map(|group| Group::configured(group)).collect(),
                claims: signed_in.about.clone(),
            },
            sign_in: SignIn {
                record: told.sign_in,
                at: signed_in.at,
                auth_time: signed_in.auth_time,
                until: signed_in.until,
                flow: signed_in.flow,
                amr: signed_in.amr.clone(),
            },
            target,
            login,
        })
    }
}

struct Placed<'a> {
    identity: Identity,
    sign_in: SignIn,
    target: &'a crate::domain::target::Target,
    login: &'a Login,
}

impl Placed<'_> {
    fn compare(&self, told: &Told, action: Asked<'_>, (old, new): (&Policy, &Policy)) -> Option<Differs> {
        let request = Request {
            identity: &self.identity,
            sign_in: &self.sign_in,
            action,
            target: Some((self.target, self.login)),
            owner: None,
            now: told.time,
            source: told.source.ip(),
            pty: told.pty.unwrap_or(action == Asked::Shell),
        };
        let (old, new) = (decide(old, &request), decide(new, &request));
        (old.outcome != new.outcome).then(|| Differs {
            record: told.record,
            time: told.time,
            who: format!("{}:{}", self.identity.issuer, told.subject),
            target: told.target.clone(),
            login: told.login.clone(),
            action: action.as_str(),
            what: match action {
                Asked::Exec(command) => Some(String::from_utf8_lossy(command.bytes()).into_owned()),
                Asked::Forward(to) => Some(to.to_string()),
                Asked::Listen(at) => Some(at.to_string()),
                _ => None,
            },
            old,
            new,
        })
    }
}

fn signed_in(entry: &Entry) -> Option<SignedIn> {
    let body = entry.body();
    let about = body.part("about").map(Fields::map).into_iter().flatten();
    Some(SignedIn {
        at: entry.time(),
        issuer: body.text("issuer")?.to_owned(),
        flow: Flow::parse(body.text("flow")?)?,
        amr: body.texts("amr")?.into_iter().map(str::to_owned).collect(),
        auth_time: body.time("auth_time"),
        until: body.time("until").unwrap_or(entry.time()),
        about: about.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))).collect(),
    })
}

/// A decision about what a session does. The last one on what was held is no request of its own.
fn told(entry: &Entry) -> Option<Told> {
    let (actor, body, target) = (entry.actor(), entry.body(), entry.target()?);
    let what = match body.text("action")? {
        "exec" => What::Exec(None),
        "shell" => What::Shell,
        "sftp" => What::Sftp,
        "forward" => What::Forward(None),
        "listen" => What::Listen(None),
        _ => return None,
    };
    if body.text("pass")? == "final" {
        return None;
    }
    let kind = match actor.text("type")? {
        "user" => Kind::Person,
        "pipeline" => Kind::Pipeline,
        _ => return None,
    };
    let text = |fields: Fields<'_>, name: &str| fields.text(name).map(str::to_owned);
    Some(Told {
        record: entry.id(),
        time: entry.time(),
        sign_in: *entry.refs().first()?,
        kind,
        issuer: text(actor, "iss")?,
        subject: text(actor, "sub")?,
        name: text(actor, "name").unwrap_or_default(),
        groups: actor.texts("groups").unwrap_or_default().into_iter().map(str::to_owned).collect(),
        source: actor.text("src")?.parse().ok()?,
        target: text(target, "name")?,
        login: text(target, "login")?,
        what,
        pty: None,
    })
}
