//! Who is out: the one thing about identities that a session must know of people who are not connected.

use std::fmt;
use std::sync::OnceLock;

use crate::domain::identity::Caller;

type Out = dyn Fn(&Caller) -> bool + Send + Sync;

/// Says whether somebody was revoked. Until it is known, everybody counts as out.
#[derive(Default)]
pub struct Standing(OnceLock<Box<Out>>);

impl Standing {
    /// By the registers of the moment. Only the first answer counts.
    pub fn is_told_by(&self, is_out: impl Fn(&Caller) -> bool + Send + Sync + 'static) {
        let _ = self.0.set(Box::new(is_out));
    }

    pub(super) fn is_out(&self, caller: &Caller) -> bool {
        self.0.get().is_none_or(|is_out| is_out(caller))
    }
}

impl fmt::Debug for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Standing")
    }
}
