//! Rules that every word may begin: of most words it is said quickly that none does.

use super::class::Class;
use super::rule::{Form, Part, Rule};

/// How such rules go on.
#[derive(Debug)]
pub(super) struct Words {
    /// What may stand behind the word.
    behind: Class,
    /// How long it is at least, where the rule goes on inside it.
    least: usize,
}

impl Words {
    /// None if there are no such rules.
    pub(super) fn of(rules: &[Rule]) -> Option<Self> {
        // An escape may stand for anything.
        let mut words = Self { behind: Class::of(b"%\\"), least: usize::MAX };
        let mut forms = rules.iter().filter(|rule| rule.is_word()).flat_map(|rule| rule.forms.iter()).peekable();
        forms.peek()?;
        for form in forms {
            match inner(form) {
                Some((text, _)) => match text.bytes().find(|byte| !Class::DOTTED.has(*byte)) {
                    Some(other) => words.behind = words.behind.or(Class::of(&[other])),
                    None => words.least = words.least.min(least_before(form) + text.len()),
                },
                None => words.least = 0,
            }
        }
        Some(words)
    }

    /// Whether one may begin where a word begins.
    pub(super) fn may_begin(&self, ahead: &[u8]) -> bool {
        let word = ahead.iter().take(LONGEST).take_while(|byte| Class::DOTTED.has(**byte)).count();
        word >= self.least || ahead.get(word).is_none_or(|behind| word == LONGEST || self.behind.has(*behind))
    }
}

/// The first text in a form, behind nothing but runs of what words are made of, and how far behind its beginning.
pub(super) fn inner(form: &Form) -> Option<(String, usize)> {
    let mut far = 0;
    for part in form.iter() {
        match part {
            Part::Hide | Part::Show => {}
            Part::Text(text) => return Some((text.clone(), far)),
            Part::Mail => return Some(("@".to_owned(), far + 64)),
            Part::Run(class, _, most) if class.is_within(Class::DOTTED) => {
                far += most;
            }
            _ => return None,
        }
    }
    None
}

/// How many bytes stand before the first text of a form at least.
fn least_before(form: &Form) -> usize {
    let runs = form.iter().map_while(|part| match part {
        Part::Hide | Part::Show => Some(0),
        Part::Run(_, least, _) => Some(*least),
        _ => None,
    });
    runs.sum()
}

/// A longer word may be anything.
const LONGEST: usize = 80;
