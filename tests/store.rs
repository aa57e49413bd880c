//! One suite for the three contracts of the store, run over every backend, and what only a disk or
//! only the faults of memory can show.

#![allow(clippy::unwrap_used, clippy::panic, reason = "all of it is test, helpers too")]

#[path = "store/blobs.rs"]
mod blobs;
#[path = "store/faults.rs"]
mod faults;
#[path = "store/files.rs"]
mod files;
#[path = "store/folder.rs"]
mod folder;
#[path = "store/long.rs"]
mod long;
#[path = "store/registers.rs"]
mod registers;

use bytes::Bytes;
use sallyport::store::memory::Memory;
use sallyport::store::{self, Blobs, Files, Key, Registers, Swap, sled};
use tempfile::TempDir;

/// Where a backend keeps things. Open it again to play a restart.
#[derive(Debug)]
enum Place {
    Disk(TempDir),
    Memory(Memory),
}

impl Place {
    fn all() -> [Self; 2] {
        [Self::Disk(TempDir::new().unwrap()), Self::Memory(Memory::new())]
    }

    fn blobs(&self) -> Blobs {
        self.database().0
    }

    fn registers(&self) -> Registers {
        self.database().1
    }

    fn database(&self) -> (Blobs, Registers) {
        match self {
            Self::Disk(dir) => store::sled(&dir.path().join("store"), &settings()).unwrap(),
            Self::Memory(memory) => (memory.blobs(), memory.registers()),
        }
    }

    fn files(&self) -> Files {
        match self {
            Self::Disk(dir) => store::disk(&dir.path().join("log")).unwrap(),
            Self::Memory(memory) => memory.files(),
        }
    }
}

fn settings() -> sled::Settings {
    sled::Settings { reserve_bytes: 0, ..sled::Settings::default() }
}

fn key(path: &str) -> Key {
    let segments: Vec<_> = path.split('/').filter(|segment| !segment.is_empty()).map(str::as_bytes).collect();
    Key::of(&segments)
}

fn text(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

fn swap(path: &str, expected: Option<&str>, new: Option<&str>) -> Swap {
    Swap { key: key(path), expected: expected.map(text), new: new.map(text) }
}

fn shown(keys: &[Key]) -> Vec<String> {
    keys.iter().map(Key::to_string).collect()
}

/// `len` bytes without a pattern that a part's length divides.
fn noise(len: usize) -> Bytes {
    (0..len).map(|at| u8::try_from(at % 251).unwrap()).collect()
}

/// Runs all of them at once.
async fn at_once<F>(futures: impl IntoIterator<Item = F>) -> Vec<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    let drain = sallyport::drain::Drain::new();
    let tasks: Vec<_> = futures.into_iter().map(|future| drain.spawn(future)).collect();
    let mut outputs = Vec::new();
    for task in tasks {
        outputs.push(task.await.unwrap());
    }
    outputs
}
