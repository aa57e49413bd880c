//! A log that goes on after an older copy of it was brought back: `store succeed`.
//!
//! What was signed and is lost cannot come back, and the log that signed it must not sign another history. So the entries
//! that are left get an origin of their own, and a record in it names the log before. All of it is made beside the old log;
//! a note in the state folder then says that one takes the other's place, and until it is done no bastion starts.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use tokio::sync::oneshot;

use super::config::Config;
use super::mend::{self, LOG, STORE, is_ready};
use super::{ServeError, StartError, init};
use crate::clock::Clock;
use crate::domain::RecordId;
use crate::domain::event::succession::Succession;
use crate::domain::event::{Event, Fact, Outcome};
use crate::drain::Drain;
use crate::ledger::check::verify_log_with;
use crate::ledger::checkpoint::{self, Checkpoint, Key};
use crate::ledger::entry::Entry;
use crate::ledger::{self, Ledger, succession};
use crate::signer::Signer;
use crate::store::memory::Memory;
use crate::store::{self, Files};

/// Where the new log is made, in the state folder.
const SIDE: &str = "log.successor";
/// The note that it takes the place of the old one.
const NOTE: &str = "succession";
/// The checkpoint that lay outside, kept beside the old log.
const OUTSIDE: &str = "last_checkpoint_file";
/// So many serials are passed over: the lost entries may have given some of them out.
const SERIALS: u64 = 1_000_000;
/// Longest checkpoint that is read.
const NOTE_BYTES: u64 = 64 * 1024;

/// What is known besides what lies in the state folder and in `last_checkpoint_file`.
#[derive(Clone, Debug, Default)]
pub struct Ask {
    /// A checkpoint that somebody elsewhere has kept.
    pub checkpoint: Option<PathBuf>,
    /// How many entries a witness has signed.
    pub witnessed: Option<u64>,
}

/// What was done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {
    /// Origin of the log before.
    pub before: String,
    /// Origin of the log now.
    pub origin: String,
    /// How many entries of the log before are in it.
    pub kept: u64,
    /// How many the log before has signed, as far as is known.
    pub signed: u64,
    /// Name of the folder of the log before, in the state folder.
    pub aside: String,
}

/// Whether a log is to take another's place, and does not yet.
pub(super) fn is_under_way(state: &Path) -> bool {
    state.join(NOTE).exists()
}

/// Makes the log that goes on, or finishes what an earlier call has begun.
pub async fn succeed(config: &Config, clock: Clock, ask: &Ask) -> Result<Done, Error> {
    let state = &config.state;
    let signer = Signer::open(&state.join(init::KEYS)).map_err(ServeError::Keys)?;
    if is_under_way(state) {
        let note = fs::read(state.join(NOTE)).map_err(at(state.join(NOTE)))?;
        let done = serde_json::from_slice(&note).map_err(|error| at(state.join(NOTE))(io::Error::other(error)))?;
        return finish(config, done).await;
    }
    let before = Key::new(&init::read_origin(state).map_err(ServeError::from)?, signer.log_key());
    let before = before.map_err(ledger::Error::from)?;
    // Held until the end: no bastion runs meanwhile.
    let old = store::disk(&state.join(LOG)).map_err(ServeError::from)?;
    let (mut kept, mut serial) = (0, 1);
    let mut take = |entry: &Entry, _: u64| {
        kept += 1;
        let given = ["cert.issued", "key.remembered", succession::KIND].contains(&entry.kind());
        let next = entry.body().number("serial").filter(|_| given);
        serial = serial.max(next.map_or(0, |next| next.saturating_add(1)));
    };
    if let Some(fault) = verify_log_with(&old, &before, &mut take).await?.faults.into_iter().next() {
        return Err(Error::NotWhole(fault));
    }
    let (note, known) = last_known(config, &old, &before, ask).await?;
    if ask.witnessed.is_none() && agrees(config, &old, &note, &before, &signer, &clock).await? {
        return Err(Error::NothingLost { kept, signed: known.size });
    }

    let origin = successor(&before);
    let key = Key::new(&origin, signer.log_key()).map_err(ledger::Error::from)?;
    let side = state.join(SIDE);
    if side.exists() {
        // Of a call that has not come to its note: nobody has seen anything of it.
        fs::remove_dir_all(&side).map_err(at(side.clone()))?;
    }
    copy(&state.join(LOG), &side).map_err(at(side.clone()))?;
    let named = succession::name(&note, &before, kept, ask.witnessed, serial + SERIALS).map_err(ledger::Error::from)?;
    begin(config, &old, &before, &side, &key, &signer, &clock, named).await?;

    let time: String = clock.now().to_string().chars().filter(char::is_ascii_alphanumeric).collect();
    let signed = known.size.max(ask.witnessed.unwrap_or(0));
    let done = Done { before: before.name().to_owned(), origin, kept, signed, aside: format!("{LOG}.before-{time}") };
    let text = serde_json::to_vec(&done).map_err(|error| at(state.join(NOTE))(io::Error::other(error)))?;
    replace(state, NOTE, &text).map_err(at(state.join(NOTE)))?;
    finish(config, done).await
}

/// Writes the new log's first entries of its own: it is whole before it takes any place.
#[allow(clippy::too_many_arguments, reason = "called once, by `succeed`")]
async fn begin(
    config: &Config,
    old: &Files,
    before: &Key,
    side: &Path,
    key: &Key,
    signer: &Signer,
    clock: &Clock,
    named: Succession,
) -> Result<(), Error> {
    let files = store::disk(side).map_err(ServeError::from)?;
    if let Some(note) = old.read(ledger::CHECKPOINT).await.map_err(ledger::Error::from)? {
        let own = checkpoint::open(&note, before).map_err(ledger::Error::from)?;
        succession::adopt(&files, &own, key, signer).await?;
    }
    let settings = settings(config, key.name(), None);
    let (ledger, sequencer) =
        Ledger::open(settings, files.clone(), Memory::new().blobs(), signer.clone(), clock.clone()).await?;
    let (stop, stopped) = oneshot::channel();
    let running = Drain::new().spawn(sequencer.run(stopped));
    let fact = Fact::new(RecordId::new(clock.now()), Outcome::Success, Event::LogSuccessor(named));
    let written = ledger.append_one(fact).await;
    let _ = stop.send(true);
    running.await.unwrap_or(Err(ledger::Error::Stopped))?;
    written?;
    match verify_log_with(&files, key, &mut |_, _| {}).await?.faults.into_iter().next() {
        Some(fault) => Err(Error::NotWhole(fault)),
        None => Ok(()),
    }
}

/// Puts the new log in the old one's place; each step is skipped where it was done before.
async fn finish(config: &Config, done: Done) -> Result<Done, Error> {
    let state = &config.state;
    let (log, side, aside) = (state.join(LOG), state.join(SIDE), state.join(&done.aside));
    if !aside.exists() {
        follow_registers(state, done.kept).await?;
        fs::rename(&log, &aside).map_err(at(aside.clone()))?;
    }
    if side.exists() {
        fs::rename(&side, &log).map_err(at(log.clone()))?;
    }
    sync(state).map_err(at(state.clone()))?;
    if let Some(path) = &config.last_checkpoint_file {
        let (folder, name) = super::last_checkpoint(path)?;
        let new = fs::read(log.join(ledger::CHECKPOINT)).map_err(at(log.join(ledger::CHECKPOINT)))?;
        let outside = folder.read(&name).await.map_err(ledger::Error::from)?;
        if let Some(outside) = outside.filter(|outside| **outside != *new) {
            replace(&aside, OUTSIDE, &outside).map_err(at(aside.join(OUTSIDE)))?;
        }
        folder.replace(&name, new.into()).await.map_err(ledger::Error::from)?;
    }
    replace(state, init::ORIGIN, format!("{}\n", done.origin).as_bytes()).map_err(at(state.join(init::ORIGIN)))?;
    fs::remove_file(state.join(NOTE)).and_then(|()| sync(state)).map_err(at(state.join(NOTE)))?;
    Ok(done)
}

/// Registers that have seen entries which are lost would take others for them: the store is then made anew from the log.
async fn follow_registers(state: &Path, kept: u64) -> Result<(), Error> {
    let path = state.join(STORE);
    if !is_ready(&path) {
        return Ok(());
    }
    let follows = {
        let (_, registers) = store::sled(&path, &store::sled::Settings::default()).map_err(ServeError::from)?;
        registers.follows().await.map_err(StartError::from)?
    };
    if follows > kept {
        mend::move_aside(state, "replaced").map_err(at(path))?;
    }
    Ok(())
}

/// The newest checkpoint of the log before that is known, checked.
async fn last_known(config: &Config, old: &Files, key: &Key, ask: &Ask) -> Result<(Bytes, Checkpoint), Error> {
    let mut notes = Vec::new();
    notes.extend(old.read(ledger::CHECKPOINT).await.map_err(ledger::Error::from)?);
    if let Some(path) = &config.last_checkpoint_file {
        let (folder, name) = super::last_checkpoint(path)?;
        notes.extend(folder.read(&name).await.map_err(ledger::Error::from)?);
    }
    if let Some(path) = &ask.checkpoint {
        let length = fs::metadata(path).map_err(at(path.clone()))?.len();
        if length > NOTE_BYTES {
            return Err(at(path.clone())(io::Error::other("is longer than a checkpoint can be")));
        }
        notes.push(fs::read(path).map_err(at(path.clone()))?.into());
    }
    let mut newest: Option<(Bytes, Checkpoint)> = None;
    for note in notes {
        let checkpoint = checkpoint::open(&note, key).map_err(ledger::Error::from)?;
        if newest.as_ref().is_none_or(|(_, known)| known.size < checkpoint.size) {
            newest = Some((note, checkpoint));
        }
    }
    newest.ok_or(Error::NeverSigned)
}

/// Whether a bastion would go on with the log as it is, as far as this checkpoint says.
async fn agrees(
    config: &Config,
    old: &Files,
    note: &Bytes,
    key: &Key,
    signer: &Signer,
    clock: &Clock,
) -> Result<bool, Error> {
    let outside = Memory::new().files();
    outside.replace(OUTSIDE, note.clone()).await.map_err(ledger::Error::from)?;
    let settings = settings(config, key.name(), Some((outside, OUTSIDE.to_owned())));
    match Ledger::open(settings, old.clone(), Memory::new().blobs(), signer.clone(), clock.clone()).await {
        Ok(_) => Ok(true),
        // The log is whole in itself, that was checked: it is another one than was signed.
        Err(ledger::Error::Restored { .. } | ledger::Error::Damaged(_)) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

fn settings(config: &Config, origin: &str, last_checkpoint: Option<(Files, String)>) -> ledger::Settings {
    ledger::Settings {
        origin: origin.to_owned(),
        node: config.name.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        policy: None,
        config: Some(config.digest),
        last_checkpoint,
    }
}

/// A new origin under the same name.
fn successor(before: &Key) -> String {
    let stem = before.name().rsplit_once('/').map_or(before.name(), |(stem, _)| stem);
    format!("{stem}/{:08x}", crate::domain::random_bits() as u32)
}

/// Copies what a log is made of, but for its checkpoints. Files that never change are linked.
fn copy(log: &Path, side: &Path) -> io::Result<()> {
    make(side)?;
    for name in [".format", ledger::TAIL] {
        if log.join(name).exists() {
            fs::copy(log.join(name), side.join(name))?;
            fs::File::open(side.join(name))?.sync_all()?;
        }
    }
    for name in ["tile", "policies"] {
        if log.join(name).exists() {
            link(&log.join(name), &side.join(name))?;
        }
    }
    sync(side)
}

fn link(from: &Path, to: &Path) -> io::Result<()> {
    make(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type()?.is_dir() {
            link(&from, &to)?;
        } else if fs::hard_link(&from, &to).is_err() {
            fs::copy(&from, &to)?;
            fs::File::open(&to)?.sync_all()?;
        }
    }
    sync(to)
}

fn make(dir: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    fs::DirBuilder::new().mode(0o700).create(dir)
}

/// A file in the state folder, there whole or not at all.
fn replace(dir: &Path, name: &str, text: &[u8]) -> io::Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let temporary = dir.join(format!(".{name}.new"));
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
    file.write_all(text)?;
    file.sync_all()?;
    fs::rename(&temporary, dir.join(name))?;
    sync(dir)
}

fn sync(dir: &Path) -> io::Result<()> {
    fs::File::open(dir)?.sync_all()
}

fn at(path: PathBuf) -> impl FnOnce(io::Error) -> Error {
    move |source| Error::Io { path, source }
}

/// Why there is no log that goes on.
#[derive(Debug, Error)]
pub enum Error {
    /// What a bastion needs too is not there.
    #[error(transparent)]
    Serve(#[from] ServeError),
    /// The log, old or new, does not open or is not written.
    #[error("ledger")]
    Ledger(#[from] ledger::Error),
    /// It is not whole in itself.
    #[error("{0}; bring back a copy of the log first")]
    NotWhole(String),
    /// It has never signed anything, and nobody else has a checkpoint.
    #[error("no checkpoint of this log is known: there is nothing to succeed")]
    NeverSigned,
    /// Nothing says that anything is lost.
    #[error(
        "the log has {kept} entries, and the last checkpoint that is known is over {signed} of them: nothing is lost. If a \
         witness has signed more, say how many: --witnessed N"
    )]
    NothingLost {
        /// What is there.
        kept: u64,
        /// What was signed.
        signed: u64,
    },
    /// By the system.
    #[error("{path}")]
    Io {
        /// Which.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
}

impl From<StartError> for Error {
    fn from(error: StartError) -> Self {
        Self::Serve(error.into())
    }
}
