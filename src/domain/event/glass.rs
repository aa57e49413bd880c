//! What happens past approval, loudly, and who looks at it afterwards.

use crate::domain::{Text, Timestamp};

/// Somebody is about to begin a session that nobody agreed to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// Its id, as people type it.
    pub id: String,
    /// Whose, as registers name them.
    pub principal: String,
    /// Why, in their words.
    pub reason: Text,
    /// Channels that took the alert. Empty: none did, and policy lets it begin all the same.
    pub alerted: Vec<String>,
    /// When it is cut at the latest.
    pub until: Timestamp,
}

/// Somebody else says what they think of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reviewed {
    /// Its id.
    pub id: String,
    /// What they say.
    pub finding: Text,
}
