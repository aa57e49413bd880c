//! The contract of `Registers`, over every backend.

use bytes::Bytes;
use sallyport::store::{Error, Key, MAX_REGISTER_BYTES, Registers, Swap, SwapError};

use super::{Place, at_once, key, swap, text};

async fn value(registers: &Registers, path: &str) -> Option<String> {
    let value = registers.get(&key(path)).await.unwrap();
    value.map(|value| String::from_utf8(value.to_vec()).unwrap())
}

#[tokio::test]
async fn a_register_is_made_changed_and_removed() {
    for place in Place::all() {
        let registers = place.registers();
        assert_eq!(value(&registers, "a").await, None);
        for (before, after) in [(None, Some("1")), (Some("1"), Some("2")), (Some("2"), Some("")), (Some(""), None)] {
            registers.swap(vec![swap("a", before, after)], 0).await.unwrap();
            assert_eq!(value(&registers, "a").await.as_deref(), after, "{place:?}");
        }
    }
}

#[tokio::test]
async fn a_conflict_names_the_first_key_that_differs_and_changes_nothing() {
    for place in Place::all() {
        let registers = place.registers();
        registers.swap(vec![swap("a", None, Some("1")), swap("b", None, Some("1"))], 3).await.unwrap();
        let swaps = vec![swap("a", Some("1"), Some("2")), swap("b", None, Some("2")), swap("c", Some("1"), None)];
        let conflict = registers.swap(swaps, 9).await;
        assert!(matches!(conflict, Err(SwapError::Conflict(found)) if found == key("b")), "{place:?}");
        assert_eq!(value(&registers, "a").await.as_deref(), Some("1"), "{place:?}");
        assert_eq!(value(&registers, "c").await, None, "{place:?}");
        assert_eq!(registers.follows().await.unwrap(), 3, "{place:?}");
    }
}

#[tokio::test]
async fn a_note_is_seen_at_once_compared_like_a_swap_and_there_after_the_next_one() {
    for place in Place::all() {
        let registers = place.registers();
        registers.note(vec![swap("a", None, Some("1"))], 4).await.unwrap();
        assert_eq!(value(&registers, "a").await.as_deref(), Some("1"), "{place:?}");
        let conflict = registers.note(vec![swap("a", None, Some("2"))], 5).await;
        assert!(matches!(conflict, Err(SwapError::Conflict(found)) if found == key("a")), "{place:?}");
        registers.swap(vec![swap("b", None, Some("3"))], 0).await.unwrap();
        drop(registers);
        let again = place.registers();
        assert_eq!(value(&again, "a").await.as_deref(), Some("1"), "{place:?}");
        assert_eq!(again.follows().await.unwrap(), 4, "{place:?}");
    }
}

#[tokio::test]
async fn a_swap_may_expect_without_changing() {
    for place in Place::all() {
        let registers = place.registers();
        registers.swap(vec![swap("a", None, Some("1"))], 0).await.unwrap();
        registers.swap(vec![swap("a", Some("1"), Some("1")), swap("b", None, None)], 0).await.unwrap();
        let conflict = registers.swap(vec![swap("a", None, None), swap("b", None, Some("1"))], 0).await;
        assert!(matches!(conflict, Err(SwapError::Conflict(found)) if found == key("a")), "{place:?}");
        assert_eq!(value(&registers, "b").await, None, "{place:?}");
    }
}

#[tokio::test]
async fn registers_and_what_they_follow_outlive_a_restart() {
    for place in Place::all() {
        let registers = place.registers();
        registers.swap(vec![swap("a", None, Some("1"))], 7).await.unwrap();
        registers.swap(vec![swap("b", None, Some("1"))], 5).await.unwrap();
        assert_eq!(registers.follows().await.unwrap(), 7, "{place:?}");
        registers.swap(Vec::new(), 8).await.unwrap();
        drop(registers);
        let registers = place.registers();
        assert_eq!(value(&registers, "a").await.as_deref(), Some("1"), "{place:?}");
        assert_eq!(value(&registers, "b").await.as_deref(), Some("1"), "{place:?}");
        assert_eq!(registers.follows().await.unwrap(), 8, "{place:?}");
    }
}

#[tokio::test]
async fn new_registers_follow_nothing() {
    for place in Place::all() {
        assert_eq!(place.registers().follows().await.unwrap(), 0, "{place:?}");
    }
}

#[tokio::test]
async fn a_swap_that_names_a_key_twice_is_refused() {
    for place in Place::all() {
        let registers = place.registers();
        let refused = registers.swap(vec![swap("a", None, Some("1")), swap("a", Some("1"), Some("2"))], 1).await;
        assert!(matches!(refused, Err(SwapError::Store(Error::Repeated(_)))), "{place:?}");
        assert_eq!(registers.follows().await.unwrap(), 0, "{place:?}");
    }
}

#[tokio::test]
async fn a_register_takes_8_kib_and_no_more() {
    for place in Place::all() {
        let registers = place.registers();
        let make = |path: &str, len| Swap { key: key(path), expected: None, new: Some(Bytes::from(vec![1; len])) };
        registers.swap(vec![make("a", MAX_REGISTER_BYTES)], 0).await.unwrap();
        let refused = registers.swap(vec![make("b", MAX_REGISTER_BYTES + 1)], 0).await;
        assert!(matches!(refused, Err(SwapError::Store(Error::TooLarge { .. }))), "{place:?}");
    }
}

#[tokio::test]
async fn a_scan_gives_keys_and_values_in_order_under_the_prefix() {
    for place in Place::all() {
        let (blobs, registers) = place.database();
        blobs.put(vec![(key("a/0"), text("a blob is no register"))]).await.unwrap();
        let swaps = ["a/2", "a/1", "ab", "a/3", "b"].map(|path| swap(path, None, Some(path)));
        registers.swap(swaps.to_vec(), 1).await.unwrap();
        let scan = async |prefix: &str, after: Option<&str>, limit| {
            let pairs = registers.scan(&key(prefix), after.map(key).as_ref(), limit).await.unwrap();
            assert!(pairs.iter().all(|(key, value)| key.to_string().as_bytes() == value), "{place:?}");
            pairs.iter().map(|(key, _)| Key::to_string(key)).collect::<Vec<_>>()
        };
        assert_eq!(scan("a", None, 9).await, ["a/1", "a/2", "a/3"], "{place:?}");
        assert_eq!(scan("a", Some("a/1"), 1).await, ["a/2"], "{place:?}");
        assert_eq!(scan("a", Some("a/3"), 9).await, [""; 0], "{place:?}");
        assert_eq!(scan("", None, 9).await, ["a/1", "a/2", "a/3", "ab", "b"], "{place:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_swaps_of_one_register_at_once_one_wins() {
    for place in Place::all() {
        let registers = place.registers();
        let swaps = (0..32).map(|at| {
            let registers = registers.clone();
            async move { registers.swap(vec![swap("a", None, Some(&at.to_string()))], at).await }
        });
        let outcomes = at_once(swaps).await;
        let winner = outcomes.iter().position(Result::is_ok).unwrap();
        assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1, "{place:?}");
        assert_eq!(value(&registers, "a").await, Some(winner.to_string()), "{place:?}");
        assert_eq!(registers.follows().await.unwrap(), u64::try_from(winner).unwrap(), "{place:?}");
    }
}
