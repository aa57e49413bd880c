//! `[mask]`: which rules hide secrets in what targets print.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Reader;
use crate::app::file;
use crate::mask::known;
use crate::mask::rule::{Rule, Rules};
use crate::policy::nearest;

/// How the rules differ from the default ones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mask {
    /// Used too.
    pub with: BTreeSet<String>,
    /// Not used.
    pub without: BTreeSet<String>,
}

impl Mask {
    /// Those that hold.
    pub fn rules(&self) -> Arc<Rules> {
        let holds = |rule: &Rule| (rule.default || self.with.contains(&*rule.id)) && !self.without.contains(&*rule.id);
        Arc::new(Rules::new(known().filter(holds)))
    }
}

impl Reader<'_> {
    pub(super) fn mask(&mut self, mask: Option<&file::Mask>) -> Mask {
        let with = self.mask_rules("mask.with", mask.and_then(|mask| mask.with.as_deref()));
        let without = self.mask_rules("mask.without", mask.and_then(|mask| mask.without.as_deref()));
        if let Some(both) = with.intersection(&without).next() {
            self.faults.add("mask.without", format!("{both:?} is in mask.with too"), "remove it from one of them");
        }
        Mask { with, without }
    }

    fn mask_rules(&mut self, key: &str, ids: Option<&[String]>) -> BTreeSet<String> {
        let ids = ids.unwrap_or_default();
        for id in ids.iter().filter(|id| !known().any(|rule| *rule.id == **id)) {
            let rules: Vec<Rule> = known().collect();
            let mend = match nearest(id, rules.iter().map(|rule| &*rule.id)) {
                Some(meant) => format!("did you mean {meant}?"),
                None => "`sallyport mask --list` shows the rules".to_owned(),
            };
            self.faults.add(key, format!("{id:?} is no rule"), mend);
        }
        ids.iter().cloned().collect()
    }
}
