//! A mail address at a place: what it consists of, and by what stands around it what is none.
//!
//! The place of a prompt, of a file that is copied and of a URL look like addresses, too: what follows tells them apart.
//! Which domains and names are nobody's, the rule's check says.

use super::{Miss, Place};
use crate::mask::class::Class;

impl Place<'_> {
    /// The end of an address.
    pub(super) fn mail(&self) -> Result<usize, Miss> {
        let name = self.run(0, NAME, 1, LONGEST_NAME)?;
        if self.at(name)? != Some(b'@') {
            return Err(Miss::No);
        }
        let run = self.run(name + 1, DOMAIN, 4, LONGEST_DOMAIN)?;
        let next = self.at(run)?;
        let domain = self.text.get(name + 1..run).unwrap_or_default();
        // The dot that ends a sentence is none of it.
        let length = domain.iter().rposition(|byte| !matches!(byte, b'.' | b'-')).map_or(0, |last| last + 1);
        let end = name + 1 + length;
        if !is_domain(domain.get(..length).unwrap_or_default()) {
            return Err(Miss::No);
        }
        match next {
            Some(b'_' | b'@' | b'/' | b'(') => Err(Miss::No),
            Some(b':') if end == run && self.is_copied(run + 1)? => Err(Miss::No),
            Some(b' ') if end == run && self.is_in_brackets(run + 1)? => Err(Miss::No),
            Some(b'>' | b'#' | b'$' | b'%') if end == run && self.is_prompt(run + 1)? => Err(Miss::No),
            Some(b'\'') if end == run => match self.text(run, "'s password", false) {
                Ok(_) => Err(Miss::No),
                Err(Miss::No) => Ok(end),
                Err(Miss::More) => Err(Miss::More),
            },
            _ => Ok(end),
        }
    }

    /// Behind a colon: a path, as in `user@host:path` and in prompts.
    fn is_copied(&self, at: usize) -> Result<bool, Miss> {
        Ok(match self.at(at)? {
            None | Some(b'\r' | b'\n' | b'\t' | b'"' | b'\'' | b'<' | b',') => false,
            Some(b' ') => matches!(self.at(at + 1)?, Some(b'~' | b'/')),
            Some(_) => true,
        })
    }

    /// Behind a blank: `[user@host folder]$`, or a folder of the user's own.
    fn is_in_brackets(&self, at: usize) -> Result<bool, Miss> {
        if self.at(at)? == Some(b'~') {
            return Ok(true);
        }
        if self.before != Some(b'[') {
            return Ok(false);
        }
        for at in at..at + LONGEST_NAME {
            match self.at(at)? {
                Some(b']') => {
                    return Ok(matches!(self.at(at + 1)?, Some(b'#' | b'$' | b'%' | b'>')));
                }
                None | Some(b'\r' | b'\n') => break,
                Some(_) => {}
            }
        }
        Ok(false)
    }

    /// Behind the sign of a prompt that begins its line.
    fn is_prompt(&self, at: usize) -> Result<bool, Miss> {
        let is_first = matches!(self.before, None | Some(b'\r' | b'\n'));
        Ok(is_first && matches!(self.at(at)?, None | Some(b' ')))
    }
}

/// Two labels at least; the one before the last has two characters.
fn is_domain(domain: &[u8]) -> bool {
    let mut labels = domain.rsplit(|byte| *byte == b'.');
    let is_label = |label: &[u8]| (1..=63).contains(&label.len()) && !label.starts_with(b"-") && !label.ends_with(b"-");
    let (top, second) = (labels.next().unwrap_or_default(), labels.next().unwrap_or_default());
    top.len() >= 2 && second.len() >= 2 && is_label(top) && is_label(second) && labels.all(is_label)
}

/// Whether a text may begin with a domain of two labels; it may end anywhere.
pub(in crate::mask) fn may_be_domain(text: &[u8]) -> bool {
    let label = text.iter().take_while(|byte| **byte != b'.' && DOMAIN.has(**byte)).count();
    text.get(label).is_none_or(|end| *end == b'.')
}

const NAME: Class = Class::WORD.or(Class::of(b".+-"));
const DOMAIN: Class = Class::ALNUM.or(Class::of(b".-"));

/// RFC 5321, 4.5.3.1.
const LONGEST_NAME: usize = 64;
const LONGEST_DOMAIN: usize = 255;
