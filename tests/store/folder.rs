//! What only a disk can show: who owns a folder, its format, its rights, damage and want of space.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use sallyport::store::{self, Error, Key, MAX_KEY_BYTES, MAX_REGISTER_BYTES, OpenError, Swap, SwapError, sled};
use tempfile::TempDir;

use super::{key, noise, settings, swap, text};

/// A folder with a store that was used and closed.
async fn used() -> (TempDir, PathBuf) {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("state/store");
    let (blobs, registers) = store::sled(&path, &settings()).unwrap();
    blobs.put(vec![(key("a"), noise(100_000))]).await.unwrap();
    registers.swap(vec![swap("a", None, Some("1"))], 1).await.unwrap();
    (dir, path)
}

fn open(path: &Path) -> Result<(), OpenError> {
    store::sled(path, &settings()).map(drop)
}

#[tokio::test]
async fn a_folder_in_use_is_refused_and_free_again_afterwards() {
    let (_dir, path) = used().await;
    let (blobs, registers) = store::sled(&path, &settings()).unwrap();
    drop(blobs);
    let refused = open(&path).unwrap_err();
    assert!(matches!(refused, OpenError::InUse(_)));
    assert_eq!(refused.to_string(), format!("another sallyport uses {}", path.display()));
    drop(registers);
    open(&path).unwrap();

    let log = path.with_file_name("log");
    let files = store::disk(&log).unwrap();
    assert!(matches!(store::disk(&log), Err(OpenError::InUse(_))));
    drop(files);
    store::disk(&log).unwrap();
}

#[tokio::test]
async fn a_folder_from_a_newer_version_is_refused() {
    let (_dir, path) = used().await;
    fs::write(path.join(".format"), "sallyport store 2 with more\n").unwrap();
    assert!(matches!(open(&path), Err(OpenError::Newer { found: 2, .. })));
}

#[tokio::test]
async fn a_folder_of_another_kind_or_with_a_spoilt_marker_is_damaged() {
    let (_dir, path) = used().await;
    assert!(matches!(store::disk(&path), Err(OpenError::Damaged { .. })));
    for marker in ["", "sallyport", "sallyport store one", "sallyport files 1", "sallyport store 0", "\u{0}\u{0}"] {
        fs::write(path.join(".format"), marker).unwrap();
        assert!(matches!(open(&path), Err(OpenError::Damaged { .. })), "{marker:?}");
    }
}

#[tokio::test]
async fn a_folder_of_someone_else_is_refused() {
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("thesis.tex"), "").unwrap();
    assert!(matches!(open(dir.path()), Err(OpenError::Foreign(_))));
    assert!(matches!(store::disk(dir.path()), Err(OpenError::Foreign(_))));
    let (_dir, path) = used().await;
    fs::remove_file(path.join(".format")).unwrap();
    assert!(matches!(open(&path), Err(OpenError::Foreign(_))));
}

#[tokio::test]
async fn a_store_whose_file_is_gone_or_emptied_does_not_start_empty() {
    let (_dir, path) = used().await;
    fs::remove_file(path.join("sled/db")).unwrap();
    assert!(matches!(open(&path), Err(OpenError::Damaged { .. })));

    let (_dir, path) = used().await;
    fs::write(path.join("sled/db"), "").unwrap();
    assert!(matches!(open(&path), Err(OpenError::Damaged { .. })));

    let (_dir, path) = used().await;
    for entry in fs::read_dir(path.join("sled")).unwrap() {
        let file = entry.unwrap().path();
        if file.is_file() {
            fs::write(file, "").unwrap();
        }
    }
    assert!(matches!(open(&path), Err(OpenError::Damaged { .. })));
}

#[tokio::test]
async fn a_spoilt_snapshot_is_damage() {
    let (_dir, path) = used().await;
    // sled writes one when it opens what is there.
    open(&path).unwrap();
    let mut spoilt = 0;
    for entry in fs::read_dir(path.join("sled")).unwrap() {
        let entry = entry.unwrap();
        if entry.file_name().to_string_lossy().starts_with("snap.") {
            let mut bytes = fs::read(entry.path()).unwrap();
            bytes[0] ^= 1;
            fs::write(entry.path(), bytes).unwrap();
            spoilt += 1;
        }
    }
    assert_eq!(spoilt, 1);
    assert!(matches!(open(&path), Err(OpenError::Damaged { .. })));
}

#[tokio::test]
async fn a_start_that_did_not_finish_is_begun_again() {
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join(".format"), "sallyport store 1 begun\n").unwrap();
    open(dir.path()).unwrap();
    assert_eq!(fs::read_to_string(dir.path().join(".format")).unwrap(), "sallyport store 1\n");
}

#[tokio::test]
async fn folders_and_files_are_for_the_owner_alone() {
    let (dir, path) = used().await;
    let log = dir.path().join("state/log");
    let files = store::disk(&log).unwrap();
    files.append("tile/entries/000", text("x")).await.unwrap();
    files.replace("checkpoint", text("x")).await.unwrap();
    let mode = |path: PathBuf| fs::metadata(&path).unwrap().permissions().mode() & 0o777;
    for folder in [&path, &path.join("sled"), &log, &log.join("tile"), &log.join("tile/entries")] {
        assert_eq!(mode(folder.clone()), 0o700, "{folder:?}");
    }
    for file in ["tile/entries/000", "checkpoint", ".format", ".lock"] {
        assert_eq!(mode(log.join(file)), 0o600, "{file}");
    }
    for file in ["sled/db", "sled/conf", ".format", ".lock"] {
        assert_eq!(mode(path.join(file)), 0o600, "{file}");
    }
}

#[tokio::test]
async fn no_value_becomes_a_file_that_sled_never_syncs() {
    let (_dir, path) = used().await;
    let (blobs, registers) = store::sled(&path, &settings()).unwrap();
    let long = |at: u16| Key::of(&[&at.to_be_bytes(), &[b'k'; MAX_KEY_BYTES - 10]]);
    for first in (0..640).step_by(32) {
        let items = (first..first + 32).map(|at| (long(at), noise(65_536))).collect();
        blobs.put(items).await.unwrap();
        let new = Some(noise(MAX_REGISTER_BYTES));
        let swaps = (first..first + 32).map(|at| Swap { key: long(at), expected: None, new: new.clone() }).collect();
        registers.swap(swaps, 1).await.unwrap();
    }
    assert_eq!(fs::read_dir(path.join("sled/blobs")).unwrap().count(), 0);
}

#[tokio::test]
async fn blobs_are_refused_before_registers_when_space_runs_out() {
    let (_dir, path) = used().await;
    let free = {
        let space = rustix::fs::statvfs(&path).unwrap();
        space.f_bavail * space.f_frsize
    };
    let low = sled::Settings { reserve_bytes: free.saturating_mul(2), ..settings() };
    let (blobs, registers) = store::sled(&path, &low).unwrap();
    assert!(matches!(blobs.put(vec![(key("b"), text("x"))]).await, Err(Error::Full)));
    registers.swap(vec![swap("b", None, Some("1"))], 2).await.unwrap();
    assert_eq!(blobs.get(&key("b")).await.unwrap(), None);
    drop((blobs, registers));

    let none = sled::Settings { reserve_bytes: u64::MAX, ..settings() };
    let (_, registers) = store::sled(&path, &none).unwrap();
    let refused = registers.swap(vec![swap("b", Some("1"), None)], 3).await;
    assert!(matches!(refused, Err(SwapError::Store(Error::Full))));
    assert_eq!(registers.follows().await.unwrap(), 2);
}

#[tokio::test]
async fn a_file_is_not_written_again_after_a_write_that_could_not_be_undone() {
    let dir = TempDir::new().unwrap();
    let files = store::disk(dir.path()).unwrap();
    files.append("good", text("x")).await.unwrap();
    symlink("/dev/full", dir.path().join("tail")).unwrap();
    assert!(matches!(files.append("tail", text("x")).await, Err(Error::Unknown(_))));
    assert!(matches!(files.append("good", text("y")).await, Err(Error::Broken(_))));
    assert_eq!(files.read("good").await.unwrap(), Some(text("x")));
}

#[tokio::test]
async fn what_a_crash_left_of_a_replacement_is_in_nobodys_way() {
    let dir = TempDir::new().unwrap();
    let files = store::disk(dir.path()).unwrap();
    fs::write(dir.path().join(".new-checkpoint"), "half a check").unwrap();
    files.replace("checkpoint", text("whole")).await.unwrap();
    assert_eq!(files.read("checkpoint").await.unwrap(), Some(text("whole")));
    assert!(!dir.path().join(".new-checkpoint").exists());
}
