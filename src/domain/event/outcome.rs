//! How a fact went, in one word.

/// How a fact went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A decision: yes.
    Allow,
    /// A decision: no.
    Deny,
    /// A decision: a person must agree first.
    Hold,
    /// It could not be judged or done, for a reason of ours.
    Error,
    /// Done.
    Success,
    /// Tried and refused.
    Failure,
}

impl Outcome {
    /// The word in records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
            Self::Hold => "hold",
            Self::Error => "error",
            Self::Success => "success",
            Self::Failure => "failure",
        }
    }

    pub(crate) fn is_good(self) -> bool {
        matches!(self, Self::Allow | Self::Success)
    }
}
