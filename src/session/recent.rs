//! What each person began last, for whoever is asked to approve their next command. In memory: the ledger has it all.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use crate::domain::identity::Principal;
use crate::domain::session::Action;
use crate::domain::{Timestamp, printable};

/// So many of each person are kept.
const EACH: usize = 5;
/// Of so many people; whoever began something longest ago is forgotten first.
const PEOPLE: usize = 1024;
/// So much of a command.
const SHOWN: usize = 200;

/// Something that was begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Began {
    /// When.
    pub at: Timestamp,
    /// Canonical name of the target.
    pub target: String,
    /// Account there.
    pub login: String,
    /// The command, printable and cut, or that it is a shell.
    pub what: String,
}

/// What each person began last.
#[derive(Debug, Default)]
pub struct Recent(Mutex<HashMap<Principal, VecDeque<Began>>>);

impl Recent {
    /// One more.
    pub(super) fn note(&self, who: &Principal, at: Timestamp, (target, login): (&str, &str), action: &Action) {
        let what = match action {
            Action::Exec(command) => printable(&String::from_utf8_lossy(command.bytes()), SHOWN),
            Action::Shell => "(a shell)".to_owned(),
            Action::Forward(forward) => format!("(a connection to {})", forward.to),
            Action::Sftp => "(files by SFTP)".to_owned(),
        };
        let began = Began { at, target: target.to_owned(), login: login.to_owned(), what };
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= PEOPLE && !all.contains_key(who) {
            let last = |(_, began): &(&Principal, &VecDeque<Began>)| began.back().map(|one| one.at);
            let oldest = all.iter().min_by_key(last).map(|(who, _)| who.clone());
            oldest.and_then(|who| all.remove(&who));
        }
        let theirs = all.entry(who.clone()).or_default();
        theirs.push_back(began);
        if theirs.len() > EACH {
            theirs.pop_front();
        }
    }

    /// The last of this person, the newest last.
    pub fn of(&self, who: &Principal) -> Vec<Began> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(who).map(|theirs| theirs.iter().cloned().collect()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::prelude::BASE64_URL_SAFE_NO_PAD;

    use super::*;
    use crate::domain::session::Command;

    #[test]
    fn the_last_five_of_each_person_are_kept_and_of_a_thousand_people() {
        let recent = Recent::default();
        let who = |n: usize| {
            let subject = BASE64_URL_SAFE_NO_PAD.encode(n.to_string());
            Principal::parse(&format!("corp/{subject}")).unwrap()
        };
        let at = |n: usize| Timestamp::from_secs(1_800_000_000 + n as i64);
        let exec = |text: &str| Action::Exec(Command::parse(text.to_owned()).unwrap());
        for n in 0..7 {
            recent.note(&who(0), at(n), ("db1", "app"), &exec(&format!("echo {n}\x1b")));
        }
        let shown: Vec<_> = recent.of(&who(0)).into_iter().map(|one| one.what).collect();
        assert_eq!(shown, (2..7).map(|n| format!("echo {n}\\u{{1b}}")).collect::<Vec<_>>());
        for n in 1..=PEOPLE {
            recent.note(&who(n), at(n + 100), ("db1", "app"), &Action::Shell);
        }
        assert!(recent.of(&who(0)).is_empty(), "the one who was quiet longest");
        assert_eq!(recent.of(&who(PEOPLE))[0].what, "(a shell)");
        assert_eq!(recent.0.lock().unwrap().len(), PEOPLE);
    }
}
