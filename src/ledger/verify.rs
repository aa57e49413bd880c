//! The judgement on a bundle, by whoever has nothing but the file and keys from another road.
//!
//! Pure. Reads the file once, from begin to end, in little memory, and accounts for every byte of it. Believes no key that
//! lies in the bundle unless told to, and says in its verdict whom it believed.

use std::collections::BTreeMap;
use std::io::{self, Read};

use super::bundle::{self, Listed, Manifest, ReadError, Reader};
use super::checkpoint::{self, Checkpoint, Key};
use super::population::Dates;
use super::succession::Succeeded;
use super::trust::{self, Trust};
use crate::domain::{Digest, Timestamp};
use crate::merkle::{self, Frontier};

mod bounds;
mod content;
mod stamps;

pub use bounds::Bound;
use bounds::Bounds;
use content::Content;
pub use stamps::Stamped;

/// Whose keys count.
#[derive(Clone, Copy, Debug)]
pub enum Belief<'a> {
    /// Nobody's: the sums are checked, the signer is only named.
    Nobody,
    /// Those that the bundle states itself.
    Bundle,
    /// Those of a file that came on another road.
    Trust(&'a Trust),
}

/// What a bundle is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// All checks pass, and as many witnesses have signed as the trust file asks for.
    Verified,
    /// All checks pass. Nobody but the log has signed: whoever holds its key could have rewritten it before the export.
    VerifiedUnwitnessed,
    /// The sums agree, and no key was given to hold the signer against.
    SignerNotChecked,
    /// The trust file asks for witnesses, and theirs are not there.
    NoQuorum,
    /// Something is missing that must be there.
    Incomplete,
    /// Something is not as it was signed.
    Tampered,
}

impl Verdict {
    /// The words for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Verified => "verified",
            Self::VerifiedUnwitnessed => "verified, unwitnessed",
            Self::SignerNotChecked => "consistent, signer not checked",
            Self::NoQuorum => "no quorum",
            Self::Incomplete => "incomplete",
            Self::Tampered => "tampered",
        }
    }

    /// Whether whoever asked may rely on it.
    pub fn is_good(self) -> bool {
        matches!(self, Self::Verified | Self::VerifiedUnwitnessed)
    }
}

/// Something wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// In which file, and where in it.
    pub place: String,
    /// What.
    pub what: String,
    /// Whether something is only not there.
    pub is_gap: bool,
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// In a word.
    pub verdict: Verdict,
    /// The key that signed, as `name+id+key`.
    pub signer: Option<String>,
    /// What the bundle says of itself; absent if that cannot be read.
    pub manifest: Option<Manifest>,
    /// Indexes of the first record and behind the last one.
    pub range: (u64, u64),
    /// Times of the first and the last record.
    pub times: Option<(Timestamp, Timestamp)>,
    /// Witnesses that have signed the checkpoint behind the period, and when, in seconds since 1970.
    pub witnesses: Vec<(String, u64)>,
    /// Between which signatures of witnesses the records were written; empty if none has signed.
    pub bounds: Vec<Bound>,
    /// Records of each kind.
    pub counts: BTreeMap<String, u64>,
    /// Records that are only there as hashes.
    pub withheld: u64,
    /// Recordings that are in it, whole.
    pub recordings: u64,
    /// Texts that are in it.
    pub texts: u64,
    /// Policy sets and schemas that are in it.
    pub policies: u64,
    /// Tables that are in it, each the one that follows from the records.
    pub populations: u64,
    /// Logs whose place this one has taken, by its records of the period.
    pub successions: Vec<Succeeded>,
    /// Checkpoints that an authority has stamped, as far as their tokens are here; who has signed these is not judged.
    pub stamps: Vec<Stamped>,
    /// Everything that is wrong; at most [`MAX_FAULTS`].
    pub faults: Vec<Fault>,
}

/// After so many faults no more are named.
pub const MAX_FAULTS: usize = 100;
/// How far the clocks of a witness and a log may be apart, in seconds.
const SKEW_S: i64 = 300;
const SMALL_BYTES: u64 = 64 * 1024;
const LIST_BYTES: u64 = 64 * 1024 * 1024;

/// Judges a bundle. `progress` hears how many bytes were read. The error is that of reading the file.
pub fn verify<R: Read>(source: R, belief: Belief<'_>, progress: &mut dyn FnMut(u64)) -> Result<Report, io::Error> {
    let mut judge = Judge::new(source, belief, progress);
    match judge.read() {
        Ok(()) => judge.compare(),
        Err(ReadError::Io(error)) => return Err(error),
        Err(ReadError::Cut { place }) => judge.faults.gap(&place, "the bundle ends here"),
        Err(ReadError::Form { place, what }) => judge.faults.wrong(&place, what),
    }
    Ok(judge.report())
}

/// Gathers what is wrong.
#[derive(Debug, Default)]
struct Faults(Vec<Fault>);

impl Faults {
    fn wrong(&mut self, place: &str, what: impl Into<String>) {
        self.push(place, what.into(), false);
    }

    fn gap(&mut self, place: &str, what: impl Into<String>) {
        self.push(place, what.into(), true);
    }

    fn push(&mut self, place: &str, what: String, is_gap: bool) {
        if self.0.len() < MAX_FAULTS {
            self.0.push(Fault { place: place.to_owned(), what, is_gap });
        }
    }

    fn is_named(&self, file: &str) -> bool {
        self.0.iter().any(|fault| fault.place == file || fault.place.starts_with(&format!("{file}:")))
    }
}

struct Judge<'a, R> {
    reader: Reader<R>,
    belief: Belief<'a>,
    progress: &'a mut dyn FnMut(u64),
    faults: Faults,
    /// What was read, in order.
    seen: Vec<Listed>,
    small: BTreeMap<&'static str, Vec<u8>>,
    key: Option<Key>,
    first: u64,
    behind: Option<Checkpoint>,
    witnesses: Vec<(String, u64)>,
    /// Whether they are enough; `None` if nobody must.
    quorum: Option<bool>,
    content: Content,
    manifest: Option<Manifest>,
}

impl<'a, R: Read> Judge<'a, R> {
    fn new(source: R, belief: Belief<'a>, progress: &'a mut dyn FnMut(u64)) -> Self {
        Self {
            reader: Reader::new(source),
            belief,
            progress,
            faults: Faults::default(),
            seen: Vec::new(),
            small: BTreeMap::new(),
            key: None,
            first: 0,
            behind: None,
            witnesses: Vec::new(),
            quorum: None,
            content: Content::default(),
            manifest: None,
        }
    }

    fn read(&mut self) -> Result<(), ReadError> {
        let mut next = self.reader.next_file()?;
        for expected in bundle::FIRST {
            match next {
                Some((name, size)) if name == expected => {
                    self.file(expected, size)?;
                    next = self.reader.next_file()?;
                }
                // The first bundles have none.
                _ if [bundle::PERIOD, bundle::COSIGNED].contains(&expected) => {}
                _ => return Err(ReadError::Form { place: expected.to_owned(), what: "is not where it belongs" }),
            }
        }
        while let Some((name, size)) = next {
            match name.as_str() {
                bundle::MANIFEST if !self.small.contains_key(bundle::MANIFEST) => self.file(bundle::MANIFEST, size)?,
                bundle::NOTE if self.small.contains_key(bundle::MANIFEST) && !self.small.contains_key(bundle::NOTE) => {
                    self.file(bundle::NOTE, size)?;
                }
                _ if self.small.contains_key(bundle::MANIFEST) => {
                    return Err(ReadError::Form { place: name, what: "stands behind the list of files" });
                }
                _ => {
                    let key = self.key.as_ref();
                    self.content.file(&name, size, &mut self.reader, self.progress, key, &mut self.faults)?;
                    self.finished(&name, size)?;
                }
            }
            next = self.reader.next_file()?;
        }
        Ok(())
    }

    /// One of the files that every bundle has.
    fn file(&mut self, name: &'static str, size: u64) -> Result<(), ReadError> {
        if name == bundle::RECORDS {
            self.before()?;
            self.content.records(self.first, &mut self.reader, self.progress, &mut self.faults)?;
        } else {
            let is_long = [bundle::MANIFEST, bundle::COSIGNED].contains(&name);
            let limit = if is_long { LIST_BYTES } else { SMALL_BYTES };
            let content = self.reader.whole(limit)?;
            let content =
                content.ok_or_else(|| ReadError::Form { place: name.to_owned(), what: "is longer than it can be" })?;
            self.small.insert(name, content);
        }
        self.finished(name, size)
    }

    fn finished(&mut self, name: &str, size: u64) -> Result<(), ReadError> {
        let (digest, is_padded) = self.reader.finish()?;
        if !is_padded {
            self.faults.wrong(&format!("{name}: padding"), "is not empty");
        }
        self.content.digest(name, &digest, &mut self.faults);
        self.seen.push(Listed { name: name.to_owned(), size, sha256: digest.to_string() });
        (self.progress)(self.reader.position());
        Ok(())
    }

    /// Keys, both checkpoints and the tree before the period: known before the first record is read.
    fn before(&mut self) -> Result<(), ReadError> {
        let stated = text(&self.small, bundle::POLICY).and_then(|text| Trust::parse(text).ok());
        let stated = stated.filter(|stated| stated.text().as_bytes() == self.bytes(bundle::POLICY));
        let Some(stated) = stated else {
            return Err(ReadError::Form { place: bundle::POLICY.to_owned(), what: "does not state the log's key" });
        };
        self.witnessed(&stated);
        let witnesses = stated.clone();
        let Some(stated) = stated.logs.into_iter().next() else { return Ok(()) };
        let key = match self.belief {
            Belief::Nobody | Belief::Bundle => stated,
            Belief::Trust(trust) => match trust.logs.iter().find(|key| key.name() == stated.name()) {
                Some(key) => {
                    if *key != stated {
                        self.faults.wrong(bundle::POLICY, "states another key than the trust file");
                    }
                    key.clone()
                }
                None => {
                    let log = stated.name();
                    self.faults.wrong(bundle::POLICY, format!("is of {log}, a log that the trust file does not name"));
                    stated
                }
            },
        };
        let a = match self.bytes(bundle::CHECKPOINT_A) {
            [] => None,
            note => match checkpoint::open(note, &key) {
                Ok(checkpoint) => Some(checkpoint),
                Err(error) => {
                    self.faults.wrong(bundle::CHECKPOINT_A, error.to_string());
                    None
                }
            },
        };
        match checkpoint::open(self.bytes(bundle::CHECKPOINT_B), &key) {
            Ok(checkpoint) => self.behind = Some(checkpoint),
            Err(error) => self.faults.wrong(bundle::CHECKPOINT_B, error.to_string()),
        }
        self.first = a.as_ref().map_or(0, |checkpoint| checkpoint.size);
        let prefix = text(&self.small, bundle::PREFIX).and_then(peaks);
        match prefix.and_then(|peaks| Frontier::of(self.first, peaks)) {
            None => self.faults.wrong(bundle::PREFIX, format!("is not a tree of {}", self.first)),
            Some(tree) => {
                if tree.root() != a.map_or_else(merkle::empty_root, |checkpoint| checkpoint.root) {
                    self.faults.wrong(bundle::PREFIX, format!("has another root than {}", bundle::CHECKPOINT_A));
                }
                let mut bounds = Bounds::default();
                let trust = if let Belief::Trust(trust) = self.belief { trust } else { &witnesses };
                for file in [bundle::CHECKPOINT_A, bundle::CHECKPOINT_B, bundle::COSIGNED] {
                    let stored = self.small.get(file).map_or(&[][..], Vec::as_slice);
                    bounds.add(file, stored, &key, trust, &mut self.faults);
                }
                self.content.begin(tree, bounds, &mut self.faults);
            }
        }
        if self.small.contains_key(bundle::PERIOD) {
            match text(&self.small, bundle::PERIOD).and_then(Dates::decode) {
                Some(dates) => self.content.expect_tables(dates),
                None => self.faults.wrong(bundle::PERIOD, "does not say from when to when"),
            }
        }
        self.key = Some(key);
        Ok(())
    }

    /// Who has signed the checkpoint behind the period beside the log.
    fn witnessed(&mut self, stated: &Trust) {
        let trust = match self.belief {
            Belief::Trust(trust) => trust,
            Belief::Bundle | Belief::Nobody => stated,
        };
        match trust.cosigned(self.bytes(bundle::CHECKPOINT_B)) {
            Ok(cosigned) => {
                self.quorum = cosigned.enough;
                self.witnesses = cosigned.signed.into_iter().map(|(name, time)| (name.to_owned(), time)).collect();
            }
            // What is no note is said below; a witness's signature that is wrong is said here only.
            Err(error @ checkpoint::Error::Signature { .. }) => {
                self.faults.wrong(bundle::CHECKPOINT_B, error.to_string());
            }
            Err(_) => {}
        }
    }

    /// A log that went before has the key of this one, or one that the trust file names.
    fn compare_successions(&mut self) {
        let trusted = match self.belief {
            Belief::Trust(trust) => trust.logs.as_slice(),
            Belief::Bundle | Belief::Nobody => &[],
        };
        for succeeded in &self.content.successions {
            let is_known = self.key.iter().chain(trusted).any(|key| key.is_one_with(&succeeded.key));
            if !is_known {
                let place = format!("{}: record {}", bundle::RECORDS, succeeded.seq);
                self.faults.wrong(&place, "names a log before it by a key that nobody vouches for");
            }
        }
    }

    fn bytes(&self, name: &str) -> &[u8] {
        self.small.get(name).map_or(&[], Vec::as_slice)
    }

    /// What was read, against what was signed.
    fn compare(&mut self) {
        self.compare_successions();
        if let Some(behind) = self.behind.take() {
            self.content.compare_root(&behind, &mut self.faults);
        }
        for name in [bundle::MANIFEST, bundle::NOTE] {
            if !self.small.contains_key(name) {
                self.faults.gap(name, "is not in the bundle");
            }
        }
        if self.bytes(bundle::MANIFEST).is_empty() {
            return;
        }
        let parsed = serde_json::from_slice::<Manifest>(self.bytes(bundle::MANIFEST)).ok();
        let one = parsed.filter(|one| one.encode().is_ok_and(|bytes| bytes == self.bytes(bundle::MANIFEST)));
        let Some(manifest) = one.filter(|manifest| manifest.format == bundle::FORMAT) else {
            self.faults.wrong(bundle::MANIFEST, format!("is not the list of a {}", bundle::FORMAT));
            return;
        };
        self.compare_note(&manifest);
        self.compare_files(&manifest.files);
        let key_name = self.key.as_ref().map_or("", Key::name);
        let end = self.content.size();
        if (manifest.origin.as_str(), manifest.first, manifest.end) != (key_name, self.first, end) {
            let range = format!("{} to {end}", self.first);
            self.faults.wrong(bundle::MANIFEST, format!("is not about records {range} of {key_name}"));
        }
        if let Some(dates) = text(&self.small, bundle::PERIOD)
            && dates != format!("{} {}\n", manifest.from, manifest.to)
        {
            self.faults.wrong(bundle::PERIOD, format!("is not the period of {}", bundle::MANIFEST));
        }
        self.content.compare(&manifest, &mut self.faults);
        self.manifest = Some(manifest);
    }

    fn compare_note(&mut self, manifest: &Manifest) {
        let Some(key) = self.key.clone() else { return };
        let note = self.bytes(bundle::NOTE);
        if note.is_empty() {
            return;
        }
        let expected = bundle::note_text(manifest, self.bytes(bundle::MANIFEST));
        let one_signature = note.split(|byte| *byte == b'\n').count() == expected.split('\n').count() + 2;
        let what = match checkpoint::text_of(note, &key) {
            Ok(text) if text == expected && one_signature => return,
            Ok(_) => format!("is not about this {}", bundle::MANIFEST),
            Err(error) => error.to_string().replace("checkpoint", "note"),
        };
        self.faults.wrong(bundle::NOTE, what);
    }

    fn compare_files(&mut self, listed: &[Listed]) {
        let own = [bundle::MANIFEST, bundle::NOTE];
        let seen: Vec<_> = self.seen.drain(..).filter(|file| !own.contains(&file.name.as_str())).collect();
        let by_name: BTreeMap<_, _> = seen.iter().map(|file| (file.name.as_str(), file)).collect();
        for file in listed {
            match by_name.get(file.name.as_str()) {
                None => self.faults.gap(&file.name, "is not in the bundle"),
                // What is wrong with it was said already.
                Some(found) if *found != file && !self.faults.is_named(&file.name) => {
                    self.faults.wrong(&file.name, format!("is not the file that {} lists", bundle::MANIFEST));
                }
                Some(_) => {}
            }
        }
        if seen.len() > listed.len() || by_name.len() != seen.len() {
            self.faults.wrong(bundle::MANIFEST, "does not list every file, or one stands twice");
        } else if self.faults.0.is_empty() && seen != listed {
            self.faults.wrong(bundle::MANIFEST, "lists the files in another order");
        }
    }

    fn report(mut self) -> Report {
        let stamps = std::mem::take(&mut self.content.stamps).judged(&mut self.faults);
        let verdict = match self.belief {
            _ if self.faults.0.iter().any(|fault| !fault.is_gap) => Verdict::Tampered,
            _ if !self.faults.0.is_empty() => Verdict::Incomplete,
            Belief::Nobody => Verdict::SignerNotChecked,
            Belief::Trust(_) | Belief::Bundle => match self.quorum {
                Some(true) => Verdict::Verified,
                Some(false) => Verdict::NoQuorum,
                None => Verdict::VerifiedUnwitnessed,
            },
        };
        let content = self.content;
        Report {
            verdict,
            signer: self.key.map(|key| key.to_string()),
            manifest: self.manifest,
            range: (self.first, content.size()),
            times: content.times,
            witnesses: self.witnesses,
            bounds: content.bounds.all(self.first, content.size()),
            counts: content.counts,
            withheld: content.withheld,
            recordings: content.recordings,
            texts: content.texts,
            policies: content.policies,
            populations: content.populations,
            successions: content.successions,
            stamps,
            faults: self.faults.0,
        }
    }
}

fn text<'a>(small: &'a BTreeMap<&'static str, Vec<u8>>, name: &str) -> Option<&'a str> {
    let bytes = small.get(name).filter(|bytes| bytes.len() <= trust::MAX_BYTES)?;
    std::str::from_utf8(bytes).ok()
}

/// A hash a line.
fn peaks(text: &str) -> Option<Vec<Digest>> {
    let digests =
        text.split_terminator('\n').map(|line| Digest::parse(line).filter(|digest| digest.to_string() == line));
    let digests: Vec<_> = digests.collect::<Option<_>>()?;
    (text.is_empty() || text.ends_with('\n')).then_some(digests).filter(|digests| digests.len() < 64)
}

#[cfg(test)]
mod tests;
