//! How the bytes of a session pass its taps: masked, each stream by a masker of its own; or, where a permit lets a
//! command move files, as they are, and kept as a digest only.
//!
//! Counts what each rule hid. Never holds on to a value.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;

use crate::domain::event::masked::Applied;
use crate::domain::session::{RecordingId, TerminalSize};
use crate::domain::{Digest, Hashing};
use crate::mask::fingerprint::Fingerprinter;
use crate::mask::rule::Rules;
use crate::mask::{Masked, Masker, Width};

/// What a recording has of the bytes that pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kept {
    /// The bytes.
    Whole,
    /// Their length and digest.
    Digest,
}

/// How the bytes of a session pass.
#[derive(Clone, Debug)]
pub(super) enum Manner {
    /// Masked by these rules; masked is also what is kept of them.
    Masked(Arc<Rules>, Width, Kept),
    /// As they are; their digest is recorded.
    Digest,
    /// As they are; what they do to files is recorded by whoever reads them.
    Followed,
    /// As they are, and nothing of them is kept.
    Passed,
}

impl Manner {
    /// The word in headers and records.
    pub(super) fn as_str(&self) -> &'static str {
        match self {
            Self::Masked(..) => "default",
            Self::Digest => "transfer",
            Self::Followed => "sftp",
            Self::Passed => "forward",
        }
    }

    /// The word in headers and records for what is kept, where it is less than the bytes and nothing else says so.
    pub(super) fn kept(&self) -> Option<&'static str> {
        matches!(self, Self::Masked(.., Kept::Digest) | Self::Digest).then_some("digest")
    }
}

/// How wide a session's terminal is; nothing where there is none or it is not known.
#[derive(Debug, Default)]
pub(super) struct Columns(AtomicU16);

impl Columns {
    pub(super) fn become_those_of(&self, size: TerminalSize) {
        self.0.store(size.cols, Ordering::Relaxed);
    }
}

/// One stream on its way through a tap.
#[derive(Debug)]
pub(super) struct Veil {
    name: &'static str,
    masker: Option<Box<Masker>>,
    keeps: Keeps,
    hidden: Arc<Hidden>,
    /// Of a terminal's output: where lines wrap.
    columns: Option<Arc<Columns>>,
}

/// What goes into the recording.
#[derive(Debug)]
enum Keeps {
    Bytes,
    Digest(Hashing),
    Nothing,
}

impl Veil {
    pub(super) fn new(name: &'static str, manner: &Manner, hidden: &Arc<Hidden>) -> Self {
        let masker = match manner {
            Manner::Masked(rules, width, _) => {
                let mut masker = Masker::new(rules.clone(), *width);
                hidden.prints.iter().for_each(|prints| masker.print_by(prints.clone()));
                Some(Box::new(masker))
            }
            Manner::Digest | Manner::Followed | Manner::Passed => None,
        };
        let keeps = match manner {
            Manner::Masked(.., Kept::Whole) => Keeps::Bytes,
            Manner::Masked(.., Kept::Digest) | Manner::Digest => Keeps::Digest(Hashing::default()),
            Manner::Followed | Manner::Passed => Keeps::Nothing,
        };
        Self { name, masker, keeps, hidden: hidden.clone(), columns: None }
    }

    /// It is what a terminal shows.
    pub(super) fn wide(self, columns: &Arc<Columns>) -> Self {
        Self { columns: Some(columns.clone()), ..self }
    }

    /// What of it may be shown now. `at`: in the recording.
    pub(super) fn feed(&mut self, bytes: &Bytes, at: Duration) -> Bytes {
        let Some(masker) = &mut self.masker else {
            self.keeps.add(bytes);
            return bytes.clone();
        };
        let columns = self.columns.as_ref().map_or(0, |columns| columns.0.load(Ordering::Relaxed));
        if columns > 0 {
            masker.resize(columns);
        }
        let masked = masker.feed(bytes);
        self.note(masked, at)
    }

    /// Whether something waits that may become a secret.
    pub(super) fn holds(&self) -> bool {
        self.held() > 0
    }

    /// Whether what waits is no more than a word.
    pub(super) fn holds_a_word(&self) -> bool {
        self.masker.as_ref().is_some_and(|masker| masker.holds_a_word())
    }

    /// How many bytes wait.
    pub(super) fn held(&self) -> usize {
        self.masker.as_ref().map_or(0, |masker| masker.held())
    }

    /// Nothing more has come for a while: what waits goes out, masked if it is a secret as it stands.
    pub(super) fn release(&mut self, at: Duration) -> Bytes {
        let Some(masker) = &mut self.masker else { return Bytes::new() };
        let masked = masker.release();
        self.note(masked, at)
    }

    /// The stream has ended: what waits goes out.
    pub(super) fn finish(&mut self, at: Duration) -> Bytes {
        let Some(masker) = &mut self.masker else { return Bytes::new() };
        let masked = masker.end();
        self.note(masked, at)
    }

    /// Whether the bytes themselves are recorded.
    pub(super) fn is_kept(&self) -> bool {
        matches!(self.keeps, Keeps::Bytes)
    }

    /// Of bytes that are not recorded: what the recording says of them instead; once.
    pub(super) fn summed_up(&mut self) -> Option<String> {
        let Keeps::Digest(hashing) = &mut self.keeps else { return None };
        let (bytes, digest) = std::mem::take(hashing).end();
        (bytes > 0).then(|| format!("{}: {bytes} bytes not kept, SHA-256 {digest}", self.name))
    }

    fn note(&mut self, masked: Masked, at: Duration) -> Bytes {
        if !masked.hits.is_empty() {
            self.hidden.add(self.name, &masked, at);
        }
        self.keeps.add(&masked.bytes);
        masked.bytes.into()
    }
}

impl Keeps {
    fn add(&mut self, bytes: &[u8]) {
        if let Self::Digest(hashing) = self {
            hashing.add(bytes);
        }
    }
}

/// What the rules hid in one session, by rule and stream.
#[derive(Debug, Default)]
pub(super) struct Hidden {
    tallies: Mutex<BTreeMap<(Arc<str>, &'static str), Tally>>,
    prints: Option<Fingerprinter>,
}

#[derive(Clone, Debug)]
struct Tally {
    prints: BTreeSet<[u8; 32]>,
    count: u64,
    bytes: u64,
    first: Duration,
    last: Duration,
}

impl Hidden {
    /// With fingerprints by this.
    pub(super) fn printing(prints: Fingerprinter) -> Self {
        Self { prints: Some(prints), ..Self::default() }
    }

    fn add(&self, stream: &'static str, masked: &Masked, at: Duration) {
        let mut tallies = self.tallies.lock().unwrap_or_else(PoisonError::into_inner);
        for hit in &masked.hits {
            let none = Tally { prints: BTreeSet::new(), count: 0, bytes: 0, first: at, last: at };
            let tally = tallies.entry((hit.rule.clone(), stream)).or_insert(none);
            (tally.count, tally.bytes, tally.last) = (tally.count + 1, tally.bytes + hit.length, at);
        }
        for (rule, print) in &masked.prints {
            let tally = tallies.get_mut(&(rule.clone(), stream)).filter(|tally| tally.prints.len() < MOST_PRINTS);
            if let Some(tally) = tally {
                tally.prints.insert(*print);
            }
        }
    }

    /// How many secrets each rule hid.
    pub(super) fn totals(&self) -> BTreeMap<Arc<str>, u64> {
        let mut totals = BTreeMap::new();
        for ((rule, _), tally) in &*self.tallies.lock().unwrap_or_else(PoisonError::into_inner) {
            *totals.entry(rule.clone()).or_default() += tally.count;
        }
        totals
    }

    /// How many secrets each rule hid in what the target printed.
    pub(super) fn printed(&self) -> BTreeMap<Arc<str>, u64> {
        let mut totals = BTreeMap::new();
        let tallies = self.tallies.lock().unwrap_or_else(PoisonError::into_inner);
        for ((rule, _), tally) in tallies.iter().filter(|((_, stream), _)| *stream != "input") {
            *totals.entry(rule.clone()).or_default() += tally.count;
        }
        totals
    }

    /// As records say it.
    pub(super) fn applied(&self, recording: RecordingId) -> Vec<Applied> {
        let micros = |at: Duration| u64::try_from(at.as_micros()).unwrap_or(u64::MAX);
        let tallies = self.tallies.lock().unwrap_or_else(PoisonError::into_inner);
        let applied = |((rule, stream), tally): (&(Arc<str>, &'static str), &Tally)| Applied {
            recording,
            rule: rule.clone(),
            stream,
            count: tally.count,
            bytes: tally.bytes,
            fingerprints: tally.prints.iter().copied().map(Digest).collect(),
            first_us: micros(tally.first),
            last_us: micros(tally.last),
        };
        tallies.iter().map(applied).collect()
    }
}

/// The most fingerprints of one rule in one stream that a record has.
const MOST_PRINTS: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Timestamp;

    fn veil(manner: &Manner) -> (Veil, Arc<Hidden>) {
        let hidden = Arc::new(Hidden::default());
        (Veil::new("stdout", manner, &hidden), hidden)
    }

    #[test]
    fn what_is_hidden_is_counted_by_rule_and_stream_with_its_place() {
        let (mut veil, hidden) = veil(&Manner::Masked(Rules::standard(), Width::Label, Kept::Whole));
        let first = veil.feed(&Bytes::from_static(b"PGPASSWORD=hunter2 psql\n"), Duration::from_millis(5));
        assert_eq!(first, "PGPASSWORD=[password-assign] psql\n");
        veil.feed(&Bytes::from_static(b"a\nPGPASSWORD=hunter3 psql\n"), Duration::from_millis(9));
        assert_eq!(hidden.totals(), BTreeMap::from([("password-assign".into(), 2)]));
        let recording = RecordingId::new(Timestamp::from_secs(1));
        let applied = Applied {
            recording,
            rule: "password-assign".into(),
            stream: "stdout",
            count: 2,
            bytes: 14,
            fingerprints: Vec::new(),
            first_us: 5000,
            last_us: 9000,
        };
        assert_eq!(hidden.applied(recording), [applied]);
    }

    #[test]
    fn the_same_long_secret_has_the_same_fingerprint_and_a_short_one_has_none() {
        let hidden = Arc::new(Hidden::printing(Fingerprinter::new(|value| [value.len() as u8; 32])));
        let mut veil = Veil::new("stdout", &Manner::Masked(Rules::standard(), Width::Label, Kept::Whole), &hidden);
        let text = "PGPASSWORD=hunter2 CLIENT_SECRET=Q7mZ2xL9vB4nT8kR1cW6yH3j\n";
        veil.feed(&Bytes::from(text.repeat(2)), Duration::ZERO);
        let applied = hidden.applied(RecordingId::new(Timestamp::from_secs(1)));
        let prints: Vec<_> =
            applied.iter().map(|applied| (&*applied.rule, applied.count, applied.fingerprints.len())).collect();
        assert_eq!(prints, [("password-assign", 2, 0), ("secret-assign", 2, 1)]);
        assert_eq!(applied[1].fingerprints, [Digest([24; 32])]);
    }

    #[test]
    fn what_is_held_goes_out_masked_at_the_end_and_what_follows_is_masked_too() {
        let (mut veil, hidden) = veil(&Manner::Masked(Rules::standard(), Width::Same, Kept::Whole));
        assert_eq!(veil.feed(&Bytes::from_static(b"password=hunter2"), Duration::ZERO), "");
        assert!(veil.holds());
        assert_eq!(veil.finish(Duration::ZERO), "password=*******");
        assert_eq!(veil.feed(&Bytes::from_static(b" password=hunter2\n"), Duration::ZERO), " password=*******\n");
        assert_eq!(hidden.totals(), BTreeMap::from([("password-assign".into(), 2)]));
    }

    #[test]
    fn a_secret_that_a_terminal_wraps_is_hidden_on_both_lines() {
        let (veil, _) = veil(&Manner::Masked(Rules::standard(), Width::Same, Kept::Whole));
        let columns = Arc::new(Columns::default());
        let mut veil = veil.wide(&columns);
        columns.become_those_of(TerminalSize { cols: 12, rows: 24 });
        let wrapped = veil.feed(&Bytes::from_static(b"PASSWORD=hun \rter2 psql\r\n"), Duration::ZERO);
        assert_eq!(wrapped, "PASSWORD=*** \r**** psql\r\n");
        columns.become_those_of(TerminalSize { cols: 40, rows: 24 });
        let short = veil.feed(&Bytes::from_static(b"PASSWORD=hunt\r\nter2\r\n"), Duration::ZERO);
        assert_eq!(short, "PASSWORD=****\r\nter2\r\n");
    }

    #[test]
    fn output_of_which_only_the_digest_is_kept_is_masked_all_the_same_and_the_digest_is_of_what_was_shown() {
        let (mut veil, hidden) = veil(&Manner::Masked(Rules::standard(), Width::Label, Kept::Digest));
        let mut shown = veil.feed(&Bytes::from_static(b"a PGPASSWORD=hun"), Duration::ZERO).to_vec();
        shown.extend(veil.release(Duration::ZERO));
        shown.extend(veil.feed(&Bytes::from_static(b"ter2 psql\nrest"), Duration::ZERO));
        shown.extend(veil.finish(Duration::ZERO));
        assert!(!veil.is_kept() && hidden.totals().len() == 1 && !shown.windows(4).any(|part| part == b"ter2"));
        let said = format!("stdout: {} bytes not kept, SHA-256 {}", shown.len(), Digest::of(&shown));
        assert_eq!((veil.summed_up(), veil.summed_up()), (Some(said), None));
    }

    #[test]
    fn files_under_a_permit_pass_as_they_are_and_only_their_digest_is_kept() {
        let (mut veil, hidden) = veil(&Manner::Digest);
        let bytes = Bytes::from_static(b"password=hunter2\n");
        assert_eq!(veil.feed(&bytes, Duration::ZERO), bytes);
        assert!(!veil.is_kept() && !veil.holds() && hidden.totals().is_empty());
        let said = format!("stdout: 17 bytes not kept, SHA-256 {}", Digest::of(&bytes));
        assert_eq!((veil.summed_up(), veil.summed_up()), (Some(said), None));
    }
}
