//! By which profiles a session is masked: its target's label, the permits that let it begin, and the prompt whose line it
//! is. All of them together; one that does not exist refuses the session.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{Ask, Refused, Sessions};
use crate::domain::session::Action;
use crate::domain::target::Target;
use crate::mask::rule::Rules;
use crate::policy::Obligations;

/// The limits that are kept; a rule with another one refuses what it limits. The first where bytes are masked.
const SERVED: [&str; 8] =
    ["mask", "max_session", "durable", "require_reason", "shell", "sftp", "sftp_paths", "sftp_deny"];

/// The limits that are kept where bytes pass as they are: to be masked by a profile is none of them.
pub(super) fn served_unmasked() -> &'static [&'static str] {
    SERVED.get(1..).unwrap_or_default()
}

/// The limits that are kept for `action`.
pub(super) fn served(action: &Action) -> &'static [&'static str] {
    match action {
        Action::Shell | Action::Exec(_) => &SERVED,
        Action::Sftp | Action::Forward(_) | Action::Listen(_) => served_unmasked(),
    }
}

/// Those that `target` and these limits ask for.
pub(super) fn asked(target: &Target, obligations: &Obligations) -> BTreeSet<String> {
    target.mask_profiles().map(str::to_owned).chain(obligations.mask.iter().cloned()).collect()
}

impl Sessions {
    /// Which profiles hold for what is asked, and the rules that follow.
    pub(super) fn masked_by(
        &self,
        ask: &Ask<'_>,
        target: &Target,
        obligations: &Obligations,
    ) -> Result<(BTreeSet<String>, Arc<Rules>), Refused> {
        let mut names = asked(target, obligations);
        names.extend(ask.profiles.iter().cloned());
        // Policy and rules are swapped one after the other: between the two a name may be of the other config.
        match self.0.masks.borrow().with(&names) {
            Some(rules) => Ok((names, rules)),
            None => Err(Refused::Limit(format!("mask={}", names.into_iter().collect::<Vec<_>>().join(",")))),
        }
    }
}
