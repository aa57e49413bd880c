//! Files of policy tests as written: `[[case]]`. Every fault in one go, each with its key path.

use std::collections::BTreeMap;

use super::{Each, Faults, Shape, join, plain, read, table};

table! {
    /// `[[case]]`
    Case {
        /// What it shows, in a sentence.
        name: String,
        /// `ISSUER:SUBJECT`.
        who: String,
        /// Groups of theirs besides those that follow from `who`.
        groups: Vec<String>,
        /// Claims of a pipeline.
        claims: BTreeMap<String, String>,
        /// A target's name.
        target: String,
        /// An account there.
        login: String,
        /// The command; without one a shell.
        command: String,
        /// Whether with a terminal.
        pty: bool,
        /// A shell past approval.
        break_glass: bool,
        /// `allow`, `hold` or `deny`.
        expect: String,
        /// The rules that decide, if it matters.
        rules: Vec<String>,
    }
    /// A whole file.
    Cases {
        /// `[[case]]`
        case: Each<Case>,
    }
}

/// The longest file.
const LIMIT_BYTES: usize = 1024 * 1024;

/// Reads a file of cases; faults say which key of which case.
pub fn parse(text: &str, faults: &mut Faults) -> Vec<Case> {
    if text.len() > LIMIT_BYTES {
        faults.add("the file", "is longer than 1 MiB", "split it");
        return Vec::new();
    }
    read::<Cases>(text, faults).and_then(|cases| cases.case).unwrap_or_default().0
}
