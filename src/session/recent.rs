//! What each person began last, and what was written where, for whoever is asked to approve the next command. In memory,
//! since the last start: the ledger has it all.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

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

/// So many changes to files of each account are kept.
const WRITTEN: usize = 20;
/// So much of each.
const CHANGE: usize = 1024;
/// Of so many accounts.
const ACCOUNTS: usize = 1024;
/// For so long.
const DAY: Duration = Duration::from_secs(24 * 3600);

/// A file that was changed through the bastion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrote {
    /// When.
    pub at: Timestamp,
    /// By whom, by display name.
    pub name: String,
    /// What was done to which file, printable and cut.
    pub what: String,
}

/// What each person began last, and which files of which account were changed.
#[derive(Debug, Default)]
pub struct Recent {
    began: Mutex<HashMap<Principal, VecDeque<Began>>>,
    written: Mutex<HashMap<(String, String), VecDeque<Wrote>>>,
}

impl Recent {
    /// One more.
    pub(super) fn note(&self, who: &Principal, at: Timestamp, (target, login): (&str, &str), action: &Action) {
        let what = match action {
            Action::Exec(command) => printable(&String::from_utf8_lossy(command.bytes()), SHOWN),
            Action::Shell => "(a shell)".to_owned(),
            Action::Forward(forward) => format!("(a connection to {})", forward.to),
            Action::Listen(listen) => format!("(listening on {listen})"),
            Action::Sftp => "(files by SFTP)".to_owned(),
        };
        let began = Began { at, target: target.to_owned(), login: login.to_owned(), what };
        let mut all = self.began.lock().unwrap_or_else(PoisonError::into_inner);
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

    /// A file of that account was changed.
    pub(super) fn wrote(&self, at: Timestamp, (target, login): (&str, &str), name: &str, what: &str) {
        let wrote = Wrote { at, name: printable(name, SHOWN), what: printable(what, CHANGE) };
        let account = (target.to_owned(), login.to_owned());
        let mut all = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= ACCOUNTS && !all.contains_key(&account) {
            let last = |(_, wrote): &(&(String, String), &VecDeque<Wrote>)| wrote.back().map(|one| one.at);
            let oldest = all.iter().min_by_key(last).map(|(account, _)| account.clone());
            oldest.and_then(|account| all.remove(&account));
        }
        let theirs = all.entry(account).or_default();
        theirs.push_back(wrote);
        if theirs.len() > WRITTEN {
            theirs.pop_front();
        }
    }

    /// What was changed there within a day, the newest last.
    pub fn written(&self, (target, login): (&str, &str), now: Timestamp) -> Vec<Wrote> {
        let all = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        let theirs = all.get(&(target.to_owned(), login.to_owned()));
        theirs.into_iter().flatten().filter(|wrote| now.since(wrote.at) < DAY).cloned().collect()
    }

    /// The last of this person, the newest last.
    pub fn of(&self, who: &Principal) -> Vec<Began> {
        let all = self.began.lock().unwrap_or_else(PoisonError::into_inner);
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
        assert_eq!(recent.began.lock().unwrap().len(), PEOPLE);
    }

    #[test]
    fn what_was_written_to_an_account_is_known_for_a_day() {
        let recent = Recent::default();
        let at = |hours: i64| Timestamp::from_secs(1_800_000_000 + hours * 3600);
        recent.wrote(at(0), ("db1", "app"), "bob", "write /srv/a\x1b");
        recent.wrote(at(1), ("db1", "app"), "ann", "write /srv/b");
        recent.wrote(at(1), ("db1", "root"), "ann", "write /etc/c");
        let shown =
            |hours| recent.written(("db1", "app"), at(hours)).into_iter().map(|one| one.what).collect::<Vec<_>>();
        assert_eq!(shown(1), ["write /srv/a\\u{1b}", "write /srv/b"]);
        assert_eq!(shown(24), ["write /srv/b"]);
        (0..30).for_each(|n| recent.wrote(at(2), ("db1", "app"), "bob", &format!("write {n}")));
        assert_eq!(shown(2).len(), WRITTEN);
    }
}
