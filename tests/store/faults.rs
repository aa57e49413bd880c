//! The faults that `Memory` plays on demand, and what each leaves behind.

use std::pin::pin;
use std::task::{Context, Waker};

use bytes::Bytes;
use sallyport::store::memory::{Fault, Memory};
use sallyport::store::{Error, SwapError};

use super::{key, swap, text};

/// What a write under `fault` says, and whether a blob, a register and the mark it carries, and a
/// file are there afterwards, as another handle of the same disk sees it.
async fn check(fault: Fault, error: fn(&Error) -> bool, kept: bool, appended: &str) {
    let memory = Memory::new();
    let (blobs, registers, files) = (memory.blobs(), memory.registers(), memory.files());
    memory.faults().at(1, fault);
    assert!(error(&blobs.put(vec![(key("a"), text("x")), (key("b"), text("x"))]).await.unwrap_err()), "{fault:?}");
    memory.faults().at(1, fault);
    match registers.swap(vec![swap("a", None, Some("x"))], 7).await {
        Err(SwapError::Store(found)) => assert!(error(&found), "{fault:?}"),
        other => panic!("{fault:?}: {other:?}"),
    }
    memory.faults().at(1, fault);
    assert!(error(&files.append("appended", text("abcd")).await.unwrap_err()), "{fault:?}");
    memory.faults().at(1, fault);
    assert!(error(&files.replace("replaced", text("abcd")).await.unwrap_err()), "{fault:?}");
    assert_eq!(memory.faults().steps(), 4);

    let memory = memory.clone();
    assert_eq!(memory.blobs().keys(&key(""), None, 9).await.unwrap().len(), if kept { 2 } else { 0 }, "{fault:?}");
    assert_eq!(memory.registers().get(&key("a")).await.unwrap().is_some(), kept, "{fault:?}");
    assert_eq!(memory.registers().follows().await.unwrap(), if kept { 7 } else { 0 }, "{fault:?}");
    let found = memory.files().read("appended").await.unwrap().unwrap_or_default();
    assert_eq!(found, Bytes::copy_from_slice(appended.as_bytes()), "{fault:?}");
    assert_eq!(memory.files().read("replaced").await.unwrap().is_some(), kept, "{fault:?}");

    // The same bytes again settle it, whatever happened.
    memory.blobs().put(vec![(key("a"), text("x")), (key("b"), text("x"))]).await.unwrap();
}

#[tokio::test]
async fn a_lost_write_is_unknown_and_did_not_happen() {
    check(Fault::Lost, |error| matches!(error, Error::Unknown(_)), false, "").await;
}

#[tokio::test]
async fn a_kept_write_that_is_reported_lost_is_unknown_and_happened() {
    check(Fault::KeptButReportedLost, |error| matches!(error, Error::Unknown(_)), true, "abcd").await;
}

#[tokio::test]
async fn a_torn_write_leaves_half_an_append_and_nothing_else() {
    check(Fault::Torn, |error| matches!(error, Error::Unknown(_)), false, "ab").await;
}

#[tokio::test]
async fn a_torn_removal_leaves_some_files_of_the_folder() {
    let memory = Memory::new();
    let files = memory.files();
    files.replace("000.p/1", text("x")).await.unwrap();
    files.replace("000.p/2", text("x")).await.unwrap();
    memory.faults().at(1, Fault::Torn);
    assert!(matches!(files.remove_folder("000.p").await, Err(Error::Unknown(_))));
    assert_eq!(files.read("000.p/1").await.unwrap(), None);
    assert_eq!(files.read("000.p/2").await.unwrap(), Some(text("x")));
}

#[tokio::test]
async fn a_broken_store_writes_nothing() {
    check(Fault::Broken, |error| matches!(error, Error::Broken(_)), false, "").await;
}

#[tokio::test]
async fn a_full_store_writes_nothing() {
    check(Fault::Full, |error| matches!(error, Error::Full), false, "").await;
}

#[tokio::test]
async fn a_fault_meets_the_step_it_was_meant_for() {
    let memory = Memory::new();
    let files = memory.files();
    files.append("a", text("0")).await.unwrap();
    memory.faults().at(2, Fault::Lost);
    files.append("a", text("1")).await.unwrap();
    files.append("a", text("2")).await.unwrap_err();
    files.append("a", text("3")).await.unwrap();
    assert_eq!(files.read("a").await.unwrap(), Some(text("013")));
    assert_eq!(memory.faults().steps(), 4);
}

#[tokio::test]
async fn what_is_refused_is_no_step() {
    let memory = Memory::new();
    memory.registers().swap(vec![swap("a", Some("x"), None)], 0).await.unwrap_err();
    memory.files().append("..", text("x")).await.unwrap_err();
    memory.blobs().put(Vec::new()).await.unwrap();
    assert_eq!(memory.faults().steps(), 0);
}

#[tokio::test]
async fn after_a_crash_nothing_is_written_until_it_is_mended() {
    let memory = Memory::new();
    let files = memory.files();
    memory.faults().crash_at(2, Fault::KeptButReportedLost);
    files.append("a", text("1")).await.unwrap();
    files.append("a", text("2")).await.unwrap_err();
    assert!(matches!(files.append("a", text("3")).await, Err(Error::Broken(_))));
    assert!(matches!(files.replace("a", text("4")).await, Err(Error::Broken(_))));
    memory.faults().mend();
    files.append("a", text("5")).await.unwrap();
    assert_eq!(files.read("a").await.unwrap(), Some(text("125")));
}

#[tokio::test]
async fn every_write_can_fail_and_every_read_too() {
    let memory = Memory::new();
    memory.faults().writes(Fault::Full);
    for _ in 0..3 {
        assert!(matches!(memory.files().append("a", text("1")).await, Err(Error::Full)));
    }
    memory.faults().reads();
    assert!(matches!(memory.files().read("a").await, Err(Error::Broken(_))));
    assert!(matches!(memory.blobs().get(&key("a")).await, Err(Error::Broken(_))));
    assert!(matches!(memory.registers().scan(&key(""), None, 1).await, Err(Error::Broken(_))));
    memory.faults().mend();
    assert_eq!(memory.files().read("a").await.unwrap(), None);
}

#[tokio::test]
async fn a_stalled_write_waits_and_then_happens() {
    let memory = Memory::new();
    let files = memory.files();
    memory.faults().stall();
    let mut append = pin!(files.append("a", text("1")));
    assert!(append.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    assert_eq!(files.read("a").await.unwrap(), None);
    memory.faults().mend();
    append.await.unwrap();
    assert_eq!(files.read("a").await.unwrap(), Some(text("1")));
}

#[tokio::test]
async fn a_copy_of_a_disk_goes_its_own_way() {
    let memory = Memory::new();
    memory.registers().swap(vec![swap("a", None, Some("1"))], 1).await.unwrap();
    let copy = memory.copy();
    memory.registers().swap(vec![swap("a", Some("1"), Some("2"))], 2).await.unwrap();
    assert_eq!(copy.registers().get(&key("a")).await.unwrap(), Some(text("1")));
    assert_eq!(copy.registers().follows().await.unwrap(), 1);
}
