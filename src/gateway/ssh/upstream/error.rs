//! Why a target could not be used, for the operator's log, for records and for the client.

use std::fmt;
use std::time::Duration;

use thiserror::Error;

/// Why a target could not be used.
#[derive(Debug, Error)]
pub(crate) enum Error {
    /// Name resolution or TCP.
    #[error("connect")]
    Dial(#[source] std::io::Error),
    /// The name has no address.
    #[error("the target's name has no address")]
    NoAddress,
    /// It is the bastion itself.
    #[error("the target's name means this machine; set allow_loopback if that is meant")]
    Loopback,
    /// The configured key cannot be read.
    #[error("the configured host key cannot be read")]
    HostTrust,
    /// The target showed another key than the configured one.
    #[error("host key {fingerprint}: {why}")]
    HostKey {
        /// From a closed set.
        why: &'static str,
        /// What was shown.
        fingerprint: String,
    },
    /// No certificate could be made, or its lasting key cannot be used.
    #[error("nothing to sign in at the target with")]
    Certificate(#[source] crate::identity::Error),
    /// It refused the sign-in.
    #[error("the target refused the sign-in")]
    Refused,
    /// It refused so often that it is left alone for so long.
    #[error("the target refused the last sign-ins; it is left alone for {0:?}")]
    Resting(Duration),
    /// It did not grant a request.
    #[error("the target did not grant {0}")]
    NotGranted(&'static str),
    /// It took too long.
    #[error("{0} took longer than 10 s")]
    TimedOut(&'static str),
    /// It hung up before it showed a host key: a busy `sshd` does so with some (`MaxStartups`).
    #[error("the target hung up at once")]
    TurnedAway(#[source] russh::Error),
    /// Anything of the protocol.
    #[error("SSH")]
    Ssh(#[source] russh::Error),
}

impl From<russh::Error> for Error {
    fn from(error: russh::Error) -> Self {
        Self::Ssh(error)
    }
}

impl Error {
    /// The step that failed, from a closed set: for records.
    pub(crate) fn step(&self) -> &'static str {
        match self {
            Self::Dial(_) | Self::NoAddress => "connect",
            Self::Loopback => "loopback",
            Self::HostTrust | Self::HostKey { .. } => "host key",
            Self::Certificate(_) => "certificate",
            Self::Refused => "sign-in refused",
            Self::Resting(_) => "left alone",
            Self::NotGranted(_) => "request refused",
            Self::TimedOut(step) => step,
            Self::TurnedAway(_) | Self::Ssh(_) => "protocol",
        }
    }
}

/// An error, worded for the client.
pub(crate) struct Shown<'a> {
    /// Which target.
    pub(crate) target: &'a str,
    /// What went wrong.
    pub(crate) error: &'a Error,
}

/// What the client hears; the operator's log has the rest.
impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let target = self.target;
        match self.error {
            Error::Dial(_) | Error::NoAddress | Error::Loopback => {
                write!(f, "{target} cannot be reached; the operator's log says why")
            }
            Error::HostTrust | Error::HostKey { .. } => {
                write!(
                    f,
                    "{target} shows another host key than the configured one; nothing was sent to it, tell the operator"
                )
            }
            Error::Certificate(_) => {
                write!(f, "there is nothing to sign in at {target} with; the operator's log says why")
            }
            Error::Refused => write!(f, "{target} refused the sign-in; 'trust' prints what it must be told"),
            Error::Resting(left) => write!(
                f,
                "{target} refused the last sign-ins as this account, so it is left alone for {} s more; 'targets check' tells the operator why",
                left.as_secs().max(1)
            ),
            Error::NotGranted(what) => write!(f, "{target} did not grant {what}"),
            Error::TimedOut(step) => write!(f, "{target} did not answer within 10 s ({step})"),
            Error::TurnedAway(_) => {
                write!(
                    f,
                    "{target} hung up at once, several times; many may be signing in there: try again in a moment"
                )
            }
            Error::Ssh(_) => write!(f, "{target} broke the connection"),
        }
    }
}
