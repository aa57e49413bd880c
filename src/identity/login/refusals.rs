//! Refused sign-ins: what strangers hear of them, and how many get a record of their own.
//!
//! Counts and words only; why somebody is refused is decided elsewhere.

use std::borrow::Cow;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use super::super::Error;
use super::super::reason::Reason;
use crate::domain::{Disclose, RecordId, Timestamp};

/// How many refusals are recorded one by one, a minute and source network: a flood costs no fsync each.
const RECORDED_EACH: u32 = 20;
/// The same for all networks together.
const RECORDED_ALL: u32 = 200;

/// Counts refusals in the current minute.
#[derive(Default)]
pub(in crate::identity) struct Refusals(Mutex<Minute>);

#[derive(Default)]
struct Minute {
    minute: i64,
    all: u32,
    each: HashMap<IpAddr, u32>,
    unrecorded: u64,
}

impl Refusals {
    /// Whether this refusal gets a record of its own.
    pub(super) fn may_record(&self, source: IpAddr, now: Timestamp) -> bool {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let minute = now.secs().div_euclid(60);
        if counts.minute != minute {
            if counts.unrecorded > 0 {
                tracing::warn!(unrecorded = counts.unrecorded, "refused sign-ins without a record of their own");
            }
            *counts = Minute { minute, ..Minute::default() };
        }
        let each = counts.each.entry(network(source)).or_default();
        *each += 1;
        let few = *each <= RECORDED_EACH;
        counts.all += u32::from(few);
        let may = few && counts.all <= RECORDED_ALL;
        counts.unrecorded += u64::from(!may);
        may
    }
}

/// IPv4 /24, IPv6 /64.
fn network(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V4(ip) => IpAddr::V4((u32::from(ip) & 0xffff_ff00).into()),
        IpAddr::V6(ip) => IpAddr::V6((u128::from(ip) >> 64 << 64).into()),
    }
}

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// The key, the token or the proof.
    #[error("refused: {}", reason.as_str())]
    Refused {
        /// The record of it.
        reference: RecordId,
        /// Why.
        reason: Reason,
    },
    /// Policy said no.
    #[error("denied by policy")]
    Denied {
        /// The record of the sign-in.
        reference: RecordId,
        /// The rule that forbade, for whom another rule would let in.
        rule: Option<String>,
    },
    /// It could not be judged, recorded or signed.
    #[error("failed")]
    Failed {
        /// In the log only.
        reference: RecordId,
        /// What went wrong.
        #[source]
        error: Error,
    },
}

impl LoginError {
    /// The stable word for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Refused { reason, .. } => reason.as_str(),
            Self::Denied { .. } => "denied",
            Self::Failed { .. } => "unavailable",
        }
    }

    /// What the stranger and the log share.
    pub fn reference(&self) -> RecordId {
        match self {
            Self::Refused { reference, .. } | Self::Denied { reference, .. } | Self::Failed { reference, .. } => {
                *reference
            }
        }
    }
}

impl Disclose for LoginError {
    fn disclose(&self) -> Cow<'static, str> {
        match self {
            Self::Refused { reason, .. } => reason.disclose(),
            Self::Denied { rule: Some(rule), .. } if rule.is_ascii() => {
                format!("policy does not give you a certificate (rule {rule})").into()
            }
            Self::Denied { .. } => "policy does not give you a certificate".into(),
            Self::Failed { .. } => "certificates are unavailable: tell the operator the reference".into(),
        }
    }
}
