//! What a record says of a place where a target listens for a client, and of each connection that it takes there.

/// The target is about to listen, or does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listening {
    /// Address and port, or a socket's path, in canonical form; port 0 until the target has chosen one.
    pub at: String,
    /// It has said yes.
    pub is_granted: bool,
}

/// One connection that the target took, within a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrived {
    /// Which of the session's, from 0.
    pub number: u32,
    /// Address and port in the target's words, printable ASCII only; of a socket it says nothing.
    pub originator: Option<String>,
    /// What came of it, once it has ended.
    pub ended: Option<Carried>,
}

/// What went over it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Carried {
    /// From the target to the client.
    pub to_client: u64,
    /// From the client to the target.
    pub from_client: u64,
    /// How long it stood.
    pub duration_us: u64,
}
