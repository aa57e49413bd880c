//! How much room there is.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::task::spawn_blocking;

use super::{Error, memory};

/// Room on a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Free {
    /// Bytes that this process may still write.
    pub free: u64,
    /// Size of the disk.
    pub total: u64,
}

/// As good as endless: a disk in memory says so until a test says otherwise.
impl Default for Free {
    fn default() -> Self {
        Self { free: 1 << 50, total: 1 << 50 }
    }
}

/// Where things are stored, to ask how much room there is. Cheap to clone.
#[derive(Clone, Debug)]
pub enum Volume {
    /// The disk that holds this folder.
    Folder(PathBuf),
    /// In memory, for tests and the demo.
    Memory(memory::Memory),
}

impl Volume {
    /// Asks.
    pub async fn measure(&self) -> Result<Free, Error> {
        match self {
            Self::Memory(memory) => Ok(memory.space()),
            Self::Folder(path) => {
                let path = path.clone();
                // A disk that hangs must hang nobody but whoever asks.
                let asked = spawn_blocking(move || rustix::fs::statvfs(&path)).await;
                let broken = |error| Error::Broken(Arc::new(error));
                let said = asked.map_err(|error| broken(io::Error::other(error)))?;
                let said = said.map_err(|errno| broken(errno.into()))?;
                let bytes = |blocks: u64| blocks.saturating_mul(said.f_frsize);
                Ok(Free { free: bytes(said.f_bavail), total: bytes(said.f_blocks) })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_folder_has_the_room_of_its_disk() {
        let dir = tempfile::tempdir().unwrap();
        let free = Volume::Folder(dir.path().to_owned()).measure().await.unwrap();
        assert!(free.free <= free.total && free.total > 0, "{free:?}");
        assert!(Volume::Folder(dir.path().join("none")).measure().await.is_err());
    }
}
