//! A target's own log of sign-ins against the records: who was there without a record, and which record has no sign-in there.
//!
//! Pure. Goes by the serial of the certificate, which is in both and is never given twice: clocks and time zones of targets do
//! not matter. Believes of a log's line only what sshd itself wrote of a sign-in that it accepted.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;

use bytes::Bytes;

use super::bundle::{self, ReadError, Reader};
use super::entry::{self, Entry};

/// A sign-in as the target's sshd tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// `publickey`, `password` and so on.
    pub method: String,
    /// The account.
    pub user: String,
    /// From where.
    pub from: String,
    /// Key id and serial of the certificate; `None` if it was by anything else.
    pub certificate: Option<(String, u64)>,
}

impl Login {
    /// Reads a line of the log; `None` if it tells of no sign-in that was accepted.
    pub fn read(line: &str) -> Option<Self> {
        let rest = message(line)?.strip_prefix("Accepted ")?;
        let (method, rest) = rest.split_once(" for ")?;
        if method.is_empty() || !method.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'/' | b'_')) {
            return None;
        }
        let (user, rest) = rest.split_once(" from ")?;
        let (from, rest) = rest.split_once(" port ")?;
        let certificate = rest.split_once(": ").and_then(|(_, key)| certificate(key));
        Some(Self { method: method.to_owned(), user: user.to_owned(), from: from.to_owned(), certificate })
    }
}

/// `TYPE-CERT SHA256:… ID KEYID (serial N) CA TYPE SHA256:…`
fn certificate(key: &str) -> Option<(String, u64)> {
    let (kind, rest) = key.split_once(' ')?;
    let (_, rest) = rest.split_once(" ID ")?;
    // From the end: the id is whatever the authority wrote.
    let (key_id, rest) = rest.rsplit_once(" (serial ")?;
    let (serial, _) = rest.split_once(')')?;
    kind.ends_with("-CERT").then(|| serial.parse().ok().map(|serial| (key_id.to_owned(), serial)))?
}

/// What sshd says in a line: all of it, or what stands behind its name. Text of others that only looks like it is not.
fn message(line: &str) -> Option<&str> {
    if line.starts_with("Accepted ") {
        return Some(line);
    }
    let (head, message) = line.split_once(": ")?;
    let tag = head.split_whitespace().last()?;
    let name = tag.split_once('[').map_or(tag, |(name, _)| name);
    matches!(name, "sshd" | "sshd-session" | "sshd-auth").then_some(message)
}

/// A sign-in at a target as the records tell it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Opened {
    seq: u64,
    key_id: String,
    target: String,
    login: String,
    session: String,
    seen: bool,
}

/// Gathers both sides.
#[derive(Debug, Default)]
pub struct Reconciler {
    target: String,
    opened: BTreeMap<u64, Opened>,
    /// Sessions that a target has answered: it had let somebody in.
    answered: BTreeSet<String>,
    /// Records of which only hashes are there.
    withheld: u64,
    report: Report,
}

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Sign-ins in the log.
    pub logins: u64,
    /// Sign-ins that have their record.
    pub matched: u64,
    /// Sign-ins without a record, or with another one.
    pub strangers: Vec<String>,
    /// Records of sessions that the target has answered, without a sign-in in its log.
    pub vanished: Vec<String>,
    /// Records of connections of which no session came: the sign-in may have failed.
    pub unanswered: Vec<String>,
    /// Records before the first and behind the last serial of the log: it may begin later, or end earlier.
    pub outside: u64,
}

impl Report {
    /// Whether both tell the same.
    pub fn agrees(&self) -> bool {
        self.strangers.is_empty() && self.vanished.is_empty()
    }
}

impl Reconciler {
    /// For the log of one target.
    pub fn new(target: &str) -> Self {
        Self { target: target.to_owned(), ..Self::default() }
    }

    /// Takes the records of a bundle, which was verified before.
    pub fn bundle<R: Read>(&mut self, source: R) -> Result<(), ReadError> {
        let mut reader = Reader::new(source);
        while let Some((name, _)) = reader.next_file()? {
            if name == bundle::RECORDS {
                return self.records(&mut reader);
            }
            reader.finish()?;
        }
        Err(ReadError::Form { place: bundle::RECORDS.to_owned(), what: "is not in the bundle" })
    }

    fn records<R: Read>(&mut self, reader: &mut Reader<R>) -> Result<(), ReadError> {
        let (mut buffer, mut line) = (vec![0; 64 * 1024], Vec::new());
        loop {
            let count = reader.read(&mut buffer)?;
            if count == 0 {
                return Ok(());
            }
            for byte in buffer.get(..count).unwrap_or_default() {
                match byte {
                    b'\n' => match entry::decode(&Bytes::from(std::mem::take(&mut line))) {
                        Ok(entry) => self.record(&entry),
                        Err(_) => self.withheld += 1,
                    },
                    _ if line.len() > entry::MAX_BYTES => {
                        return Err(ReadError::Form { place: bundle::RECORDS.to_owned(), what: "has a line too long" });
                    }
                    byte => line.push(*byte),
                }
            }
        }
    }

    /// Takes a record.
    pub fn record(&mut self, entry: &Entry) {
        let session = entry.session().map(|session| session.to_string()).unwrap_or_default();
        match entry.kind() {
            "session.end" if entry.body().part("exit").is_some() => {
                self.answered.insert(session);
            }
            "upstream.open" => {
                let (body, target) = (entry.body(), entry.target());
                let of = |name| target.and_then(|target| target.text(name)).unwrap_or_default().to_owned();
                if let Some(serial) = body.number("serial") {
                    let key_id = body.text("key_id").unwrap_or_default().to_owned();
                    let (target, login) = (of("name"), of("login"));
                    let opened = Opened { seq: entry.seq(), key_id, target, login, session, seen: false };
                    self.opened.insert(serial, opened);
                }
            }
            _ => {}
        }
    }

    /// How many records could not be looked at.
    pub fn withheld(&self) -> u64 {
        self.withheld
    }

    /// Takes a line of the target's log, all records being there.
    pub fn line(&mut self, line: &str) {
        let Some(login) = Login::read(line) else { return };
        self.report.logins += 1;
        let who = format!("{} from {} by {}", login.user, login.from, login.method);
        let Some((key_id, serial)) = login.certificate else {
            return self.stranger(format!("{who}: not by a certificate, so past the bastion"));
        };
        let who = format!("{who}, serial {serial} ({key_id})");
        let Some(opened) = self.opened.get_mut(&serial) else {
            return self.stranger(format!("{who}: no record has this serial"));
        };
        let what = if opened.seen {
            format!("record {} is of one sign-in, and this is another with its certificate", opened.seq)
        } else if opened.key_id != key_id {
            format!("record {} has this serial and another key id", opened.seq)
        } else if (opened.target.as_str(), &opened.login) != (self.target.as_str(), &login.user) {
            format!("record {} is of {}+{}", opened.seq, opened.login, opened.target)
        } else {
            opened.seen = true;
            self.report.matched += 1;
            return;
        };
        self.stranger(format!("{who}: {what}"));
    }

    fn stranger(&mut self, what: String) {
        // A log of nothing else would fill the memory: the count goes on.
        if self.report.strangers.len() < MAX_NAMED {
            self.report.strangers.push(what);
        }
    }

    /// What came of it, all lines being read.
    pub fn finish(mut self) -> Report {
        let seen = || self.opened.iter().filter(|(_, opened)| opened.seen).map(|(serial, _)| *serial);
        let (first, last) = (seen().min(), seen().max());
        for (serial, opened) in &self.opened {
            if opened.seen || opened.target != self.target {
                continue;
            }
            if first.is_none_or(|first| *serial < first) || last.is_none_or(|last| *serial > last) {
                self.report.outside += 1;
                continue;
            }
            let what = format!("record {}: {}, serial {serial} ({})", opened.seq, opened.login, opened.key_id);
            let list = match self.answered.contains(&opened.session) {
                true => &mut self.report.vanished,
                false => &mut self.report.unanswered,
            };
            if list.len() < MAX_NAMED {
                list.push(what);
            }
        }
        self.report
    }
}

/// After so many no more are named in a list.
pub const MAX_NAMED: usize = 1000;

#[cfg(test)]
mod tests;
