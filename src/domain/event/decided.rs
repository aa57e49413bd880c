//! The body of a decision record.

use crate::domain::Digest;

/// The body of a decision record.
#[derive(Clone, Debug, PartialEq)]
pub struct Decided {
    /// `shell`, `exec`, `certify`, `review`, …
    pub action: &'static str,
    /// Ids of the policies that decided, with `permit` or `forbid`.
    pub rules: Vec<(String, &'static str)>,
    /// Errors of the evaluation. Any of them denies.
    pub errors: Vec<String>,
    /// Digest of the policy set.
    pub policy: Digest,
    /// Digest of the schema.
    pub schema: Digest,
    /// Digest of the context that was judged.
    pub context: Digest,
    /// `initial`, `hypothetical` or `final`.
    pub pass: &'static str,
    /// Name and version of the engine.
    pub engine: &'static str,
    /// Limits that follow, as `name=value`.
    pub obligations: Vec<String>,
    /// How the command was read, where there is one.
    pub command: Option<Read>,
    /// How long it took.
    pub micros: u64,
}

/// How a command line was read, without its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Read {
    /// `simple`, `compound`, or `opaque: ` and why.
    pub form: String,
    /// Classes that apply.
    pub classes: Vec<String>,
    /// It asks for another account's rights.
    pub elevated: bool,
    /// It is on the list of what changes nothing.
    pub harmless: bool,
}
