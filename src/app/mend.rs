//! The store on a bad day: moved aside when it cannot be read, and made anew from the log.
//!
//! Registers and indexes follow the log at every start, so an empty store becomes a whole one by itself. What the log
//! does not have, frames and texts, is copied from the old store as far as it can be read; the rest is named in the
//! log. A note in the state folder says that this is under way until all of it is done.

use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio::sync::{oneshot, watch};
use tracing::{error, info, warn};

use super::config::Config;
use super::{ServeError, StartError, State, Stores};
use crate::approval::Glasses;
use crate::clock::Clock;
use crate::domain::event::{Event, Fact, Outcome};
use crate::domain::identity::Grouping;
use crate::domain::{Digest, RecordId, Timestamp};
use crate::drain::Drain;
use crate::identity::Identities;
use crate::ledger::{self, Ledger, entry};
use crate::policy::Policy;
use crate::recording::{Recordings, index::Index};
use crate::session::audit::Said;
use crate::session::recover;
use crate::store::{self, Blobs, Files, OpenError, Registers};

/// The folder of the store, in the state folder.
pub(super) const STORE: &str = "store";
/// The folder of the log, in the state folder.
pub(super) const LOG: &str = "log";
/// The note that the store is being made anew.
const NOTE: &str = "store.mending";
const FACTS: usize = 256;
const PAGE: usize = 256;

/// What the note says.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Note {
    reason: String,
    /// Names of old stores in the state folder.
    aside: Vec<String>,
}

/// What became of the old store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mended {
    /// Where old stores lie, in the state folder.
    pub aside: Vec<String>,
    /// Recordings that are whole.
    pub recordings: u64,
    /// Those that are not: id, frames that the log had, frames that are there.
    pub lost: Vec<(String, u64, u64)>,
    /// Texts that are there.
    pub texts: u64,
    /// Texts that are not.
    pub texts_lost: u64,
}

/// Opens the store. One that is damaged is moved aside first, and one that is missing although the log has entries is
/// not taken for new: [`finish`] then says in the log what is lost. Blocks.
pub(super) fn open_store(state: &Path) -> Result<(Blobs, Registers), OpenError> {
    let (path, settings) = (state.join(STORE), store::sled::Settings::default());
    let failed = |source| OpenError::Io { path: state.join(NOTE), source };
    if !is_ready(&path) && has_entries(state) && read_note(state).map_err(failed)?.is_none() {
        error!(store = %path.display(), "the store is missing, and the log has entries: it is made anew from the log");
        write_note(state, &Note { reason: "missing".to_owned(), aside: Vec::new() }).map_err(failed)?;
    }
    match store::sled(&path, &settings) {
        Err(OpenError::Damaged { what, .. }) => {
            let aside = move_aside(state, "damaged").map_err(failed)?;
            error!(
                what,
                aside = %state.join(aside).display(),
                "the store is damaged: it was moved aside, and is made anew from the log"
            );
            store::sled(&path, &settings)
        }
        opened => opened,
    }
}

/// Whether a store was in use there.
pub(super) fn is_ready(path: &Path) -> bool {
    // A format that is damaged was there too.
    std::fs::read(path.join(".format")).is_ok_and(|text| !text.ends_with(b" begun\n"))
}

fn has_entries(state: &Path) -> bool {
    let log = state.join(LOG);
    let holds = |name| std::fs::metadata(log.join(name)).is_ok_and(|file| file.len() > 0);
    holds("checkpoint") || holds("tail")
}

/// Notes it, then moves the store. Its new name in the state folder.
pub(super) fn move_aside(state: &Path, reason: &'static str) -> io::Result<String> {
    let mut note = read_note(state)?.unwrap_or_default();
    let time = Clock::system().now().to_string();
    let time: String = time.chars().filter(char::is_ascii_alphanumeric).collect();
    let name = format!("{STORE}.{reason}-{time}");
    note.reason = reason.to_owned();
    note.aside.push(name.clone());
    write_note(state, &note)?;
    std::fs::rename(state.join(STORE), state.join(&name))?;
    std::fs::File::open(state)?.sync_all()?;
    Ok(name)
}

fn read_note(state: &Path) -> io::Result<Option<Note>> {
    match std::fs::read(state.join(NOTE)) {
        Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(io::Error::other),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn write_note(state: &Path, note: &Note) -> io::Result<()> {
    let text = serde_json::to_vec(note).map_err(io::Error::other)?;
    let temporary = state.join(".store.mending");
    std::fs::write(&temporary, text)?;
    std::fs::File::open(&temporary)?.sync_all()?;
    std::fs::rename(&temporary, state.join(NOTE))?;
    std::fs::File::open(state)?.sync_all()
}

/// If the store is new in place of another: copies what can be read of the old one and says in the log what is lost.
pub(super) async fn finish(
    state: &Path,
    ledger: &Ledger,
    recordings: &Recordings,
    now: Timestamp,
) -> Result<Option<Mended>, StartError> {
    let failed = |source| StartError::File { path: state.join(NOTE), source };
    let Some(note) = read_note(state).map_err(failed)? else { return Ok(None) };
    let old: Vec<Blobs> = note.aside.iter().filter_map(|name| open_old(&state.join(name))).collect();
    let (said, texts) = read_log(ledger).await?;
    let mut mended = Mended { aside: note.aside, ..Mended::default() };
    let mut facts = Vec::new();
    for (recording, said) in said.frames() {
        let mut frames = 0;
        for blobs in &old {
            let copied = recordings.salvage(recording, blobs).await.map_err(recover::Error::from)?;
            frames = frames.max(copied);
        }
        if frames >= said {
            mended.recordings += 1;
            continue;
        }
        error!(%recording, said, frames, "a recording is not whole any more");
        mended.lost.push((recording.to_string(), said, frames));
        let event = Event::RecordingLost { recording, said, frames };
        facts.push(Fact::new(RecordId::new(now), Outcome::Failure, event));
    }
    mended.texts_lost = ledger.salvage(&texts, &old).await?.len() as u64;
    mended.texts = texts.len() as u64 - mended.texts_lost;
    let reason = ["damaged", "missing"].into_iter().find(|reason| note.reason == *reason).unwrap_or("asked");
    let event = Event::StoreRebuilt {
        reason,
        aside: (!mended.aside.is_empty()).then(|| mended.aside.join(", ")),
        recordings: mended.recordings,
        recordings_lost: mended.lost.len() as u64,
        texts: mended.texts,
        texts_lost: mended.texts_lost,
    };
    let lost = !mended.lost.is_empty() || mended.texts_lost > 0;
    let outcome = if lost { Outcome::Failure } else { Outcome::Success };
    facts.push(Fact::new(RecordId::new(now), outcome, event));
    while !facts.is_empty() {
        let rest = facts.split_off(facts.len().min(FACTS));
        ledger.append(facts).await?;
        facts = rest;
    }
    std::fs::remove_file(state.join(NOTE)).map_err(failed)?;
    let (recordings, texts) = (mended.recordings, mended.texts);
    if lost {
        let (recordings_lost, texts_lost) = (mended.lost.len(), mended.texts_lost);
        error!(recordings, recordings_lost, texts, texts_lost, "the store was made anew, and something is lost");
    } else {
        warn!(recordings, texts, "the store was made anew, and nothing is lost");
    }
    Ok(Some(mended))
}

/// An old store, as far as it opens. A damaged snapshot of sled's is only a shortcut: without it all is read.
fn open_old(path: &Path) -> Option<Blobs> {
    let settings = store::sled::Settings { reserve_bytes: 0, ..store::sled::Settings::default() };
    let open = || match store::sled(path, &settings) {
        Ok((blobs, _)) => Some(blobs),
        Err(cause) => {
            warn!(store = %path.display(), error = ?cause, "the old store does not open");
            None
        }
    };
    if !is_ready(path) {
        return None;
    }
    open().or_else(|| {
        let moved = snapshots(path).into_iter().filter(|snapshot| {
            let name = snapshot.file_name().unwrap_or_default().to_string_lossy().into_owned();
            std::fs::rename(snapshot, snapshot.with_file_name(format!("damaged-{name}"))).is_ok()
        });
        if moved.count() == 0 {
            return None;
        }
        info!(store = %path.display(), "the old store is read without its snapshot");
        open()
    })
}

fn snapshots(path: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(path.join("sled")) else { return Vec::new() };
    let found = entries.flatten().filter(|entry| entry.file_name().as_encoded_bytes().starts_with(b"snap."));
    found.map(|entry| entry.path()).collect()
}

async fn read_log(ledger: &Ledger) -> Result<(Said, Vec<Digest>), StartError> {
    let (mut said, mut texts, mut at) = (Said::default(), Vec::new(), 0);
    loop {
        let page: Vec<Bytes> = ledger.entries(at, PAGE).await?;
        if page.is_empty() {
            return Ok((said, texts));
        }
        at += page.len() as u64;
        for bytes in page {
            let entry = entry::decode(&bytes).map_err(ledger::Error::from)?;
            said.take(&entry);
            texts.extend(entry.body().payloads());
        }
    }
}

/// Moves the store aside and makes it anew from the log, while the bastion is stopped. A log that is itself not whole
/// is refused: nothing would be gained.
pub async fn rebuild(config: &Config, clock: Clock) -> Result<Mended, ServeError> {
    let state = &config.state;
    {
        let files: Files = store::disk(&state.join(LOG))?;
        let signer = crate::signer::Signer::open(&state.join(super::init::KEYS)).map_err(ServeError::Keys)?;
        let origin = super::init::read_origin(state)?;
        let key = ledger::checkpoint::Key::new(&origin, signer.log_key()).map_err(ledger::Error::from);
        let report = ledger::check::verify_log(&files, &key.map_err(StartError::from)?).await;
        if let Some(fault) = report.map_err(StartError::from)?.faults.first() {
            let fault = format!("{fault}; bring back a copy of the log first");
            return Err(StartError::from(ledger::Error::Damaged(fault)).into());
        }
    }
    if state.join(STORE).exists() {
        let failed = |source| StartError::File { path: state.join(STORE), source };
        move_aside(state, "replaced").map_err(failed)?;
    }
    let opened = State::open(config)?;
    let mended = fill(config, opened, clock).await?;
    Ok(mended.unwrap_or_default())
}

/// What a start does, without a listener.
async fn fill(config: &Config, opened: State, clock: Clock) -> Result<Option<Mended>, StartError> {
    let State { signer, origin, stores, .. } = opened;
    let Stores { blobs, registers, files, .. } = stores;
    let settings = ledger::Settings {
        origin,
        node: config.name.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        policy: None,
        config: Some(config.digest),
        last_checkpoint: config.last_checkpoint_file.as_deref().map(super::last_checkpoint).transpose()?,
    };
    let (ledger, sequencer) = Ledger::open(settings, files, blobs.clone(), signer.clone(), clock.clone()).await?;
    let tasks = Drain::new();
    let (stop, stopped) = oneshot::channel();
    let running = tasks.spawn(sequencer.run(stopped));
    let filled = async {
        let recordings = Recordings::new(blobs, crate::recording::Settings::default());
        let mended = finish(&config.state, &ledger, &recordings, clock.now()).await?;
        let index = Index::new(registers.clone());
        recover::follow_log(&ledger, &index, &Glasses::new(registers.clone())).await?;
        let (_, policy) = watch::channel(std::sync::Arc::new(Policy::load(&[], &config.catalogue())?));
        // Nobody is let in from here.
        let settings = super::identity_settings(config, Grouping::new(|_, _, _| Vec::new()));
        Identities::open(settings, ledger, registers, signer, clock, policy).await?;
        Ok(mended)
    };
    let filled = filled.await;
    let _ = stop.send(true);
    match running.await {
        Ok(Ok(())) => filled,
        Ok(Err(error)) => Err(error.into()),
        Err(_) => Err(ledger::Error::Stopped.into()),
    }
}
