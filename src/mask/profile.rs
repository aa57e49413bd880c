//! Which rules hide what: those that hold everywhere, and by name further ones, for what asks for more.
//!
//! A profile only adds: whatever names are asked for, nothing is shown that is hidden without them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use super::rule::{Rule, Rules, Set};

/// A choice among rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// Which to begin with; nothing: with none.
    pub set: Option<Set>,
    /// Used too.
    pub with: BTreeSet<String>,
    /// Not used.
    pub without: BTreeSet<String>,
}

impl Default for Choice {
    fn default() -> Self {
        Self { set: Some(Set::Default), with: BTreeSet::new(), without: BTreeSet::new() }
    }
}

impl Choice {
    /// Whether the rule is one of them.
    pub fn has(&self, rule: &Rule) -> bool {
        (self.set.is_some_and(|set| set.has(rule)) || self.with.contains(&*rule.id))
            && !self.without.contains(&*rule.id)
    }
}

/// The rules in force, for every choice of profiles.
#[derive(Debug)]
pub struct Profiles {
    /// They always hold, and are asked first.
    values: Vec<Rule>,
    /// All there are to choose from, in the order in which they are asked.
    rules: Vec<Rule>,
    everywhere: Choice,
    named: BTreeMap<String, Choice>,
    standard: Arc<Rules>,
    of_log: Arc<Rules>,
    /// Those that were asked for, as they were built.
    built: Mutex<BTreeMap<BTreeSet<String>, Arc<Rules>>>,
}

/// So many are kept; what policies and labels ask for is a handful.
const KEPT: usize = 64;

/// Its addresses are names: the log says by them who somebody is.
const MAIL: &str = "email";

impl Profiles {
    /// `values` always hold; of `rules` those of `everywhere`, and those of each profile that is asked for.
    pub fn new(values: Vec<Rule>, rules: Vec<Rule>, everywhere: Choice, named: BTreeMap<String, Choice>) -> Self {
        let build = |holds: &dyn Fn(&Rule) -> bool| {
            let chosen = rules.iter().filter(|rule| holds(rule));
            Arc::new(Rules::new(values.iter().chain(chosen).cloned()))
        };
        let standard = build(&|rule| everywhere.has(rule));
        let spares = |rule: &Rule| *rule.id == *MAIL && !everywhere.with.contains(MAIL);
        let any = |rule: &Rule| everywhere.has(rule) || named.values().any(|choice| choice.has(rule));
        let of_log = build(&|rule| any(rule) && !spares(rule));
        Self { values, rules, everywhere, named, standard, of_log, built: Mutex::default() }
    }

    /// Those of the program, without a profile.
    pub fn of_the_program() -> Self {
        Self::new(Vec::new(), super::known().collect(), Choice::default(), BTreeMap::new())
    }

    /// Those for the texts of the log: what any profile hides, since a record belongs to nobody alone.
    pub fn of_log(&self) -> &Arc<Rules> {
        &self.of_log
    }

    /// Those that hold with all these profiles; nothing if one of them does not exist.
    pub fn with(&self, names: &BTreeSet<String>) -> Option<Arc<Rules>> {
        if names.is_empty() {
            return Some(self.standard.clone());
        }
        let choices: Vec<&Choice> = names.iter().map(|name| self.named.get(name)).collect::<Option<_>>()?;
        let mut built = self.built.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(rules) = built.get(names) {
            return Some(rules.clone());
        }
        let holds = |rule: &&Rule| self.everywhere.has(rule) || choices.iter().any(|choice| choice.has(rule));
        let rules = Arc::new(Rules::new(self.values.iter().chain(self.rules.iter().filter(holds)).cloned()));
        if built.len() < KEPT {
            built.insert(names.clone(), rules.clone());
        }
        Some(rules)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mask::{Width, known, values, whole};

    fn set(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn profiles(everywhere: Choice) -> Profiles {
        let cards = Choice { set: Some(Set::Personal), without: set(&["us-ssn"]), ..Choice::default() };
        let addresses = Choice { set: None, with: set(&["email", "ip-address"]), ..Choice::default() };
        let values = values::parse("DB_PW=tr0ub4dor\n").unwrap();
        let named = BTreeMap::from([("cards".to_owned(), cards), ("addresses".to_owned(), addresses)]);
        Profiles::new(values, known().collect(), everywhere, named)
    }

    const TEXT: &str = "PGPASSWORD=hunter2 SSN 219-09-9999 card 4111 1111 1111 1111 at 192.0.2.7 tr0ub4dor\n";

    #[track_caller]
    fn check(everywhere: Choice, names: &[&str], wanted: &str) {
        let rules = profiles(everywhere).with(&set(names)).unwrap();
        let masked = whole(&rules, Width::Label, TEXT.as_bytes());
        assert_eq!(String::from_utf8(masked).unwrap().trim_end(), wanted);
    }

    #[test]
    fn profiles_add_to_what_holds_everywhere_and_to_each_other() {
        let secrets = || Choice { set: Some(Set::Secrets), ..Choice::default() };
        let plain = "PGPASSWORD=[password-assign] SSN 219-09-9999 card 4111 1111 1111 1111 at 192.0.2.7 [value-db-pw]";
        check(secrets(), &[], plain);
        check(secrets(), &["cards"], &plain.replace("4111 1111 1111 1111", "[credit-card]"));
        check(secrets(), &["addresses"], &plain.replace("192.0.2.7", "[ip-address]"));
        let both = plain.replace("192.0.2.7", "[ip-address]").replace("4111 1111 1111 1111", "[credit-card]");
        check(secrets(), &["addresses", "cards"], &both);
    }

    #[test]
    fn what_a_profile_leaves_out_is_hidden_all_the_same_where_it_holds_everywhere() {
        let all = "PGPASSWORD=[password-assign] SSN [us-ssn] card [credit-card] at 192.0.2.7 [value-db-pw]";
        check(Choice::default(), &[], all);
        check(Choice::default(), &["cards"], all);
    }

    #[test]
    fn a_profile_that_does_not_exist_leaves_no_rules_at_all() {
        let profiles = profiles(Choice::default());
        assert!(profiles.with(&set(&["cards", "card"])).is_none());
        let rules = profiles.with(&set(&["cards"])).unwrap();
        assert!(Arc::ptr_eq(&rules, &profiles.with(&set(&["cards"])).unwrap()), "built once");
    }

    #[test]
    fn the_log_hides_what_any_profile_hides_but_the_addresses_that_name_people() {
        let of = |everywhere| {
            let text = b"card 4111 1111 1111 1111 at 192.0.2.7 by ada.l@mail.example.org \n";
            String::from_utf8(whole(profiles(everywhere).of_log(), Width::Label, text)).unwrap()
        };
        let hidden = "card [credit-card] at [ip-address] by ada.l@mail.example.org \n";
        assert_eq!(of(Choice { set: Some(Set::Secrets), ..Choice::default() }), hidden);
        let named = Choice { with: set(&["email"]), ..Choice::default() };
        assert_eq!(of(named), hidden.replace("ada.l@mail.example.org", "[email]"));
    }
}
