//! A file with one event a line. Opened anew for each batch, so whoever moves it away need not tell us.

use std::io::SeekFrom;
use std::path::{Path, PathBuf};

use tokio::fs;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _, AsyncWriteExt as _};

use super::Message;

/// Longer than any line.
const TAIL_BYTES: u64 = 1024 * 1024;

/// Where it lies.
pub(super) struct File {
    path: PathBuf,
}

impl File {
    pub(super) fn new(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    pub(super) async fn send(&mut self, messages: &[Message]) -> Result<(), String> {
        let mut text = String::new();
        for message in messages {
            text += &message.line;
            text.push('\n');
        }
        self.append(text.as_bytes()).await.map_err(|error| error.to_string())
    }

    /// Adds whole lines, durably. A line that a crash or a full disk cut short goes first: it is written again.
    async fn append(&self, bytes: &[u8]) -> std::io::Result<()> {
        let made = !fs::try_exists(&self.path).await?;
        let mut options = fs::OpenOptions::new();
        let mut file = options.read(true).append(true).create(true).mode(0o600).open(&self.path).await?;
        let length = file.metadata().await?.len();
        let whole = whole(&mut file, length).await?;
        if whole < length {
            file.set_len(whole).await?;
        }
        let written = match file.write_all(bytes).await {
            Ok(()) => file.flush().await,
            failed => failed,
        };
        if let Err(error) = written {
            file.set_len(whole).await?;
            return Err(error);
        }
        file.sync_data().await?;
        if made && let Some(folder) = self.path.parent() {
            fs::File::open(folder).await?.sync_all().await?;
        }
        Ok(())
    }
}

/// Where the last whole line ends.
async fn whole(file: &mut fs::File, length: u64) -> std::io::Result<u64> {
    let from = length.saturating_sub(TAIL_BYTES);
    file.seek(SeekFrom::Start(from)).await?;
    let mut tail = Vec::new();
    // Nearly always the very last byte ends a line; then nothing else is read.
    if length > 0 {
        file.seek(SeekFrom::Start(length - 1)).await?;
        if file.read_u8().await? == b'\n' {
            return Ok(length);
        }
        file.seek(SeekFrom::Start(from)).await?;
        file.take(TAIL_BYTES).read_to_end(&mut tail).await?;
    }
    match tail.iter().rposition(|byte| *byte == b'\n') {
        Some(at) => Ok(from + at as u64 + 1),
        None if from == 0 => Ok(0),
        None => {
            Err(std::io::Error::other("the file's last line is longer than any of ours: it is not a file of events"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_a_crash_cut_short_is_taken_away_first() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("events");
        let file = File::new(&path);
        file.append(b"one\n").await.unwrap();
        std::fs::write(&path, "one\ntw").unwrap();
        file.append(b"two\n").await.unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "one\ntwo\n");
        std::fs::write(&path, "on").unwrap();
        file.append(b"one\n").await.unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "one\n");
    }

    #[tokio::test]
    async fn a_file_that_was_moved_away_is_made_again() {
        let dir = tempfile::tempdir().unwrap();
        let (path, old) = (dir.path().join("events"), dir.path().join("events.1"));
        let file = File::new(&path);
        file.append(b"one\n").await.unwrap();
        std::fs::rename(&path, &old).unwrap();
        file.append(b"two\n").await.unwrap();
        assert_eq!(std::fs::read_to_string(&old).unwrap(), "one\n");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "two\n");
        let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&path).unwrap().permissions());
        assert_eq!(mode & 0o777, 0o600);
    }

    #[tokio::test]
    async fn a_file_of_something_else_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("events");
        let other = vec![b'x'; TAIL_BYTES as usize + 10];
        std::fs::write(&path, &other).unwrap();
        assert!(File::new(&path).append(b"one\n").await.is_err());
        assert_eq!(std::fs::read(&path).unwrap(), other);
    }
}
