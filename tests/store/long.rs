//! Long blobs lie in files beside sled: what is left of them after a crash, and what damage is.

use std::fs;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use sallyport::store::{self, Blobs, Error, OpenError};
use tempfile::TempDir;

use super::{at_once, key, noise, settings, shown};

fn open(path: &Path) -> Blobs {
    store::sled(path, &settings()).unwrap().0
}

fn blob(at: u8) -> Bytes {
    noise(20_000 + usize::from(at))
}

/// A store that had three long blobs put, and sled as it was before them: it never wrote what it knew of them.
async fn forgotten() -> (TempDir, PathBuf) {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("store");
    drop(open(&path));
    let before = dir.path().join("before");
    copy(&path.join("sled"), &before);
    let blobs = open(&path);
    for at in 0..3 {
        blobs.put(vec![(key("n").with(&[at]), blob(at))]).await.unwrap();
    }
    drop(blobs);
    fs::remove_dir_all(path.join("sled")).unwrap();
    copy(&before, &path.join("sled"));
    (dir, path)
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let to = to.join(entry.file_name());
        if entry.path().is_dir() { copy(&entry.path(), &to) } else { assert!(fs::copy(entry.path(), to).is_ok()) }
    }
}

/// The only file of long blobs.
fn only(path: &Path) -> PathBuf {
    let files: Vec<PathBuf> = fs::read_dir(path.join("long")).unwrap().map(|entry| entry.unwrap().path()).collect();
    let [file] = &files[..] else { panic!("{files:?}") };
    file.clone()
}

#[tokio::test]
async fn what_sled_lost_is_known_again_from_the_files() {
    let (_dir, path) = forgotten().await;
    for _ in 0..2 {
        let blobs = open(&path);
        assert_eq!(shown(&blobs.keys(&key("n"), None, 9).await.unwrap()), [r"n/\x00", r"n/\x01", r"n/\x02"]);
        for at in 0..3 {
            assert!(blobs.get(&key("n").with(&[at])).await.unwrap() == Some(blob(at)), "{at}");
        }
        let refused = blobs.put(vec![(key("n").with(&[1]), blob(7))]).await;
        assert!(matches!(refused, Err(Error::Exists(_))), "{refused:?}");
    }
}

#[tokio::test]
async fn a_record_that_a_crash_cut_is_not_there_and_may_be_put_anew() {
    let (_dir, path) = forgotten().await;
    let file = only(&path);
    let len = fs::metadata(&file).unwrap().len();
    fs::File::options().write(true).open(&file).unwrap().set_len(len - 1).unwrap();
    let blobs = open(&path);
    assert_eq!(blobs.keys(&key("n"), None, 9).await.unwrap().len(), 2);
    assert!(blobs.get(&key("n").with(&[1])).await.unwrap() == Some(blob(1)));
    assert_eq!(blobs.get(&key("n").with(&[2])).await.unwrap(), None);
    blobs.put(vec![(key("n").with(&[2]), blob(9))]).await.unwrap();
    drop(blobs);
    assert!(open(&path).get(&key("n").with(&[2])).await.unwrap() == Some(blob(9)));
}

#[tokio::test]
async fn bytes_that_were_changed_cut_or_removed_are_damage_and_no_absence() {
    let spoil: [fn(&Path); 3] = [
        |file| {
            let mut bytes = fs::read(file).unwrap();
            bytes[10_000] ^= 1;
            fs::write(file, bytes).unwrap();
        },
        |file| fs::File::options().write(true).open(file).unwrap().set_len(10_000).unwrap(),
        |file| fs::remove_file(file).unwrap(),
    ];
    for (at, spoil) in spoil.iter().enumerate() {
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("store");
        let blobs = open(&path);
        blobs.put(vec![(key("a"), blob(0))]).await.unwrap();
        blobs.put(vec![(key("b"), blob(1))]).await.unwrap();
        drop(blobs);
        spoil(&only(&path));
        let blobs = open(&path);
        let read = blobs.get(&key("a")).await;
        assert!(matches!(read, Err(Error::Damaged(_))), "{at}: {read:?}");
        assert_eq!(blobs.get(&key("b")).await.is_ok(), at == 0, "{at}");
    }
}

#[tokio::test]
async fn a_store_whose_files_of_long_blobs_are_gone_does_not_start_without() {
    let (_dir, path) = forgotten().await;
    drop(open(&path));
    fs::remove_dir_all(path.join("long")).unwrap();
    assert!(matches!(store::sled(&path, &settings()), Err(OpenError::Damaged { .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn many_at_once_fill_several_files_and_all_are_there_after_a_restart() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("store");
    let blobs = open(&path);
    let large = |at: u8| Bytes::from(vec![at; 4 << 20]);
    let puts = (0..40).map(|at| {
        let (blobs, item) = (blobs.clone(), (key("n").with(&[at]), large(at)));
        async move { blobs.put(vec![item]).await }
    });
    assert!(at_once(puts).await.iter().all(Result::is_ok));
    drop(blobs);
    assert_eq!(fs::read_dir(path.join("long")).unwrap().count(), 3);
    let blobs = open(&path);
    for at in 0..40 {
        assert!(blobs.get(&key("n").with(&[at])).await.unwrap() == Some(large(at)), "{at}");
    }
}
