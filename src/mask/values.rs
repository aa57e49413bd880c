//! The exact values of an environment, each in the forms in which programs print it.
//!
//! They live in memory only, are wiped when they are dropped, and no report or `Debug` shows one.

use std::fmt;
use std::sync::Arc;

use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use zeroize::Zeroizing;

use super::check::Check;
use super::rule::{Before, Form, Kind, Rule, Shown, Start, Ways};

/// One value in all its forms, the longest first.
#[derive(Clone, PartialEq, Eq)]
pub struct Forms(Arc<[Zeroizing<String>]>);

impl Forms {
    pub(super) fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|form| form.as_str())
    }

    fn of(value: &str) -> Self {
        let bytes = value.as_bytes();
        let mut forms: Vec<Zeroizing<String>> = vec![value.to_owned().into()];
        forms.extend([hex(bytes, b"0123456789abcdef"), hex(bytes, b"0123456789ABCDEF")]);
        forms.extend([percent(bytes, b"0123456789abcdef"), percent(bytes, b"0123456789ABCDEF")]);
        forms.push(escaped(value));
        for before in 0..3 {
            forms.extend([encoded(before, bytes, &STANDARD_NO_PAD), encoded(before, bytes, &URL_SAFE_NO_PAD)]);
        }
        forms.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        forms.dedup();
        Self(forms.into())
    }
}

impl fmt::Debug for Forms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Forms(..)")
    }
}

/// A rule for each line `NAME=VALUE`. The error is the line and what is wrong with it, without the value.
pub fn parse(text: &str) -> Result<Vec<Rule>, Vec<(usize, String)>> {
    let (mut rules, mut faults) = (Vec::new(), Vec::new());
    for (line, written) in (1..).zip(text.lines()) {
        if written.trim().is_empty() || written.starts_with('#') {
            continue;
        }
        match value(written) {
            Ok(rule) if rules.len() < MOST => rules.push(rule),
            Ok(_) => {
                faults.push((line, format!("is one value more than {MOST}")));
                break;
            }
            Err(what) => faults.push((line, what.to_owned())),
        }
    }
    if faults.is_empty() { Ok(rules) } else { Err(faults) }
}

fn value(line: &str) -> Result<Rule, &'static str> {
    let (name, value) = line.split_once('=').ok_or("is no NAME=VALUE")?;
    let name = name.strip_prefix("export ").unwrap_or(name).trim();
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    if !(1..=56).contains(&name.len()) || !name.bytes().all(fits) {
        return Err("has a name that is none: 1 to 56 letters, digits and underscores");
    }
    let unquoted = ['"', '\''].iter().find_map(|quote| value.strip_prefix(*quote)?.strip_suffix(*quote));
    let value = unquoted.unwrap_or(value);
    if value.len() < SHORTEST {
        return Err("has a value of fewer than 8 bytes: it would be found where it is not meant");
    }
    if value.len() > LONGEST {
        return Err("has a value of more than 1024 bytes");
    }
    Ok(Rule {
        id: format!("value-{}", name.to_ascii_lowercase().replace('_', "-")).into(),
        kind: Kind::Setting,
        default: true,
        start: Start::Value(Forms::of(value)),
        before: Before::Anything,
        not_behind: Vec::new(),
        forms: Ways::new(vec![Form::new(Vec::new(), Check::None)]),
        check: Check::None,
        shown: Shown::Mask,
        hide: Vec::new(),
        keep: Vec::new(),
    })
}

fn digit(digits: &[u8; 16], value: u8) -> char {
    digits.get(usize::from(value & 15)).copied().map_or('0', char::from)
}

fn hex(bytes: &[u8], digits: &[u8; 16]) -> Zeroizing<String> {
    let mut out = Zeroizing::new(String::with_capacity(2 * bytes.len()));
    for byte in bytes {
        out.extend([digit(digits, byte >> 4), digit(digits, *byte)]);
    }
    out
}

/// As in a URL.
fn percent(bytes: &[u8], digits: &[u8; 16]) -> Zeroizing<String> {
    let mut out = Zeroizing::new(String::with_capacity(3 * bytes.len()));
    for byte in bytes {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(byte) {
            out.push(char::from(*byte));
        } else {
            out.extend(['%', digit(digits, byte >> 4), digit(digits, *byte)]);
        }
    }
    out
}

/// As in a text of JSON.
fn escaped(value: &str) -> Zeroizing<String> {
    let mut out = Zeroizing::new(String::with_capacity(2 * value.len()));
    for sign in value.chars() {
        match sign {
            '"' | '\\' => out.extend(['\\', sign]),
            '\t' => out.push_str("\\t"),
            sign => out.push(sign),
        }
    }
    out
}

/// Of base64 what does not depend on the bytes around, so many of which stand before it in its group of three.
fn encoded(before: usize, bytes: &[u8], engine: &impl base64::Engine) -> Zeroizing<String> {
    let mut padded = Zeroizing::new(Vec::with_capacity(before + bytes.len()));
    padded.resize(before, 0);
    padded.extend_from_slice(bytes);
    let whole = Zeroizing::new(engine.encode(&*padded));
    // Six bits a character: those that hold bits of a neighbour are left out.
    let (first, last) = ((before * 8).div_ceil(6), padded.len() * 8 / 6);
    whole.get(first..last).unwrap_or_default().to_owned().into()
}

const MOST: usize = 1000;

const SHORTEST: usize = 8;

const LONGEST: usize = 1024;

#[cfg(test)]
mod tests {
    use base64::Engine as _;

    use super::*;
    use crate::mask::rule::Rules;
    use crate::mask::{Width, whole};

    fn masked(values: &str, text: &str) -> String {
        let rules = Arc::new(Rules::new(parse(values).unwrap()));
        String::from_utf8(whole(&rules, Width::Same, text.as_bytes())).unwrap()
    }

    #[test]
    fn a_value_is_hidden_in_every_form() {
        let values = "# of production\nDB_PW=tr\"0 b/4dor\n";
        for text in [
            "tr\"0 b/4dor",
            "tr\\\"0 b/4dor",
            "tr%220%20b%2F4dor",
            "tr%220%20b%2f4dor",
            "7472223020622f34646f72",
            "7472223020622F34646F72",
        ] {
            assert_eq!(masked(values, &format!("x{text}y")), format!("x{}y", "*".repeat(text.len())), "{text}");
        }
        for before in ["", "a", "ab", "abc"] {
            let text = STANDARD_NO_PAD.encode(format!("{before}tr\"0 b/4dor:x"));
            let out = masked(values, &text);
            // A character at each end holds bits of a neighbour too.
            assert!(out.matches('*').count() >= 13 && out.len() == text.len(), "{text} {out}");
        }
        assert_eq!(masked(values, "tr\"0 b/4do"), "tr\"0 b/4do");
    }

    #[test]
    fn its_rule_names_it_and_shows_it_nowhere() {
        let rules = parse("export DB_PW='correct horse'\n").unwrap();
        assert_eq!(&*rules[0].id, "value-db-pw");
        assert!(!format!("{rules:?}").contains("correct"));
        assert_eq!(masked("A=correct horse", "correct horse\n"), "*************\n");
    }

    #[test]
    fn what_is_no_value_is_a_fault_of_its_line_and_not_repeated() {
        let faults = parse("A=short\nnothing\nB C=12345678\n").unwrap_err();
        assert_eq!(faults.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [1, 2, 3]);
        assert!(!format!("{faults:?}").contains("short\""));
    }
}
