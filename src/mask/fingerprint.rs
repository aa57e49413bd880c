//! By what the same leaked secret is recognised again: a keyed digest, for secrets only that nobody finds by trying.
//!
//! Whoever holds the key can try values. So numbers of people have none, and nothing of less than 64 bits has one. What is
//! gathered of a secret is wiped, and shown by no `Debug`.

use std::fmt;
use std::sync::Arc;

use zeroize::Zeroize as _;

use super::rule::Kind;

/// Makes fingerprints, with a key that it alone has.
#[derive(Clone)]
pub struct Fingerprinter(Arc<Keyed>);

/// A digest under a secret key.
type Keyed = dyn Fn(&[u8]) -> [u8; 32] + Send + Sync;

impl Fingerprinter {
    /// `keyed`: a digest under a secret key.
    pub fn new(keyed: impl Fn(&[u8]) -> [u8; 32] + Send + Sync + 'static) -> Self {
        Self(Arc::new(keyed))
    }
}

impl fmt::Debug for Fingerprinter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fingerprinter")
    }
}

/// A secret as far as it has passed.
#[derive(Clone, Default)]
pub(super) struct Passing {
    by: Option<Fingerprinter>,
    bytes: Vec<u8>,
    /// All of it was seen to pass, in one piece and in plain, and it may have a fingerprint at all.
    is_whole: bool,
    /// What passes now may be only its beginning.
    pub(super) is_quiet: bool,
}

impl Passing {
    pub(super) fn by(&mut self, by: Fingerprinter) {
        self.by = Some(by);
    }

    pub(super) fn again(&self) -> Self {
        Self { by: self.by.clone(), bytes: Vec::new(), is_whole: false, is_quiet: false }
    }

    pub(super) fn begin(&mut self, kind: Kind) {
        self.forget();
        self.is_whole = self.by.is_some() && kind != Kind::Personal;
    }

    pub(super) fn add(&mut self, byte: u8) {
        if !self.is_whole {
            return;
        }
        if self.bytes.len() == LONGEST {
            return self.forget();
        }
        if self.bytes.capacity() == self.bytes.len() {
            // Never moved to another place with the old one left as it is.
            let mut larger = Vec::with_capacity((2 * self.bytes.len()).clamp(64, LONGEST));
            larger.extend_from_slice(&self.bytes);
            self.bytes.zeroize();
            self.bytes = larger;
        }
        self.bytes.push(byte);
    }

    /// Part of it passed unseen, or in another form.
    pub(super) fn forget(&mut self) {
        self.bytes.zeroize();
        self.is_whole = false;
    }

    /// The secret ended.
    pub(super) fn end(&mut self) -> Option<[u8; 32]> {
        let is_known = self.is_whole && !self.is_quiet && possible_bits(&self.bytes) >= LEAST_BITS;
        let print = self.by.as_ref().filter(|_| is_known).map(|Fingerprinter(keyed)| keyed(&self.bytes));
        self.forget();
        print
    }
}

impl Drop for Passing {
    fn drop(&mut self) {
        self.bytes.zeroize();
    }
}

impl fmt::Debug for Passing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passing")
    }
}

/// At most so many bits: by what its characters could be, and by how they are spread.
fn possible_bits(value: &[u8]) -> f64 {
    let has = |is_in: fn(&u8) -> bool| value.iter().any(is_in);
    let is_hex = value.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        || value.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'A'..=b'F'));
    let sets: [(bool, f64); 4] = [
        (has(u8::is_ascii_digit), 10.0),
        (has(u8::is_ascii_lowercase), 26.0),
        (has(u8::is_ascii_uppercase), 26.0),
        (!value.iter().all(u8::is_ascii_alphanumeric), 33.0),
    ];
    let all: f64 = sets.iter().filter(|(is_there, _)| *is_there).map(|(_, size)| size).sum();
    let size = if value.iter().all(u8::is_ascii_digit) {
        10.0
    } else if is_hex {
        16.0
    } else {
        all
    };
    let length = u32::try_from(value.len()).map_or(0.0, f64::from);
    (length * f64::log2(size)).min(length * super::check::entropy(value))
}

const LEAST_BITS: f64 = 64.0;

/// A key of RSA with 8192 bits and its lines.
const LONGEST: usize = 8 * 1024;

#[cfg(test)]
mod tests {
    use super::super::rule::Rules;
    use super::super::{Masker, Width};
    use super::*;

    /// What has a fingerprint in a text that comes in these pieces. It is the value backwards: a test may see it.
    fn printed(pieces: &[&str]) -> Vec<String> {
        let mut masker = Masker::new(Rules::standard(), Width::Same);
        masker.print_by(Fingerprinter::new(|value| {
            let mut print = [b'.'; 32];
            print.iter_mut().zip(value.iter().rev()).for_each(|(print, byte)| *print = *byte);
            print
        }));
        let mut hits: Vec<_> = pieces.iter().flat_map(|piece| masker.feed(piece.as_bytes()).prints).collect();
        hits.extend(masker.finish().prints);
        hits.iter().map(|(_, print)| String::from_utf8_lossy(print).into_owned()).collect()
    }

    #[test]
    fn a_long_secret_has_one_whatever_the_pieces_and_colours() {
        let token = concat!("gh", "p_", "zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ", "0mLq17");
        let whole = printed(&[&format!("a {token} b\n")]);
        assert_eq!(whole, [token.chars().rev().take(32).collect::<String>()]);
        let (first, rest) = token.split_at(11);
        assert_eq!(printed(&["a ", first, rest, " b\n"]), whole);
        assert_eq!(printed(&[&format!("a {first}\x1b[1m{rest} b\n")]), whole);
    }

    #[test]
    fn what_can_be_found_by_trying_has_none() {
        let card = concat!("4111", "1111", "1111", "1111");
        let texts =
            [format!("card {card}\n"), "PGPASSWORD=hunter2 psql\n".into(), "password=aaaaaaaaaaaaaab1\n".into()];
        texts.iter().for_each(|text| assert_eq!(printed(&[text]), [""; 0], "{text}"));
        assert_eq!(printed(&["to DE89370400440532013000\n"]), [""; 0]);
    }

    #[test]
    fn a_number_of_ten_digits_has_fewer_bits_than_as_many_letters() {
        assert!(possible_bits(b"0123456789") < 34.0 && possible_bits(b"0f1e2d3c4b5a") < 64.0);
        assert!(possible_bits(b"Q7mZ2xL9vB4nT8kR") >= 64.0);
    }
}
