//! Where a channel goes, and with what.

use std::time::Duration;

use super::request::{Environment, Wishes};
use crate::session::Glass;

/// Where a channel goes, and what its client said before it asked for anything.
pub(super) struct Way<'a> {
    pub(super) login: Option<&'a str>,
    pub(super) target: &'a str,
    pub(super) environment: &'a Environment,
    pub(super) wishes: &'a Wishes,
    /// Mask profiles that hold already.
    pub(super) profiles: &'a [String],
    /// Past approval.
    pub(super) glass: Option<&'a Glass>,
}

/// In place of a shell there is the bastion's own prompt, for so long and masked by these profiles.
pub(super) struct Guarded(pub(super) Option<Duration>, pub(super) Vec<String>);
