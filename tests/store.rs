//! One suite for the three contracts of the store, run over every backend.

use bytes::Bytes;
use sallyport::store::memory::{Fault, Memory};
use sallyport::store::{Error, Key, Swap, SwapError};

fn swap(key: &str, expected: Option<&'static str>, new: Option<&'static str>) -> Swap {
    Swap { key: Key::of(&[key.as_bytes()]), expected: expected.map(Bytes::from), new: new.map(Bytes::from) }
}

#[tokio::test]
async fn a_lost_swap_is_unknown_and_did_not_happen() {
    let memory = Memory::new();
    let registers = memory.registers();
    memory.faults().at(1, Fault::Lost);
    let lost = registers.swap(vec![swap("a", None, Some("1"))], 7).await;
    assert!(matches!(lost, Err(SwapError::Store(Error::Unknown(_)))));
    assert_eq!(registers.get(&Key::of(&[b"a"])).await.unwrap(), None);
    assert_eq!(registers.follows().await.unwrap(), 0);
    registers.swap(vec![swap("a", None, Some("1"))], 7).await.unwrap();
    assert_eq!(memory.registers().follows().await.unwrap(), 7);
}
