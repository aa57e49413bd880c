//! Output that its client may see as the target printed it: the policy action `unmask`, for whoever asks for it.
//!
//! The recording stays masked, and the log says at the end what kinds were seen. The client is never ahead of the
//! recording: of what a masker still holds, nothing is shown.

use bytes::{Bytes, BytesMut};

use super::judged::Judged;
use super::{Ask, Refused, Sessions};
use crate::domain::Timestamp;
use crate::domain::event::{Fact, TargetRef};
use crate::domain::session::{Action, Stream};
use crate::domain::target::{Login, Target};
use crate::policy::{self, Obligations};

/// The limits of a permit of `unmask` that are kept; with another one it permits nothing.
const SERVED: [&str; 3] = ["max_session", "durable", "require_reason"];

const NOT_PERMITTED: &str =
    "no rule lets you see that unmasked; nothing was run. Without SALLYPORT_UNMASK it is masked";
const ALWAYS: &str = "that target is always masked; nothing was run. Leave SALLYPORT_UNMASK out";
const HELD: &str =
    "what people have to agree to is shown masked; nothing was run. Leave SALLYPORT_UNMASK out, and they are asked";

impl Sessions {
    /// The second decision that output without masking needs, where somebody asks for it, and the limits of both. Hands
    /// the first one back, unless both were recorded because the second is a no.
    pub(super) async fn unmasked(
        &self,
        ask: &Ask<'_>,
        (target, login): (&Target, &Login),
        now: Timestamp,
        (decided, obligations): (Fact, Obligations),
    ) -> Result<(Fact, Obligations, Option<Judged>), Refused> {
        if !ask.unmask || !matches!(ask.action, Action::Shell | Action::Exec(_)) {
            return Ok((decided, obligations, None));
        }
        let judged = self.decide_as(ask, policy::Asked::Unmask, target, login, now, None);
        let why = match permits(&judged.decision, target) {
            Some(limits) if limits.require_reason && ask.reason.is_none() => Refused::NoReason,
            Some(limits) => return Ok((decided, obligations.merge(limits), Some(judged))),
            None if target.masks_always() => Refused::Rejected(ALWAYS.to_owned()),
            None => Refused::Rejected(NOT_PERMITTED.to_owned()),
        };
        let fact = ask.fact(now, judged.decision.recorded(), judged.event());
        self.record(vec![decided, fact.towards(TargetRef::of(target, login))]).await?;
        Err(why)
    }
}

/// The limits under which `decision` lets output of `target` be seen unmasked, if it does.
pub(super) fn permits<'a>(decision: &'a policy::Decision, target: &Target) -> Option<&'a Obligations> {
    match &decision.outcome {
        policy::Outcome::Allow(limits) if limits.unserved(&SERVED).is_none() && !target.masks_always() => Some(limits),
        policy::Outcome::Allow(_) | policy::Outcome::Hold(_) | policy::Outcome::Deny => None,
    }
}

/// People agree to what they are shown, and that does not say who will see what.
pub(super) fn not_held(ask: &Ask<'_>, refused: Refused) -> Refused {
    match refused {
        Refused::Held(_) if ask.unmask => Refused::Rejected(HELD.to_owned()),
        other => other,
    }
}

/// The bytes as they came, as far as they have been recorded masked.
#[derive(Debug, Default)]
pub(super) struct Bare {
    out: BytesMut,
    err: BytesMut,
}

impl Bare {
    /// `bytes` have come; the masker of the stream still holds the last `held`.
    pub(super) fn feed(&mut self, stream: Stream, bytes: &[u8], held: usize) -> Bytes {
        let waits = match stream {
            Stream::Stdout => &mut self.out,
            Stream::Stderr => &mut self.err,
        };
        waits.extend_from_slice(bytes);
        waits.split_to(waits.len().saturating_sub(held)).freeze()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_masker_holds_is_not_shown_and_streams_are_kept_apart() {
        let mut bare = Bare::default();
        assert_eq!(bare.feed(Stream::Stdout, b"a password=hun", 12), "a ");
        assert_eq!(bare.feed(Stream::Stderr, b"other", 0), "other");
        assert_eq!(bare.feed(Stream::Stdout, b"ter2\n", 1), "password=hunter2");
        assert_eq!(bare.feed(Stream::Stdout, b"", 0), "\n");
        assert_eq!(bare.feed(Stream::Stdout, b"", 0), "");
    }
}
