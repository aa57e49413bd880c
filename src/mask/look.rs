//! Asks whether something begins at a place of a text, with so little of what follows as will do.

use std::cell::RefCell;

use super::encoded;
use super::rule::{NAMED, Rule, Rules};
use super::shape::{Place, Verdict};
use super::view::Spot;

/// Whether something begins at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Begins {
    No,
    /// The text ends before it is known.
    More,
    Yes,
}

/// A text, and what stands before it.
pub(super) struct Look<'a> {
    pub(super) rules: &'a Rules,
    pub(super) text: &'a [u8],
    pub(super) before: Option<u8>,
    /// Whether escapes were undone in it: then names before a place may be others as they came.
    is_undone: bool,
    /// Places of which it was known only from afar that nothing begins there.
    pub(super) far: RefCell<Vec<usize>>,
}

impl<'a> Look<'a> {
    pub(super) fn new(rules: &'a Rules, text: &'a [u8], before: Option<u8>) -> Self {
        Self { rules, text, before, is_undone: false, far: RefCell::default() }
    }

    /// The same of a text in which escapes were undone.
    pub(super) fn undone(rules: &'a Rules, text: &'a [u8], before: Option<u8>) -> Self {
        Self { is_undone: true, ..Self::new(rules, text, before) }
    }

    /// The same from a place on.
    pub(super) fn from(&self, place: usize) -> Self {
        let text = self.text.get(place..).unwrap_or_default();
        Self { is_undone: self.is_undone, ..Self::new(self.rules, text, self.before(place)) }
    }

    fn before(&self, place: usize) -> Option<u8> {
        place.checked_sub(1).map_or(self.before, |before| self.text.get(before).copied())
    }

    /// Whether anything begins at a place.
    pub(super) fn at(&self, place: usize) -> Begins {
        match self.any(place) {
            Begins::No => self.encoded(place),
            begins => begins,
        }
    }

    /// Asks of a place, with so little of what follows as will do.
    fn ask(&self, at: usize, verdict: impl Fn(Place<'_>) -> Begins) -> Begins {
        let ahead = self.text.get(at..).unwrap_or_default();
        let before = self.before(at);
        // Where less is known, whoever knows all decides.
        let known = at.checked_sub(NAMED).filter(|_| !self.is_undone);
        let so_far = known.and_then(|from| self.text.get(from..at)).unwrap_or_default();
        for look in LOOKS {
            let text = ahead.get(..look).unwrap_or(ahead);
            let begins = verdict(Place { before, so_far, text, is_closed: false });
            if begins == Begins::No && look > NEAR {
                self.far.borrow_mut().push(at);
            }
            if begins != Begins::More || text.len() < look {
                return begins;
            }
        }
        Begins::Yes
    }

    /// By any rule.
    pub(super) fn any(&self, at: usize) -> Begins {
        self.ask(at, |place| of(&Spot { place, behind: [0; 3], wrap: None }.plain_verdict(self.rules)))
    }

    /// By a rule that begins with a text of its own.
    pub(super) fn token(&self, at: usize) -> Begins {
        self.ask(at, |place| of(&Spot { place, behind: [0; 3], wrap: None }.plain_verdict_of_tokens(self.rules)))
    }

    fn rule(&self, at: usize, rule: &Rule) -> Begins {
        self.ask(at, |place| of(&Spot { place, behind: [0; 3], wrap: None }.plain_verdict_of(rule)))
    }

    /// By one of its words.
    pub(super) fn word(&self, at: usize, rule: &Rule, word: usize) -> Begins {
        self.ask(at, |place| of(&Spot { place, behind: [0; 3], wrap: None }.plain_verdict_of_word(rule, word)))
    }

    /// By one of these rules.
    pub(super) fn by(&self, at: usize, rules: impl IntoIterator<Item = usize>) -> Begins {
        let rules = rules.into_iter().map(|rule| self.rules.at(rule));
        let mut all = rules.map(|rule| rule.map_or(Begins::Yes, |rule| self.rule(at, rule)));
        all.find(|begins| *begins != Begins::No).unwrap_or(Begins::No)
    }

    /// By what decodes to a secret.
    pub(super) fn encoded(&self, at: usize) -> Begins {
        let head = self.text.get(at..).and_then(<[u8]>::first_chunk);
        if head.is_some_and(|[first, second]| !encoded::may_begin(self.before(at), *first, *second)) {
            return Begins::No;
        }
        self.ask(at, |place| match encoded::begins(place.before, place.text, false) {
            encoded::Begins::No => Begins::No,
            encoded::Begins::More => Begins::More,
            encoded::Begins::Yes(_) => Begins::Yes,
        })
    }
}

fn of(verdict: &Verdict<'_>) -> Begins {
    match verdict {
        Verdict::Nothing => Begins::No,
        Verdict::More => Begins::More,
        Verdict::Found(..) => Begins::Yes,
    }
}

/// How far it is looked ahead from where something may begin: seldom far.
const LOOKS: [usize; 3] = [NEAR, 512, super::HOLD];

/// So much tells of most places that nothing begins there.
const NEAR: usize = 48;
