//! What the console asks of the floor above: to try a target. `app` hands in the gateway's answer.
//!
//! The console knows no SSH, and the gateway stands above it, so the arrow is a trait of this room.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use futures_util::future::BoxFuture;

use crate::domain::identity::Caller;
use crate::domain::target::{Login, Target};

/// Tries targets.
pub trait Reach: fmt::Debug + Send + Sync {
    /// Our address as this target sees it, where it can be told without asking anybody.
    fn source(&self, target: &Target) -> Option<IpAddr>;

    /// Compares the target's host key with the config; signs nobody in.
    fn look(&self, target: Arc<Target>) -> BoxFuture<'static, Trial>;

    /// Signs in as `login`, as a governed session of this caller: decided and recorded first, like any other.
    /// With `command`, one harmless command is run to see whether the target runs what it is asked for.
    fn sign_in(
        &self,
        caller: Arc<Caller>,
        target: Arc<Target>,
        login: Login,
        command: bool,
    ) -> BoxFuture<'static, Trial>;
}

/// How a target took it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trial {
    /// How well.
    pub grade: Grade,
    /// What was found.
    pub what: String,
    /// What to do about it; empty where there is nothing to do.
    pub mend: String,
}

/// How well it went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grade {
    /// As it should be.
    Good,
    /// In, and something there is not as it should be.
    Odd,
    /// The host is the right one, and refused the sign-in.
    Refused,
    /// It did not come so far.
    Bad,
}

impl Trial {
    /// As it should be.
    pub fn good(what: impl Into<String>) -> Self {
        Self { grade: Grade::Good, what: what.into(), mend: String::new() }
    }

    /// Anything else.
    pub fn of(grade: Grade, what: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { grade, what: what.into(), mend: mend.into() }
    }
}
