//! The contract of `Blobs`, over every backend.

use bytes::Bytes;
use sallyport::store::{Error, Key, MAX_BATCH_BYTES, MAX_KEY_BYTES, MAX_LISTED};

use super::{Place, at_once, key, noise, shown, text};

#[tokio::test]
async fn what_was_put_is_read_and_nothing_else_is() {
    for place in Place::all() {
        let blobs = place.blobs();
        blobs.put(vec![(key("a"), text("one")), (key("a/b"), text("two"))]).await.unwrap();
        assert_eq!(blobs.get(&key("a")).await.unwrap(), Some(text("one")), "{place:?}");
        assert_eq!(blobs.get(&key("a/b")).await.unwrap(), Some(text("two")), "{place:?}");
        assert_eq!(blobs.get(&key("a/b/c")).await.unwrap(), None, "{place:?}");
        assert_eq!(blobs.get(&key("")).await.unwrap(), None, "{place:?}");
    }
}

#[tokio::test]
async fn the_same_bytes_may_be_put_again() {
    for place in Place::all() {
        let blobs = place.blobs();
        for bytes in [text(""), text("short"), noise(40_000)] {
            let items = vec![(key("a").with(&bytes.len().to_be_bytes()), bytes)];
            blobs.put(items.clone()).await.unwrap();
            blobs.put(items).await.unwrap();
        }
    }
}

#[tokio::test]
async fn other_bytes_under_a_key_are_refused_with_all_that_came_with_them() {
    for place in Place::all() {
        let blobs = place.blobs();
        blobs.put(vec![(key("a"), text("one"))]).await.unwrap();
        let refused = blobs.put(vec![(key("b"), text("two")), (key("a"), text("two"))]).await;
        assert!(matches!(refused, Err(Error::Exists(found)) if found == key("a")), "{place:?}");
        assert_eq!(blobs.get(&key("a")).await.unwrap(), Some(text("one")), "{place:?}");
        assert_eq!(blobs.get(&key("b")).await.unwrap(), None, "{place:?}");
    }
}

#[tokio::test]
async fn a_put_that_contradicts_itself_is_refused() {
    for place in Place::all() {
        let blobs = place.blobs();
        let refused = blobs.put(vec![(key("a"), text("one")), (key("a"), text("two"))]).await;
        assert!(matches!(refused, Err(Error::Exists(_))), "{place:?}");
        assert_eq!(blobs.get(&key("a")).await.unwrap(), None, "{place:?}");
        blobs.put(vec![(key("a"), text("one")), (key("a"), text("one"))]).await.unwrap();
        blobs.put(Vec::new()).await.unwrap();
    }
}

#[tokio::test]
async fn a_blob_of_any_size_comes_back_whole_after_a_restart() {
    let sizes = [0_usize, 1, 511, 512, 513, 8191, 8192, 8193, 65_536, 1 << 20];
    for place in Place::all() {
        let blobs = place.blobs();
        for size in sizes {
            blobs.put(vec![(key("size").with(&size.to_be_bytes()), noise(size))]).await.unwrap();
        }
        drop(blobs);
        let blobs = place.blobs();
        for size in sizes {
            let found = blobs.get(&key("size").with(&size.to_be_bytes())).await.unwrap();
            assert!(found == Some(noise(size)), "{size} in {place:?}");
        }
    }
}

#[tokio::test]
async fn one_put_holds_many_blobs() {
    for place in Place::all() {
        let items: Vec<_> = (0..64_u8).map(|at| (key("many").with(&[at]), noise(20_000 + usize::from(at)))).collect();
        place.blobs().put(items.clone()).await.unwrap();
        let blobs = place.blobs();
        for (key, bytes) in items {
            assert!(blobs.get(&key).await.unwrap() == Some(bytes), "{key} in {place:?}");
        }
    }
}

#[tokio::test]
async fn keys_are_listed_in_order_and_under_their_prefix_only() {
    for place in Place::all() {
        let blobs = place.blobs();
        for path in ["a", "a/1", "a/2", "a/2/x", "a/3", "aa/1", "b", "0"] {
            // Long, so that a backend that stores parts has some between the keys.
            blobs.put(vec![(key(path), noise(20_000))]).await.unwrap();
        }
        let list = async |prefix: &str, after: Option<&str>, limit| {
            shown(&blobs.keys(&key(prefix), after.map(key).as_ref(), limit).await.unwrap())
        };
        assert_eq!(list("a", None, 99).await, ["a", "a/1", "a/2", "a/2/x", "a/3"], "{place:?}");
        assert_eq!(list("a", None, 2).await, ["a", "a/1"], "{place:?}");
        assert_eq!(list("a", Some("a/1"), 2).await, ["a/2", "a/2/x"], "{place:?}");
        assert_eq!(list("a", Some("a/2/y"), 2).await, ["a/3"], "{place:?}");
        assert_eq!(list("a", Some("0"), 1).await, ["a"], "{place:?}");
        assert_eq!(list("a", Some("b"), 9).await, [""; 0], "{place:?}");
        assert_eq!(list("a/2", None, 9).await, ["a/2", "a/2/x"], "{place:?}");
        assert_eq!(list("c", None, 9).await, [""; 0], "{place:?}");
        assert_eq!(list("a", None, 0).await, [""; 0], "{place:?}");
        assert_eq!(list("", None, 9).await.len(), 8, "{place:?}");
        assert_eq!(list("", Some("aa/1"), 9).await, ["b"], "{place:?}");
    }
}

#[tokio::test]
async fn a_listing_is_bounded_whatever_is_asked() {
    for place in Place::all() {
        let blobs = place.blobs();
        let items = (0..MAX_LISTED + 1).map(|at| (key("n").with(&at.to_be_bytes()), text("x"))).collect();
        blobs.put(items).await.unwrap();
        let first = blobs.keys(&key("n"), None, usize::MAX).await.unwrap();
        assert_eq!(first.len(), MAX_LISTED, "{place:?}");
        let rest = blobs.keys(&key("n"), first.last(), usize::MAX).await.unwrap();
        assert_eq!(rest, [key("n").with(&MAX_LISTED.to_be_bytes())], "{place:?}");
    }
}

#[tokio::test]
async fn what_is_too_long_is_refused() {
    for place in Place::all() {
        let blobs = place.blobs();
        let long = vec![b'k'; MAX_KEY_BYTES];
        let refused = blobs.put(vec![(Key::of(&[&long]), text("x"))]).await;
        assert!(matches!(refused, Err(Error::TooLarge { .. })), "{place:?}");
        let refused = blobs.put(vec![(key("a"), Bytes::from(vec![0; MAX_BATCH_BYTES]))]).await;
        assert!(matches!(refused, Err(Error::TooLarge { .. })), "{place:?}");
        assert_eq!(blobs.get(&key("a")).await.unwrap(), None, "{place:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn puts_at_once_all_last() {
    for place in Place::all() {
        let blobs = place.blobs();
        let puts = (0..64_u8).map(|at| {
            let blobs = blobs.clone();
            async move { blobs.put(vec![(key("n").with(&[at]), noise(1000 * usize::from(at)))]).await }
        });
        assert!(at_once(puts).await.iter().all(Result::is_ok), "{place:?}");
        drop(blobs);
        let blobs = place.blobs();
        assert_eq!(blobs.keys(&key("n"), None, 99).await.unwrap().len(), 64, "{place:?}");
        assert!(blobs.get(&key("n").with(&[63])).await.unwrap() == Some(noise(63_000)), "{place:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_different_puts_of_one_key_at_once_one_wins() {
    for place in Place::all() {
        let blobs = place.blobs();
        let puts = (0..16_u8).map(|at| {
            let blobs = blobs.clone();
            async move { blobs.put(vec![(key("a"), Bytes::from(vec![at; 20_000]))]).await.is_ok() }
        });
        let won: Vec<_> = at_once(puts).await;
        let winner = won.iter().position(|won| *won).unwrap();
        assert_eq!(won.iter().filter(|won| **won).count(), 1, "{place:?}");
        let found = blobs.get(&key("a")).await.unwrap().unwrap();
        assert!(found == vec![u8::try_from(winner).unwrap(); 20_000], "{place:?}");
    }
}
