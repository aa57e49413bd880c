//! Names of requests, made to be read aloud and typed: eight characters, the last of which checks the others. Pure.

use std::fmt;

/// Crockford's base32: no letter that could be taken for a digit.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// Names one request.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id([u8; 8]);

/// A polynomial over GF(32), taken at a generator: a wrong character changes it, and so do two that changed places.
fn sum(values: impl IntoIterator<Item = u8>) -> u8 {
    values.into_iter().fold(0, |sum, value| {
        let doubled = sum << 1;
        (if doubled & 32 == 0 { doubled } else { doubled ^ 0b10_0101 }) ^ value
    })
}

impl Id {
    /// From 35 random bits.
    pub fn from_random(random: u64) -> Self {
        let mut values = [0; 8];
        for (at, value) in values.iter_mut().take(7).enumerate() {
            *value = (random >> (at * 5)) as u8 & 31;
        }
        // With nothing in its place, the last character is what is left over.
        let rest = sum(values);
        if let Some(last) = values.last_mut() {
            *last = rest;
        }
        Self(values)
    }

    /// Reads one as people type it: in either case, with O for 0 and I or L for 1.
    pub fn parse(text: &str) -> Option<Self> {
        let mut values = [0; 8];
        if text.len() != values.len() {
            return None;
        }
        for (value, byte) in values.iter_mut().zip(text.bytes()) {
            let meant = match byte.to_ascii_uppercase() {
                b'O' => b'0',
                b'I' | b'L' => b'1',
                other => other,
            };
            *value = u8::try_from(ALPHABET.iter().position(|known| *known == meant)?).ok()?;
        }
        (sum(values) == 0).then_some(Self(values))
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.0.iter().filter_map(|value| ALPHABET.get(usize::from(*value)));
        f.write_str(&shown.map(|byte| char::from(*byte)).collect::<String>())
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_names_no_other_request() {
        let id = Id::from_random(0x7_1234_5678).to_string();
        assert_eq!(Id::parse(&id).unwrap().to_string(), id);
        assert_eq!(Id::parse(&id.to_lowercase()), Id::parse(&id));
        for at in 0..8 {
            for other in ALPHABET.iter().filter(|other| **other != id.as_bytes()[at]) {
                let mut typed = id.clone().into_bytes();
                typed[at] = *other;
                assert_eq!(Id::parse(std::str::from_utf8(&typed).unwrap()), None);
            }
        }
        for at in 0..7 {
            let mut typed = id.clone().into_bytes();
            typed.swap(at, at + 1);
            let typed = String::from_utf8(typed).unwrap();
            assert!(typed == id || Id::parse(&typed).is_none(), "{typed}");
        }
        for text in ["", "7F3KQ2M", "7F3KQ2MXX", "7F3KQ2-X"] {
            assert_eq!(Id::parse(text), None);
        }
    }
}
