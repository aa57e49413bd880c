//! What a record says of one use of a client's agent. Never what was asked of it.

/// One connection from the target to the agent of the client, within a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lent {
    /// Which of the session's, from 0.
    pub number: u32,
    /// What came of it, once it has ended.
    pub ended: Option<Passed>,
}

/// What went over it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Passed {
    /// From the target to the agent.
    pub to_agent: u64,
    /// From the agent to the target.
    pub from_agent: u64,
    /// How long it stood.
    pub duration_us: u64,
}
