//! What a candidate must pass before it is hidden: check digits, structure, and whether it looks chosen at random.
//!
//! A check only ever keeps ordinary text readable; where a format is not certain there is none.

/// Which check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// The shape is enough.
    None,
    /// A card's issuer digit and check digit.
    Luhn,
    /// ISO 7064 mod 97-10 of an IBAN.
    Mod97,
    /// An area, group and serial number that the US authority gives out.
    Ssn,
    /// The header of a JSON web token: base64 of an object.
    JwtHeader,
    /// No variable, template or word that stands for a value.
    NotPlaceholder,
    /// That, and letters with digits or signs among them.
    Mixed,
    /// That, and at least so many tenths of a bit of entropy a byte.
    Entropy(u32),
}

impl Check {
    pub(super) fn passes(self, value: &[u8]) -> bool {
        match self {
            Self::None => true,
            Self::Luhn => luhn(value),
            Self::Mod97 => mod97(value),
            Self::Ssn => ssn(value),
            Self::JwtHeader => jwt_header(value),
            Self::NotPlaceholder => !is_placeholder(value),
            Self::Mixed => !is_placeholder(value) && is_mixed(value),
            Self::Entropy(tenths) => {
                !is_placeholder(value) && is_mixed(value) && entropy(value) * 10.0 >= f64::from(tenths)
            }
        }
    }
}

fn luhn(value: &[u8]) -> bool {
    let digits = value.iter().rev().filter(|byte| byte.is_ascii_digit()).map(|byte| u32::from(byte - b'0'));
    let sum: u32 = digits
        .enumerate()
        .map(|(place, digit)| match place % 2 {
            0 => digit,
            _ if digit > 4 => 2 * digit - 9,
            _ => 2 * digit,
        })
        .sum();
    // Issuers: 2 to 6. Numbers of one digit repeated pass the sum now and then and are none.
    matches!(value.first(), Some(b'2'..=b'6'))
        && sum.is_multiple_of(10)
        && value.iter().filter(|byte| byte.is_ascii_digit()).any(|byte| Some(byte) != value.first())
}

fn mod97(value: &[u8]) -> bool {
    let plain = || value.iter().copied().filter(u8::is_ascii_alphanumeric);
    let rest = plain().skip(4).chain(plain().take(4)).fold(0_u32, |rest, byte| match byte {
        b'0'..=b'9' => (rest * 10 + u32::from(byte - b'0')) % 97,
        _ => (rest * 100 + u32::from(byte.to_ascii_uppercase().saturating_sub(b'A')) + 10) % 97,
    });
    rest == 1
}

fn ssn(value: &[u8]) -> bool {
    let starts = |text: &[u8]| value.starts_with(text);
    !(starts(b"000") || starts(b"666") || starts(b"9") || value.ends_with(b"0000"))
        && value.get(4..6).is_some_and(|group| group != b"00")
}

/// An object that names its algorithm, in whatever order.
fn jwt_header(value: &[u8]) -> bool {
    use base64::Engine as _;
    let header = value.split(|byte| *byte == b'.').next().unwrap_or_default();
    let decoded = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(header).unwrap_or_default();
    decoded.starts_with(b"{") && decoded.ends_with(b"}") && decoded.windows(5).any(|part| part == b"\"alg\"")
}

fn is_placeholder(value: &[u8]) -> bool {
    let Some(first) = value.first() else { return true };
    let bare = value.iter().rposition(|byte| !b")]}>".contains(byte)).map_or(0, |last| last + 1);
    let lower = value.get(..bare).unwrap_or(value).to_ascii_lowercase();
    b"$%<{*".contains(first)
        || value.iter().all(|byte| byte == first)
        || ["your", "self.", "os.environ", "process.env", "args."].iter().any(|word| lower.starts_with(word.as_bytes()))
        || WORDS.iter().any(|word| lower == word.as_bytes())
}

const WORDS: &[&str] = &[
    "null",
    "password",
    "passwd",
    "none",
    "undefined",
    "true",
    "false",
    "required",
    "optional",
    "string",
    "redacted",
    "masked",
    "hidden",
    "placeholder",
    "prompt",
    "empty",
    "default",
    "unset",
];

fn is_mixed(value: &[u8]) -> bool {
    let letters = value.iter().any(u8::is_ascii_alphabetic);
    letters && value.iter().any(|byte| byte.is_ascii_digit() || b"!@#$%^*+=?~".contains(byte))
}

/// Bits a byte.
fn entropy(value: &[u8]) -> f64 {
    let mut counts = [0_u32; 256];
    for byte in value {
        if let Some(count) = counts.get_mut(usize::from(*byte)) {
            *count += 1;
        }
    }
    let all = u32::try_from(value.len()).map_or(f64::MAX, f64::from);
    let shares = counts.iter().filter(|count| **count > 0).map(|count| f64::from(*count) / all);
    shares.map(|share| -share * share.log2()).sum()
}
