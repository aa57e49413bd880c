//! Keys of a terminal's client that the target has not echoed yet.
//!
//! What can become a secret is held until its stream is quiet, which one would feel in each key. An echo holds nothing
//! that its client does not know: it is let go at once. For the recording it is what it would be after that wait.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

/// More than this at once is no key: it was pasted, and is held like any output.
const KEY_BYTES: usize = 4;
/// More than these are not waited for: the target does not echo.
const WAITING: usize = 64;

/// Cheap to clone; clones are the keys of the same terminal.
#[derive(Clone, Debug, Default)]
pub(super) struct Typed(Arc<Mutex<VecDeque<u8>>>);

impl Typed {
    /// The client has sent this.
    pub(super) fn sent(&self, bytes: &[u8]) {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if bytes.len() > KEY_BYTES || waiting.len() + bytes.len() > WAITING {
            waiting.clear();
        }
        if bytes.len() <= KEY_BYTES {
            waiting.extend(bytes);
        }
    }

    /// Whether this is what was typed next, and nothing else. Anything else is not the echo: what was typed before it is
    /// waited for no longer.
    pub(super) fn echoed(&self, bytes: &[u8]) -> bool {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_echo =
            !bytes.is_empty() && bytes.len() <= waiting.len() && waiting.iter().zip(bytes).all(|(a, b)| a == b);
        if is_echo {
            waiting.drain(..bytes.len());
        } else {
            waiting.clear();
        }
        is_echo
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_typed_next_is_an_echo() {
        let typed = Typed::default();
        typed.sent(b"l");
        typed.sent(b"s");
        assert!(typed.echoed(b"l") && typed.echoed(b"s"));
        assert!(!typed.echoed(b"s"), "it was echoed already");
        for key in ["e", "c", "h", "o"] {
            typed.sent(key.as_bytes());
        }
        assert!(typed.echoed(b"ech"), "several at once");
        assert!(!typed.echoed(b"o and more"));
        assert!(!typed.echoed(b"o"), "the output had gone on");
        typed.sent("é".as_bytes());
        assert!(typed.echoed("é".as_bytes()));
        assert!(!typed.echoed(b""));
    }

    #[test]
    fn what_was_pasted_or_is_not_echoed_is_not_waited_for() {
        let typed = Typed::default();
        typed.sent(b"a");
        typed.sent(b"ghp_0123456789");
        assert!(!typed.echoed(b"a") && !typed.echoed(b"ghp_"));
        for _ in 0..1000 {
            typed.sent(b"x");
        }
        assert!(typed.0.lock().unwrap().len() <= WAITING);
    }
}
