//! What was seen: recordings, from events to stored frames and back.
//!
//! A recording is asciicast text in independent zstd frames, each stored whole, with an RFC 6962 tree
//! over them. Knows nothing of sessions, the ledger or a clock: its times come with the events, and
//! whoever drives the [`Writer`] puts its [`Progress`] into the ledger. There is no best-effort mode:
//! what cannot be stored ends the recording, and every [`Sink`] of it says so.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;

use crate::domain::Disclose;
use crate::domain::event::Extent;
use crate::domain::session::RecordingId;
use crate::merkle::Frontier;
use crate::store::{self, Blobs};

pub mod asciicast;
pub mod audit;
pub mod drawing;
pub mod export;
pub mod file;
pub mod frame;
pub mod index;
pub mod keys;
pub mod player;
pub mod reader;
pub mod sink;
pub mod writer;

pub use asciicast::{About, Event, Header, Preamble, Timed};
pub use export::{Export, Format};
pub use reader::Reader;
pub use sink::{Meter, Sink};
pub use writer::{Failed, Progress, Sealed, Writer};

/// The name of the format in the ledger.
pub const FORMAT: &str = "asciicast-v2+sallyport1";

/// Why a recording failed that has reached [`Settings::max_stored_bytes`].
pub const QUOTA: &str = "quota";

/// Limits of recordings.
#[derive(Clone, Debug)]
pub struct Settings {
    /// A frame closes at so much text.
    pub frame_bytes: usize,
    /// While the frame before is still being stored, it gathers so much: then as much takes fewer syncs.
    pub busy_frame_bytes: usize,
    /// A frame closes at this age, early enough that it is stored within `queue_age`.
    pub frame_age: Duration,
    /// What is stored is committed to at least this often.
    pub commit_every: Duration,
    /// So much may be shown and not yet stored; then pumps wait.
    pub queue_bytes: usize,
    /// So long may it be shown and not yet stored; then pumps wait.
    pub queue_age: Duration,
    /// A frame that is not stored within this time fails the recording.
    pub store_within: Duration,
    /// A recording that would take more fails.
    pub max_stored_bytes: u64,
    /// Compression level of zstd.
    pub level: i32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            frame_bytes: 64 * 1024,
            busy_frame_bytes: 256 * 1024,
            frame_age: Duration::from_millis(700),
            commit_every: Duration::from_secs(10),
            queue_bytes: 1024 * 1024,
            queue_age: Duration::from_secs(1),
            store_within: Duration::from_secs(10),
            max_stored_bytes: 2 * 1024 * 1024 * 1024,
            level: 1,
        }
    }
}

/// The recordings of one store. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Recordings {
    blobs: Blobs,
    settings: Settings,
}

impl Recordings {
    /// In this store; new ones within these limits.
    pub fn new(blobs: Blobs, settings: Settings) -> Self {
        Self { blobs, settings }
    }

    /// See [`start`]; `meter` hears how much waits and how much is stored.
    pub fn start(&self, header: Header, meter: Arc<dyn Meter>) -> Result<(Sink, Writer), Error> {
        writer::start(self.blobs.clone(), self.settings.clone(), &header, Some(meter))
    }

    /// See [`recover`].
    pub async fn recover(&self, recording: RecordingId, committed: Option<&Extent>) -> Result<Extent, Error> {
        recover(&self.blobs, recording, committed).await
    }

    /// See [`salvage`].
    pub async fn salvage(&self, recording: RecordingId, from: &Blobs) -> Result<u64, Error> {
        salvage(&self.blobs, recording, from).await
    }

    /// Reads every frame of one and holds it against what was said of it in the ledger: commits and the last word, each
    /// with the number of its entry. The error is what is wrong.
    pub async fn audit(
        &self,
        recording: RecordingId,
        commits: &[(u64, Extent)],
        last: Option<(u64, &Extent, bool)>,
    ) -> Result<audit::Checked, String> {
        audit::check(&self.reader(recording), commits, last).await
    }

    /// The first stored recording after `after`, whatever the ledger knows of it.
    pub async fn stored_after(&self, after: Option<RecordingId>) -> Result<Option<RecordingId>, Error> {
        let after = after.map(|recording| frame::key(recording, u64::MAX));
        let keys = self.blobs.keys(&frame::all(), after.as_ref(), 1).await?;
        Ok(keys.first().and_then(frame::recording_of))
    }

    /// What is stored of one.
    pub fn reader(&self, recording: RecordingId) -> Reader {
        Reader::open(self.blobs.clone(), recording)
    }
}

/// Begins a recording. The sink takes events; the writer, driven by the caller, stores them.
///
/// Nothing is stored before the first [`Writer::next`]; [`Sink::flush`] then says when the header is.
pub fn start(blobs: Blobs, settings: &Settings, header: Header) -> Result<(Sink, Writer), Error> {
    writer::start(blobs, settings.clone(), &header, None)
}

/// What is stored of a recording whose writer is gone: after a crash.
///
/// `committed` is what the ledger's last word on it was: that much must be there, byte for byte.
pub async fn recover(blobs: &Blobs, recording: RecordingId, committed: Option<&Extent>) -> Result<Extent, Error> {
    let reader = Reader::open(blobs.clone(), recording);
    let (mut tree, mut plain_bytes, mut stored_bytes) = (Frontier::new(), 0, 0);
    while let Some(frame) = reader.frame(tree.size()).await? {
        plain_bytes += frame.text().await?.len() as u64;
        stored_bytes += frame.stored().len() as u64;
        tree.push(frame.leaf());
        if committed.is_some_and(|extent| extent.frames == tree.size() && extent.root != tree.root()) {
            return Err(Error::Root);
        }
    }
    let frames = reader.count().await?;
    if frames != tree.size() {
        return Err(Error::Missing { frame: tree.size(), of: frames });
    }
    match committed {
        Some(extent) if extent.frames > frames => Err(Error::Missing { frame: frames, of: extent.frames }),
        Some(_) | None => Ok(Extent { frames, plain_bytes, stored_bytes, root: tree.root() }),
    }
}

/// Most stored bytes that one step of [`salvage`] writes.
const SALVAGE_BYTES: usize = 1024 * 1024;

/// Copies the frames of a recording from a store that may be damaged, from the first one to where they end or cannot be
/// read. How many there are then.
pub async fn salvage(to: &Blobs, recording: RecordingId, from: &Blobs) -> Result<u64, Error> {
    let reader = Reader::open(from.clone(), recording);
    let (mut frames, mut bytes, mut batch) = (0, 0, Vec::new());
    // What cannot be read is where it ends: a recording has no holes.
    while let Ok(Some(frame)) = reader.frame(frames).await {
        if frame.text().await.is_err() {
            break;
        }
        bytes += frame.stored().len();
        batch.push((frame::key(recording, frames), frame.stored().clone()));
        frames += 1;
        if bytes >= SALVAGE_BYTES {
            bytes = 0;
            to.put(std::mem::take(&mut batch)).await?;
        }
    }
    if !batch.is_empty() {
        to.put(batch).await?;
    }
    Ok(frames)
}

/// A stranger hears that, never why: the cause is the operator's.
impl Disclose for Error {
    fn disclose(&self) -> Cow<'static, str> {
        match self {
            Self::Failed(QUOTA) => "this session's recording has reached its size limit".into(),
            Self::Failed(_) | Self::Store(_) | Self::Compress(_) | Self::Header(_) | Self::Stopping | Self::Ended => {
                "this session cannot be recorded, and nothing runs unrecorded".into()
            }
            Self::Damaged { .. } | Self::Text { .. } | Self::Missing { .. } | Self::Beyond { .. } => {
                "the recording is damaged".into()
            }
            Self::Root | Self::Length => "the recording is not the one that the ledger says".into(),
            Self::Export(_) => "the recording cannot be exported".into(),
        }
    }
}

impl Error {
    /// Whether what is stored is not the recording that was to be read.
    pub fn is_damage(&self) -> bool {
        matches!(
            self,
            Self::Damaged { .. }
                | Self::Missing { .. }
                | Self::Root
                | Self::Length
                | Self::Store(store::Error::Damaged(_))
        )
    }
}

/// What goes wrong with a recording.
#[derive(Debug, Error)]
pub enum Error {
    /// It could not go on, and takes nothing more.
    #[error("the recording failed: {0}")]
    Failed(&'static str),
    /// It takes nothing more, because it was ended.
    #[error("the recording has ended")]
    Ended,
    /// The store did not do what was asked.
    #[error("store or read a frame")]
    Store(#[from] store::Error),
    /// Frames could not be compressed.
    #[error("compress a frame")]
    Compress(#[source] std::io::Error),
    /// A frame is not one that this program wrote.
    #[error("frame {frame} is damaged: {what}")]
    Damaged {
        /// Counted from 0.
        frame: u64,
        /// What of it.
        what: &'static str,
    },
    /// A frame's text is not that of a recording.
    #[error("frame {frame} cannot be read")]
    Text {
        /// Counted from 0.
        frame: u64,
        /// Why not.
        #[source]
        source: asciicast::DecodeError,
    },
    /// The header cannot be written.
    #[error("write the header")]
    Header(#[from] asciicast::HeaderError),
    /// A frame that was stored is not there.
    #[error("frame {frame} of {of} is missing")]
    Missing {
        /// Counted from 0.
        frame: u64,
        /// How many there are to be.
        of: u64,
    },
    /// There are more frames than the ledger says.
    #[error("there are frames beyond the last of {of}")]
    Beyond {
        /// How many there are to be.
        of: u64,
    },
    /// The frames are not those that the ledger says.
    #[error("the frames do not have the root that was recorded")]
    Root,
    /// Sums of bytes differ from what the ledger says.
    #[error("the frames do not have the length that was recorded")]
    Length,
    /// The export was made wrong.
    #[error("write the export")]
    Export(#[source] serde_json::Error),
    /// The work was not done because the process is stopping.
    #[error("the process is stopping")]
    Stopping,
}

#[cfg(test)]
mod tests;
