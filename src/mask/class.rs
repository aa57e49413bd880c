//! Sets of bytes, and how rules write them.

use super::lanes::Bits;

/// A set of bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Class([u64; 4]);

impl Class {
    /// `0-9`
    pub(super) const DIGIT: Self = Self::range(b'0', b'9');
    /// `A-Z`
    pub(super) const UPPER: Self = Self::range(b'A', b'Z');
    /// `a-z`
    pub(super) const LOWER: Self = Self::range(b'a', b'z');
    /// `A-Z0-9`
    pub(super) const UPPER_DIGIT: Self = Self::UPPER.or(Self::DIGIT);
    /// `a-z0-9`
    pub(super) const LOWER_DIGIT: Self = Self::LOWER.or(Self::DIGIT);
    /// Letters and digits.
    pub(super) const ALNUM: Self = Self::UPPER_DIGIT.or(Self::LOWER);
    /// Hexadecimal digits.
    pub(super) const HEX: Self = Self::DIGIT.or(Self::range(b'a', b'f')).or(Self::range(b'A', b'F'));
    /// Letters, digits, `_`.
    pub(super) const WORD: Self = Self::ALNUM.or(Self::of(b"_"));
    /// Base64 as RFC 4648 §4 has it.
    pub(super) const PLAIN_BASE64: Self = Self::ALNUM.or(Self::of(b"+/="));
    /// Any form of base64, and what many tokens are made of.
    pub(super) const BASE64: Self = Self::WORD.or(Self::of(b"+/-"));
    /// That, and dots.
    pub(super) const DOTTED: Self = Self::BASE64.or(Self::of(b"."));
    /// What may follow each other in a token.
    pub(super) const TOKEN: Self = Self::DOTTED.or(Self::of(b"=:"));
    /// What telephone numbers consist of.
    pub(super) const PHONE: Self = Self::DIGIT.or(Self::of(b" -.()"));
    /// What a private key may consist of, with the marks of quotes, listings and diffs that may stand before its lines, and of
    /// escapes.
    pub(super) const KEY: Self = Self::ALNUM.or(Self::of(b"+/=\r\n \t\\:,-\"'>|#*.<_%"));
    /// What the header of a table consists of, but for blanks.
    pub(super) const TITLES: Self = Self::WORD.or(Self::of(b"-.()/#%\"'|,;")).or(Self::range(0x80, 0xff));
    /// Space and tab.
    pub(super) const BLANK: Self = Self::of(b" \t");
    /// Whatever is no line's end.
    pub(super) const LINE: Self = Self::of(b"\r\n").not();

    /// What may stand in quotes of a kind, or without blanks in those of any kind: a quote behind a backslash too, and
    /// two single ones.
    pub(super) const IN_DOUBLE: Self = Self::range(0, 0x1f).or(Self::of(b"\"")).not();
    pub(super) const IN_SINGLE: Self = Self::range(0, 0x1f).or(Self::of(b"'")).not();
    pub(super) const IN_QUOTES: Self = Self::range(0, b' ').or(Self::of(b"\x7f\"'`")).not();

    /// What a name between `[:` and `:]` stands for.
    pub(super) const NAMED: &'static [(&'static str, Self)] = &[
        ("alnum", Self::ALNUM),
        ("blank", Self::BLANK),
        ("word", Self::WORD),
        ("hex", Self::DIGIT.or(Self::range(b'a', b'f'))),
        // What tokens are made of.
        ("token", Self::WORD.or(Self::of(b"-"))),
        ("dotted", Self::WORD.or(Self::of(b"-."))),
        ("base64", Self::PLAIN_BASE64),
        // Any form of base64, percent signs and dots: what a header carries.
        ("header", Self::ALNUM.or(Self::of(b"+/=_-.~%"))),
        // What a password hash of crypt(3) or PHC consists of.
        ("crypt", Self::ALNUM.or(Self::of(b"./$=,+"))),
        // A value without quotes.
        ("value", Self::range(0, b' ').or(Self::of(b"\x7f\"'`,;&")).not()),
        ("in-double", Self::IN_DOUBLE),
        ("in-single", Self::IN_SINGLE),
        // A value without quotes among source text.
        ("bare", Self::WORD.or(Self::of(b"+/=@!#$%^*~.?-"))),
        // A value in quotes of any kind.
        ("in-quotes", Self::IN_QUOTES),
        ("url-password", Self::range(0, b' ').or(Self::of(b"\x7f/@\"'<>`")).not()),
        ("user", Self::range(0, b' ').or(Self::of(b"\x7f:/@?#\"'<>`")).not()),
    ];

    /// Every byte.
    pub(super) const ALL: Self = Self::of(b"").not();

    pub(super) const fn of(bytes: &[u8]) -> Self {
        let mut class = Self([0; 4]);
        let mut rest = bytes;
        while let [byte, after @ ..] = rest {
            class = class.or(Self::range(*byte, *byte));
            rest = after;
        }
        class
    }

    pub(super) const fn range(first: u8, last: u8) -> Self {
        let mut words = [0_u64; 4];
        let [a, b, c, d] = &mut words;
        let mut byte = first;
        loop {
            let bit = 1_u64 << (byte & 63);
            match byte >> 6 {
                0 => *a |= bit,
                1 => *b |= bit,
                2 => *c |= bit,
                _ => *d |= bit,
            }
            if byte >= last {
                return Self(words);
            }
            byte += 1;
        }
    }

    pub(super) const fn or(self, other: Self) -> Self {
        let ([a, b, c, d], [e, f, g, h]) = (self.0, other.0);
        Self([a | e, b | f, c | g, d | h])
    }

    pub(super) const fn not(self) -> Self {
        let [a, b, c, d] = self.0;
        Self([!a, !b, !c, !d])
    }

    /// With its small letters in upper case too.
    pub(super) fn any_case(self) -> Self {
        let ([a, b, c, d], [_, small, ..]) = (self.0, Self::LOWER.0);
        // Of 64 bytes the small letters stand 32 places behind the others.
        Self([a, b | (b & small) >> 32, c, d])
    }

    /// The same of text that is folded: letters in lower case, and some signs fall together.
    pub(super) fn folded(self) -> Self {
        Self::of(&self.bytes().map(|byte| byte | 0x20).collect::<Vec<u8>>())
    }

    /// Its bytes, in order.
    pub(super) fn bytes(self) -> impl Iterator<Item = u8> + Clone {
        (0..=u8::MAX).step_by(64).zip(self.0).flat_map(|(from, row)| Bits(row).map(move |bit| from + bit as u8))
    }

    /// Whether another has all of its bytes.
    pub(super) fn is_within(self, other: Self) -> bool {
        self.0.iter().zip(other.0).all(|(row, other)| row & !other == 0)
    }

    pub(super) fn has(self, byte: u8) -> bool {
        self.0.get(usize::from(byte >> 6)).is_some_and(|word| word >> (byte & 63) & 1 == 1)
    }
}
