//! Whom an auditor believes: keys and the quorum from a file that came on another road.
//!
//! A C2SP tlog-policy. Pure. Refuses what it does not understand: a line that is skipped could be the one that matters.

use std::collections::BTreeSet;

use thiserror::Error;

use super::checkpoint::{self, Key};
use super::cosign::Witness;

/// Longest file that is read.
pub const MAX_BYTES: usize = 64 * 1024;
const MAX_LINES: usize = 1000;

/// What the file says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trust {
    /// Keys of logs.
    pub logs: Vec<Key>,
    /// Witnesses, by the names that groups and the quorum use.
    pub witnesses: Vec<(String, Stated)>,
    /// Groups, each after those that it is made of.
    pub groups: Vec<Group>,
    /// The name of the group or witness that must have signed too. `None`: nobody must.
    pub quorum: Option<String>,
}

/// A witness as the file states it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stated {
    /// Its key.
    pub key: Witness,
    /// Where it is asked.
    pub url: Option<String>,
}

/// Who has cosigned a note.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cosigned<'a> {
    /// By their names, each with the time in seconds since 1970.
    pub signed: Vec<(&'a str, u64)>,
    /// Whether they are enough; `None` if nobody must.
    pub enough: Option<bool>,
}

/// So many of these.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    name: String,
    threshold: usize,
    members: Vec<String>,
}

impl Trust {
    /// One log, no witness.
    pub fn of(log: Key) -> Self {
        Self { logs: vec![log], witnesses: Vec::new(), groups: Vec::new(), quorum: None }
    }

    /// Which witnesses have cosigned a note.
    pub fn cosigned(&self, note: &[u8]) -> Result<Cosigned<'_>, checkpoint::Error> {
        let mut signed = Vec::new();
        for (name, stated) in &self.witnesses {
            if let Some(time) = stated.key.cosigned(note)? {
                signed.push((name.as_str(), time));
            }
        }
        let mut good: BTreeSet<&str> = signed.iter().map(|(name, _)| *name).collect();
        for group in &self.groups {
            if group.members.iter().filter(|member| good.contains(member.as_str())).count() >= group.threshold {
                good.insert(&group.name);
            }
        }
        let enough = self.quorum.as_deref().map(|quorum| good.contains(quorum));
        Ok(Cosigned { signed, enough })
    }

    /// Reads a file.
    pub fn parse(text: &str) -> Result<Self, Error> {
        if text.len() > MAX_BYTES || text.lines().count() > MAX_LINES {
            return Err(Error::TooLong);
        }
        let (mut logs, mut names, mut quorum) = (Vec::new(), BTreeSet::new(), None);
        let (mut witnesses, mut groups) = (Vec::<(String, Stated)>::new(), Vec::new());
        for (number, line) in (1..).zip(text.lines()) {
            let fault = |what| Error::Line { number, what };
            let words: Vec<&str> = line.split([' ', '\t']).filter(|word| !word.is_empty()).collect();
            match words.as_slice() {
                [] => {}
                [first, ..] if first.starts_with('#') => {}
                ["log", key] | ["log", key, _] => {
                    logs.push(Key::parse(key).map_err(|cause| Error::Key { number, cause })?)
                }
                ["witness", name, key, url @ ..] if url.len() < 2 => {
                    let fresh = *name != "none" && names.insert((*name).to_owned());
                    fresh.then_some(()).ok_or_else(|| fault("names something twice"))?;
                    let key = Witness::parse(key).map_err(|cause| Error::Key { number, cause })?;
                    // One key under two names would count twice.
                    let is_new = witnesses.iter().all(|(_, other)| other.key.public() != key.public());
                    is_new.then_some(()).ok_or_else(|| fault("has the key of another witness"))?;
                    let url = url.first().map(|url| (*url).to_owned());
                    witnesses.push(((*name).to_owned(), Stated { key, url }));
                }
                ["group", name, threshold, members @ ..] => {
                    let count = match *threshold {
                        "any" => Some(1),
                        "all" => Some(members.len()),
                        number => number.parse().ok(),
                    };
                    let fits = count.is_some_and(|count| (1..=members.len()).contains(&count));
                    fits.then_some(()).ok_or_else(|| fault("has a threshold that its members cannot meet"))?;
                    let known = members.iter().all(|member| names.contains(*member));
                    known.then_some(()).ok_or_else(|| fault("has a member that no line before names"))?;
                    let fresh = *name != "none" && names.insert((*name).to_owned());
                    fresh.then_some(()).ok_or_else(|| fault("names something twice"))?;
                    let distinct: BTreeSet<_> = members.iter().collect();
                    (distinct.len() == members.len()).then_some(()).ok_or_else(|| fault("has a member twice"))?;
                    let members = members.iter().map(|member| (*member).to_owned()).collect();
                    groups.push(Group { name: (*name).to_owned(), threshold: count.unwrap_or(usize::MAX), members });
                }
                ["quorum", name] if quorum.is_none() => {
                    let known = *name == "none" || names.contains(*name);
                    known.then_some(()).ok_or_else(|| fault("names what no line before names"))?;
                    quorum = Some((*name).to_owned());
                }
                ["quorum", ..] => return Err(fault("is a second quorum, or none")),
                _ => return Err(fault("is no line of a tlog-policy")),
            }
        }
        if logs.is_empty() {
            return Err(Error::NoLog);
        }
        let quorum = quorum.ok_or(Error::NoQuorum)?;
        Ok(Self { logs, witnesses, groups, quorum: Some(quorum).filter(|name| name != "none") })
    }

    /// As the bastion states it.
    pub fn text(&self) -> String {
        let logs: String = self.logs.iter().map(|key| format!("log {key}\n")).collect();
        let witness = |(name, stated): &(String, Stated)| match &stated.url {
            Some(url) => format!("witness {name} {} {url}\n", stated.key),
            None => format!("witness {name} {}\n", stated.key),
        };
        let witnesses: String = self.witnesses.iter().map(witness).collect();
        let group = |group: &Group| format!("group {} {} {}\n", group.name, group.threshold, group.members.join(" "));
        let groups: String = self.groups.iter().map(group).collect();
        format!("{logs}{witnesses}{groups}quorum {}\n", self.quorum.as_deref().unwrap_or("none"))
    }
}

/// Why a trust file is none.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Error {
    /// Too long to be one.
    #[error("is longer than 64 KiB or 1,000 lines")]
    TooLong,
    /// A line.
    #[error("line {number} {what}")]
    Line {
        /// Counted from 1.
        number: usize,
        /// What is wrong.
        what: &'static str,
    },
    /// A key.
    #[error("line {number}: {cause}")]
    Key {
        /// Counted from 1.
        number: usize,
        /// Why it is none.
        cause: checkpoint::Error,
    },
    /// No log.
    #[error("names no log: it needs a line 'log KEY'")]
    NoLog,
    /// No quorum.
    #[error("names no quorum: it needs a line 'quorum none', or the name of a witness or group")]
    NoQuorum,
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "log bastion.example.com/log+4f3c1f36+AQ";

    fn key() -> Key {
        Key::new("bastion.example.com/log", [7; 32]).unwrap()
    }

    #[track_caller]
    fn fault(text: &str, what: &str) {
        let error = Trust::parse(text).unwrap_err().to_string();
        assert!(error.contains(what), "{error}");
    }

    #[test]
    fn what_is_written_is_read() {
        let trust = Trust::of(key());
        assert_eq!(Trust::parse(&trust.text()), Ok(trust.clone()));
        let text = format!("# ours\n\nlog {} https://log.example\nquorum none # not a comment\n", key());
        fault(&text, "line 4");
        let (w1, w2) = (witness(1), witness(2));
        let text = format!("log {}\nwitness w1 {w1} https://w\nwitness w2 {w2}\ngroup g 2 w1 w2\nquorum g\n", key());
        let witnessed = Trust::parse(&text).unwrap();
        assert_eq!((witnessed.quorum.as_deref(), witnessed.text()), (Some("g"), text));
    }

    fn witness(number: u8) -> Witness {
        Witness::new(&format!("w{number}.example"), [number; 32]).unwrap()
    }

    #[test]
    fn a_line_that_is_not_understood_is_a_fault() {
        let (log, w) = (format!("log {}\n", key()), witness(1));
        fault(&format!("{LOG}\nquorum none\n"), "line 1");
        fault("quorum none\n", "no log");
        fault(&log, "no quorum");
        fault(&format!("{log}quorum g\n"), "line 2");
        fault(&format!("{log}quorum none\nquorum none\n"), "line 3");
        fault(&format!("{log}group g 1 w\nquorum g\n"), "member");
        fault(&format!("{log}witness w {w}\ngroup g 2 w\nquorum g\n"), "threshold");
        fault(&format!("{log}witness w {w}\nwitness w {w}\nquorum w\n"), "twice");
        fault(&format!("{log}witness none {w}\nquorum none\n"), "twice");
        fault(&format!("{log}witness w {w}\nwitness v {w}\nquorum w\n"), "of another witness");
        fault(&format!("{log}witness w {w}\ngroup g 2 w w\nquorum g\n"), "twice");
        fault(&format!("{log}witness w {}\nquorum w\n", key()), "line 2");
        fault(&format!("{log}mirror x\nquorum none\n"), "line 2");
        fault(&"#\n".repeat(1001), "1,000 lines");
    }
}
