//! The export format: one tar file in which everything has its place, written and read byte for byte.
//!
//! Pure. Writes headers with nothing of this machine in them, so that equal contents are equal files. Refuses to read a
//! header that it would have written otherwise: no links, no folders, no owners, no second spelling.

use std::collections::BTreeMap;
use std::io::{self, Read};

use aws_lc_rs::digest::{Context, SHA256};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::entry;
use super::population::Control;
use crate::domain::Digest;
use crate::domain::event::Extent;
use crate::domain::session::RecordingId;

/// The name of the format, and the first line of the signed list of files.
pub const FORMAT: &str = "sallyport-bundle/v1";

/// How to check it.
pub const README: &str = "README.txt";
/// A verifier that needs nothing but Python.
pub const VERIFY: &str = "verify.py";
/// The keys, as the bastion states them.
pub const POLICY: &str = "policy.tlog";
/// The checkpoint before the period; empty if the period begins with the log.
pub const CHECKPOINT_A: &str = "checkpoint.a";
/// The checkpoint behind the period.
pub const CHECKPOINT_B: &str = "checkpoint.b";
/// The complete subtrees before the period, a line each.
pub const PREFIX: &str = "prefix.hashes";
/// The records, a line each.
pub const RECORDS: &str = "records.jsonl";
/// The dates that were asked for. Not in the first bundles, which have no populations and no policies either.
pub const PERIOD: &str = "period.txt";
/// Checkpoints of the period that enough witnesses have signed, one behind the other: one of each quarter of an hour.
pub const COSIGNED: &str = "cosigned.notes";
/// All other files and their digests.
pub const MANIFEST: &str = "manifest.json";
/// The signature over that.
pub const NOTE: &str = "manifest.note";

/// What stands first, in this order; only the period may be absent.
pub const FIRST: [&str; 9] = [README, VERIFY, POLICY, CHECKPOINT_A, CHECKPOINT_B, PREFIX, PERIOD, COSIGNED, RECORDS];
/// The text of [`README`].
pub const README_TEXT: &str = include_str!("bundle/README.txt");
/// The text of [`VERIFY`].
pub const VERIFY_TEXT: &str = include_str!("bundle/verify.py");

/// Where a text lies, with its salt in front.
pub fn blob_name(hash: &Digest) -> String {
    format!("blobs/{hash}")
}

/// Where the table of a control lies.
pub fn population_name(control: Control) -> String {
    format!("population/{}.csv", control.as_str())
}

/// Where a policy set or a schema lies.
pub fn policy_name(digest: &Digest) -> String {
    format!("policies/{digest}")
}

/// Where a recording lies.
pub fn recording_name(recording: &str) -> String {
    format!("recordings/{recording}.cast.zst")
}

/// Where the lengths of its frames lie, a line each.
pub fn frames_name(recording: &str) -> String {
    format!("recordings/{recording}.frames")
}

/// What stands in place of a record whose content is withheld.
pub fn withheld(leaf: &Digest) -> String {
    format!("{{\"withheld\":\"{leaf}\"}}")
}

const BLOCK: usize = 512;
const NAME_BYTES: usize = 100;
/// What eleven octal digits can say.
pub const MAX_FILE_BYTES: u64 = (1 << 33) - 1;

/// What a bundle says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// [`FORMAT`].
    pub format: String,
    /// Which log.
    pub origin: String,
    /// The asked period's begin.
    pub from: String,
    /// The moment behind its end.
    pub to: String,
    /// Index of the first record.
    pub first: u64,
    /// Index behind the last one.
    pub end: u64,
    /// How many records of each kind are in it.
    pub counts: BTreeMap<String, u64>,
    /// How many records are only there as hashes.
    pub withheld: u64,
    /// Files that records speak of and that are not in it.
    pub missing: Vec<Missing>,
    /// Every other file, in order.
    pub files: Vec<Listed>,
}

/// A file of a bundle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listed {
    /// Its path.
    pub name: String,
    /// How many bytes.
    pub size: u64,
    /// SHA-256 in hex.
    pub sha256: String,
}

/// A file that is not in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Missing {
    /// Where it would be.
    pub name: String,
    /// `not kept`, `damaged` or `withheld`.
    pub why: String,
}

impl Manifest {
    /// Its one spelling.
    pub fn encode(&self) -> Result<Vec<u8>, entry::Error> {
        entry::canonical(self)
    }
}

/// What is signed of a manifest: no checkpoint, whoever reads it.
pub fn note_text(manifest: &Manifest, encoded: &[u8]) -> String {
    let Manifest { origin, first, end, .. } = manifest;
    format!("{FORMAT}\n{origin}\n{first} {end}\n{}\n", Digest::of(encoded))
}

/// Writes the files of a bundle, and remembers what it wrote.
#[derive(Default)]
pub struct Writer {
    files: Vec<Listed>,
    open: Option<Open>,
}

struct Open {
    name: String,
    size: u64,
    written: u64,
    digest: Context,
}

impl Writer {
    /// Begins a file of exactly this size: the bytes that go before it.
    pub fn begin(&mut self, name: &str, size: u64) -> Result<Bytes, Error> {
        if self.open.is_some() {
            return Err(Error::Order);
        }
        let header = header(name, size).ok_or_else(|| Error::TooLarge(name.to_owned()))?;
        self.open = Some(Open { name: name.to_owned(), size, written: 0, digest: Context::new(&SHA256) });
        Ok(Bytes::copy_from_slice(&header))
    }

    /// Contents that are written as they are.
    pub fn content(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let open = self.open.as_mut().ok_or(Error::Order)?;
        open.digest.update(bytes);
        open.written += bytes.len() as u64;
        Ok(())
    }

    /// Ends the file: the bytes that go behind it.
    pub fn end(&mut self) -> Result<Bytes, Error> {
        let open = self.open.take().ok_or(Error::Order)?;
        if open.written != open.size {
            return Err(Error::Length(open.name));
        }
        let padding = vec![0; padding(open.size)];
        let sha256 = digest(open.digest).to_string();
        self.files.push(Listed { name: open.name, size: open.size, sha256 });
        Ok(padding.into())
    }

    /// A whole file.
    pub fn whole(&mut self, name: &str, content: &[u8]) -> Result<Bytes, Error> {
        let mut out = self.begin(name, content.len() as u64)?.to_vec();
        self.content(content)?;
        out.extend_from_slice(content);
        out.extend_from_slice(&self.end()?);
        Ok(out.into())
    }

    /// What was written so far.
    pub fn files(&self) -> &[Listed] {
        &self.files
    }
}

/// What stands behind the last file.
pub const END: [u8; 2 * BLOCK] = [0; 2 * BLOCK];

fn padding(size: u64) -> usize {
    usize::try_from(size.next_multiple_of(BLOCK as u64) - size).unwrap_or(0)
}

/// The one header that a file of this name and size has: ustar, mode 0644, owner 0, 1970. `None` if it fits in none.
fn header(name: &str, size: u64) -> Option<[u8; BLOCK]> {
    if name.is_empty() || name.len() > NAME_BYTES || size > MAX_FILE_BYTES || !is_path(name) {
        return None;
    }
    let mut header = [0; BLOCK];
    let mut put = |at: usize, text: &[u8]| {
        for (to, from) in header.iter_mut().skip(at).zip(text) {
            *to = *from;
        }
    };
    put(0, name.as_bytes());
    put(100, b"0000644\x000000000\x000000000\x00");
    put(124, format!("{size:011o}\x0000000000000\0        0").as_bytes());
    put(257, b"ustar\x0000");
    put(329, b"0000000\x000000000\x00");
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    for (to, from) in header.iter_mut().skip(148).zip(format!("{sum:06o}\0 ").bytes()) {
        *to = from;
    }
    Some(header)
}

/// A path that stays below where it is unpacked, and that is fit for a terminal.
fn is_path(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    name.split('/').all(|part| !part.is_empty() && !part.starts_with('.') && part.bytes().all(plain))
}

/// Reads the files of a bundle one after the other.
pub struct Reader<R> {
    source: R,
    /// Of the present file.
    left: u64,
    padding: usize,
    digest: Option<Context>,
    name: String,
    read: u64,
}

impl<R: Read> Reader<R> {
    /// From the file's begin.
    pub fn new(source: R) -> Self {
        Self { source, left: 0, padding: 0, digest: None, name: "the begin".to_owned(), read: 0 }
    }

    /// How many bytes of the bundle were read.
    pub fn position(&self) -> u64 {
        self.read
    }

    /// The next file's name and size; `None` behind the last. The one before must have been read.
    pub fn next_file(&mut self) -> Result<Option<(String, u64)>, ReadError> {
        let mut block = [0; BLOCK];
        self.fill(&mut block)?;
        let place = format!("the header behind {}", self.name);
        if block == [0; BLOCK] {
            self.fill(&mut block)?;
            if block != [0; BLOCK] {
                return Err(ReadError::Form { place: "the end".to_owned(), what: "is not empty" });
            }
            let mut more = [0];
            return match self.source.read(&mut more).map_err(ReadError::Io)? {
                0 => Ok(None),
                _ => Err(ReadError::Form { place: "the end".to_owned(), what: "has something behind it" }),
            };
        }
        let text = |from: usize, to: usize| std::str::from_utf8(block.get(from..to).unwrap_or_default()).ok();
        let name = text(0, NAME_BYTES).map(|name| name.trim_end_matches('\0'));
        let size = text(124, 135).and_then(|size| u64::from_str_radix(size, 8).ok());
        let (Some(name), Some(size)) = (name, size) else {
            return Err(ReadError::Form { place, what: "is no header of a bundle" });
        };
        if header(name, size) != Some(block) {
            return Err(ReadError::Form { place, what: "is not the one header that such a file has" });
        }
        self.left = size;
        self.padding = padding(size);
        self.digest = Some(Context::new(&SHA256));
        self.name = name.to_owned();
        Ok(Some((self.name.clone(), size)))
    }

    /// More of the present file: how many bytes, 0 at its end.
    pub fn read(&mut self, buffer: &mut [u8]) -> Result<usize, ReadError> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let Some(part) = buffer.get_mut(..most).filter(|part| !part.is_empty()) else { return Ok(0) };
        let count = loop {
            match self.source.read(part) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other.map_err(ReadError::Io)?,
            }
        };
        if count == 0 {
            return Err(ReadError::Cut { place: self.name.clone() });
        }
        if let Some(digest) = &mut self.digest {
            digest.update(part.get(..count).unwrap_or_default());
        }
        self.left -= count as u64;
        self.read += count as u64;
        Ok(count)
    }

    /// All of the present file, if it has at most `limit` bytes.
    pub fn whole(&mut self, limit: u64) -> Result<Option<Vec<u8>>, ReadError> {
        if self.left > limit {
            return Ok(None);
        }
        let mut content = vec![0; usize::try_from(self.left).unwrap_or(0)];
        let mut at = 0;
        while at < content.len() {
            at += self.read(content.get_mut(at..).unwrap_or_default())?;
        }
        Ok(Some(content))
    }

    /// Reads past what is left of the present file: its digest, and whether what fills its last block is empty.
    pub fn finish(&mut self) -> Result<(Digest, bool), ReadError> {
        let mut buffer = vec![0; 64 * 1024];
        while self.read(&mut buffer)? > 0 {}
        let mut padding = vec![0; self.padding];
        self.fill(&mut padding)?;
        let digest = digest(self.digest.take().unwrap_or_else(|| Context::new(&SHA256)));
        Ok((digest, padding.iter().all(|byte| *byte == 0)))
    }

    fn fill(&mut self, buffer: &mut [u8]) -> Result<(), ReadError> {
        self.read += buffer.len() as u64;
        self.source.read_exact(buffer).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => ReadError::Cut { place: format!("behind {}", self.name) },
            _ => ReadError::Io(error),
        })
    }
}

pub(super) fn digest(context: Context) -> Digest {
    let mut out = [0; 32];
    out.copy_from_slice(context.finish().as_ref());
    Digest(out)
}

/// Why a bundle cannot be written.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Error {
    /// Over 8 GiB, or its name is none.
    #[error("{0} does not fit into a bundle: ask for a shorter period")]
    TooLarge(String),
    /// It has another length than it was to have.
    #[error("{0} has changed while it was exported")]
    Length(String),
    /// A file within a file.
    #[error("files of a bundle come one after the other")]
    Order,
}

/// Why a bundle cannot be read on.
#[derive(Debug, Error)]
pub enum ReadError {
    /// By the system.
    #[error("read the bundle")]
    Io(#[source] io::Error),
    /// It ends too early.
    #[error("the bundle ends in {place}")]
    Cut {
        /// Where.
        place: String,
    },
    /// It is not of this form.
    #[error("{place} {what}")]
    Form {
        /// Where.
        place: String,
        /// What is wrong.
        what: &'static str,
    },
}

/// Which recording a record says to be stored, and how much of it.
pub fn recorded(entry: &entry::Entry) -> Option<(String, Extent)> {
    if !RECORDED.contains(&entry.kind()) {
        return None;
    }
    let body = entry.body();
    let extent = Extent {
        frames: body.number("frames")?,
        plain_bytes: body.number("plain_bytes")?,
        stored_bytes: body.number("stored_bytes")?,
        root: body.digest("root")?,
    };
    let recording = RecordingId::parse(body.text("recording")?)?;
    Some((format!("{}/{recording}", entry.session()?), extent))
}

/// The kinds of record that say how much of a recording is stored.
pub const RECORDED: [&str; 4] = ["recording.commit", "recording.close", "recording.recovered", "recording.failed"];
