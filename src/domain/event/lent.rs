//! What a record says of one use of what a client has lent. Never what went over it.

use crate::domain::loan::Loan;

/// One connection from the target to the agent or the display of the client, within a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lent {
    /// To which.
    pub loan: Loan,
    /// Which of the session's, from 0.
    pub number: u32,
    /// What came of it, once it has ended.
    pub ended: Option<Passed>,
}

/// What went over it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Passed {
    /// Bytes from the target to what is lent.
    pub to_client: u64,
    /// Bytes from what is lent to the target.
    pub from_client: u64,
    /// How long it stood.
    pub duration_us: u64,
}
