//! A folder, best on a disk of another machine. A file has its name only once it is whole and durable.
//!
//! Refuses to make the folder itself: where a disk is not mounted, the copy would fill this one.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use tokio::fs;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// Where it lies.
#[derive(Clone, Debug)]
pub(super) struct Folder(PathBuf);

/// What a file is called until it is whole.
const TEMPORARY: &str = ".new-";

impl Folder {
    pub(super) fn new(path: &Path) -> Self {
        Self(path.to_owned())
    }

    /// The file, or so much of it as is just too long.
    pub(super) async fn read(&self, name: &str, most: usize) -> io::Result<Option<Bytes>> {
        // Not there is something else than without a file.
        if !fs::metadata(&self.0).await?.is_dir() {
            return Err(ErrorKind::NotADirectory.into());
        }
        let file = match fs::File::open(self.0.join(name)).await {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            opened => opened?,
        };
        let mut bytes = Vec::new();
        file.take(most as u64 + 1).read_to_end(&mut bytes).await?;
        Ok(Some(bytes.into()))
    }

    /// Writes a file that is not there. Its bytes are durable, and so are the folders that it lies in.
    pub(super) async fn put(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let path = self.0.join(name);
        let folder = path.parent().unwrap_or(&self.0);
        self.make(folder).await?;
        let temporary = folder.join(format!("{TEMPORARY}{}", path.file_name().unwrap_or_default().to_string_lossy()));
        let mut options = fs::OpenOptions::new();
        let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&temporary).await?;
        let written = match file.write_all(bytes).await {
            Ok(()) => file.sync_all().await,
            failed => failed,
        };
        drop(file);
        let named = match written {
            Ok(()) => fs::rename(&temporary, &path).await,
            failed => failed,
        };
        if let Err(error) = named {
            // It holds nothing that anyone was promised.
            let _ = fs::remove_file(&temporary).await;
            return Err(error);
        }
        sync(folder).await
    }

    /// Removes a folder of files that nobody needs any more. Where that is not permitted they stay.
    pub(super) async fn tidy(&self, name: &str) {
        let _ = fs::remove_dir_all(self.0.join(name)).await;
    }

    /// Makes the folders below the copy's own, each durable in the one above it.
    async fn make(&self, folder: &Path) -> io::Result<()> {
        let below = folder.strip_prefix(&self.0).unwrap_or(Path::new(""));
        let mut at = self.0.clone();
        for step in below {
            let above = at.clone();
            at.push(step);
            match fs::DirBuilder::new().mode(0o700).create(&at).await {
                Ok(()) => sync(&above).await?,
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// Makes durable which files a folder holds. Some network file systems do that by themselves, and know no such call.
async fn sync(folder: &Path) -> io::Result<()> {
    match fs::File::open(folder).await?.sync_all().await {
        Err(error) if matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::Unsupported) => Ok(()),
        synced => synced,
    }
}
