//! What a candidate must pass before it is hidden: check digits, structure, and whether it looks chosen at random.
//!
//! A check only ever keeps ordinary text readable; where a format is not certain there is none.

mod code;
mod mail;
mod number;

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
    /// No variable, template, call or word that stands for a value.
    NotPlaceholder,
    /// That, and letters with digits or signs among them.
    Mixed,
    /// That, of three kinds of characters among small and capital letters, digits and signs, and no name.
    Strong,
    /// That, or letters with digits of some length that look chosen at random.
    Random,
    /// Base64 of a name, a colon and a password (RFC 7617).
    Basic,
    /// As `Mixed`, and at least so many tenths of a bit of entropy a byte.
    Entropy(u32),
    /// A token of GitHub: its checksum holds, or it looks chosen at random, since a service may change its checksum.
    GitHub,
    /// A number of the international telephone system, with a plus sign.
    Phone,
    /// A telephone number of North America, without a country code.
    PhoneUs,
    /// Check digits of a Brazilian taxpayer.
    Cpf,
    /// Check digit of a patient of the British health service.
    Nhs,
    /// Check letter of a Spanish taxpayer or foreigner.
    Nif,
    /// Check digit of a Polish citizen.
    Pesel,
    /// Check digit of an Indian resident.
    Aadhaar,
    /// Four numbers up to 255.
    Ipv4,
    /// An address of a person.
    Mail,
}

impl Check {
    /// What rules call them.
    pub(super) const NAMED: &'static [(&'static str, Self)] = &[
        ("none", Self::None),
        ("not-placeholder", Self::NotPlaceholder),
        ("mixed", Self::Mixed),
        ("strong", Self::Strong),
        ("random", Self::Random),
        ("basic", Self::Basic),
        ("jwt", Self::JwtHeader),
        ("github", Self::GitHub),
        ("luhn", Self::Luhn),
        ("mod97", Self::Mod97),
        ("ssn", Self::Ssn),
        ("phone", Self::Phone),
        ("phone-us", Self::PhoneUs),
        ("cpf", Self::Cpf),
        ("nhs", Self::Nhs),
        ("nif", Self::Nif),
        ("pesel", Self::Pesel),
        ("aadhaar", Self::Aadhaar),
        ("ipv4", Self::Ipv4),
        ("mail", Self::Mail),
    ];

    /// The digits of the shortest telephone number: a country's code of two digits and eight more, or of three and seven.
    pub(super) const LEAST_OF_PHONE: usize = 10;

    /// As rules write it: one of those, or `entropy:BITS`, so many bits a byte.
    pub(super) fn named(word: &str) -> Option<Self> {
        match word.strip_prefix("entropy:") {
            Some(bits) => {
                let bits = bits.parse().ok().filter(|bits: &f64| (0.0..=8.0).contains(bits))?;
                Some(Self::Entropy((bits * 10.0).round() as u32))
            }
            None => Self::NAMED.iter().find(|(name, _)| *name == word).map(|(_, check)| *check),
        }
    }

    /// `next` is the byte behind the value, if anything is known of it.
    pub(super) fn passes(self, value: &[u8], next: Option<u8>) -> bool {
        let stands_for_one = || is_placeholder(value) || code::is_code(value, next);
        match self {
            Self::None => !is_filler(value),
            Self::Luhn => luhn(value),
            Self::Mod97 => mod97(value),
            Self::Ssn => ssn(value),
            Self::JwtHeader => jwt_header(value),
            Self::NotPlaceholder => !stands_for_one(),
            Self::Mixed => is_mixed(value) && !stands_for_one(),
            Self::Strong => is_strong(value) && !stands_for_one() && !code::is_name(value),
            Self::Random => is_random(value) && !stands_for_one() && !code::is_name(value),
            Self::Basic => is_basic(value),
            Self::Entropy(tenths) => is_mixed(value) && entropy(value) * 10.0 >= f64::from(tenths) && !stands_for_one(),
            Self::GitHub => has_github_checksum(value) || Self::Entropy(30).passes(value, next),
            Self::Phone => number::phone(value),
            Self::PhoneUs => number::phone_us(value),
            Self::Cpf => number::cpf(value),
            Self::Nhs => number::nhs(value),
            Self::Nif => number::nif(value),
            Self::Pesel => number::pesel(value),
            Self::Aadhaar => number::aadhaar(value),
            Self::Ipv4 => number::ipv4(value),
            Self::Mail => mail::mail(value),
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
    // What issuers give out. Numbers of one digit repeated pass the sum now and then and are none.
    let count = value.iter().filter(|byte| byte.is_ascii_digit()).count();
    let is_issued = match value {
        [b'4', ..] => count == 16 || count == 19,
        [b'3', b'4' | b'7', ..] => count == 15,
        [b'3', b'0' | b'6' | b'8' | b'9', ..] => count == 14 || count == 16,
        [b'3', b'5', ..] | [b'2', b'2'..=b'7', ..] | [b'5', b'1'..=b'5', ..] => count == 16,
        [b'5', b'0' | b'6'..=b'8', ..] | [b'6', ..] => count >= 16,
        _ => false,
    };
    // In one piece, numbers of 64 bits are far more frequent than cards as long; these are issued so.
    let is_long = || {
        value.len() != count
            || value.starts_with(b"62")
            || value.first_chunk::<4>().is_some_and(|first| MAESTRO.contains(&first))
    };
    is_issued
        && (count <= 16 || is_long())
        && sum.is_multiple_of(10)
        && value.iter().filter(|byte| byte.is_ascii_digit()).any(|byte| Some(byte) != value.first())
}

/// Of cards of up to 19 digits (ISO/IEC 7812-1 has their issuers).
const MAESTRO: [&[u8; 4]; 9] = [b"5018", b"5020", b"5038", b"5893", b"6304", b"6759", b"6761", b"6762", b"6763"];

fn mod97(value: &[u8]) -> bool {
    let plain = || value.iter().copied().filter(u8::is_ascii_alphanumeric);
    let rest = plain().skip(4).chain(plain().take(4)).fold(0_u32, |rest, byte| match byte {
        b'0'..=b'9' => (rest * 10 + u32::from(byte - b'0')) % 97,
        _ => (rest * 100 + u32::from(byte.to_ascii_uppercase().saturating_sub(b'A')) + 10) % 97,
    });
    // Hexadecimal digits throughout are an identifier that has the sum by chance. The sum makes the check digits 02 to 98.
    let is_identifier =
        || plain().all(|byte| byte.is_ascii_hexdigit()) && plain().skip(2).any(|byte| byte.is_ascii_alphabetic());
    rest == 1 && !is_identifier() && value.get(2..4).is_some_and(|digits| (b"02".as_slice()..=b"98").contains(&digits))
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

/// Behind the prefix 30 characters, then their CRC-32 in base 62, six digits of it.
fn has_github_checksum(token: &[u8]) -> bool {
    let Some((body, sum)) = token.get(4..).and_then(|rest| rest.split_at_checked(30)) else {
        return false;
    };
    let crc = body.iter().fold(!0_u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 & 0_u32.wrapping_sub(crc & 1)))
    });
    let digits = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let value = |byte: &u8| digits.iter().position(|digit| digit == byte).and_then(|value| u64::try_from(value).ok());
    sum.len() == 6 && sum.iter().try_fold(0_u64, |sum, byte| Some(sum * 62 + value(byte)?)) == Some(u64::from(!crc))
}

fn is_placeholder(value: &[u8]) -> bool {
    let Some(first) = value.first() else {
        return true;
    };
    let bare = value.iter().rposition(|byte| !b")]}>:".contains(byte)).map_or(0, |last| last + 1);
    let lower = value.get(..bare).unwrap_or(value).to_ascii_lowercase();
    // A tag of YAML, such as `!vault`.
    let is_tag = *first == b'!' && lower.iter().skip(1).all(|byte| byte.is_ascii_lowercase());
    // Of a file that is filled in: `@DB_PASSWORD@`.
    let is_blank =
        || value.strip_prefix(b"@").is_some_and(|name| name.ends_with(b"PASSWORD") || name.ends_with(b"PASSWORD@"));
    is_tag
        || is_blank()
        || b"$%<{*".contains(first)
        || is_filler(value)
        || value.iter().all(|byte| byte == first)
        || ["your", "self.", "&lt;", "os.environ", "process.env", "args.", "arn:aws"]
            .iter()
            .any(|word| lower.starts_with(word.as_bytes()))
        || WORDS.iter().any(|word| lower == word.as_bytes())
        || PUBLIC.iter().any(|begin| value.starts_with(begin))
}

/// How public keys begin, in base64: those of SSH (RFC 4253, 6.6), and of X.509 with RSA, the curves of NIST and Edwards'.
const PUBLIC: [&[u8]; 6] =
    [b"AAAAB3NzaC1", b"AAAAC3NzaC1", b"AAAAE2VjZHNh", b"MIIBIjANBgkq", b"MFkwEwYHKoZI", b"MCowBQYDK2Vw"];

/// Whether most of it is one character that documents write for what is left out.
fn is_filler(value: &[u8]) -> bool {
    let most = |filler: &u8| 2 * memchr::memchr_iter(*filler, value).count() > value.len();
    value.len() >= 8 && b"xX*.#01".iter().any(most)
}

const WORDS: &[&str] = &[
    "null",
    "password",
    "passwd",
    "pass",
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
    "always",
    "public",
];

fn is_mixed(value: &[u8]) -> bool {
    let letters = value.iter().any(u8::is_ascii_alphabetic);
    letters && value.iter().any(|byte| byte.is_ascii_digit() || b"!@#$%^*+=?~".contains(byte))
}

fn is_strong(value: &[u8]) -> bool {
    // `/run/secrets/db`, and not what is drawn and begins with a slash by chance.
    let is_folder = |path: &[u8]| {
        path.iter()
            .position(|byte| !byte.is_ascii_alphabetic())
            .is_some_and(|end| end > 1 && path.get(end) == Some(&b'/'))
    };
    let is_file = matches!(value, [b'~' | b'.', b'/', ..]) || value.strip_prefix(b"/").is_some_and(is_folder);
    // Of a type, such as `String?`.
    let value = value.strip_suffix(b"?").unwrap_or(value);
    let (name, set) = value.iter().position(|byte| *byte == b'=').map_or((value, &[][..]), |at| value.split_at(at));
    let is_argument = set.iter().any(|byte| *byte != b'=') && code::is_name(name);
    let kinds: [fn(&u8) -> bool; 4] =
        [u8::is_ascii_lowercase, u8::is_ascii_uppercase, u8::is_ascii_digit, |byte| b"!@#$%^*+?~".contains(byte)];
    !is_file && !is_argument && kinds.iter().filter(|kind| value.iter().any(**kind)).count() > 2
}

/// Strong, or a key in hexadecimal or a token in letters of one case; no regular expression.
fn is_random(value: &[u8]) -> bool {
    let joints = value.iter().filter(|byte| matches!(byte, b'_' | b'-')).count();
    let letters = value.iter().filter(|byte| byte.is_ascii_alphanumeric()).count();
    let is_plain = || letters >= 20 && joints <= 2 && letters + joints == value.len() && is_mixed(value);
    !value.contains(&b'\\') && (is_strong(value) || is_plain() && entropy(value) >= 3.0)
}

fn is_basic(value: &[u8]) -> bool {
    use base64::Engine as _;
    let bare = value.iter().rposition(|byte| *byte != b'=').map_or(0, |last| last + 1);
    let decoded = base64::engine::general_purpose::STANDARD_NO_PAD.decode(value.get(..bare).unwrap_or_default());
    decoded.is_ok_and(|text| {
        text.contains(&b':') && str::from_utf8(&text).is_ok_and(|text| !text.contains(char::is_control))
    })
}

/// Bits a byte.
pub(super) fn entropy(value: &[u8]) -> f64 {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn githubs_checksum_is_known() {
        // Published by its finders, revoked since.
        let token = concat!("gh", "p_", "zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ", "0mLq17");
        assert!(has_github_checksum(token.as_bytes()));
        assert!(!has_github_checksum(token.replace("0mLq17", "0mLq18").as_bytes()));
        assert!(!has_github_checksum(b"ghp_short"));
    }

    /// Of 4,000 values drawn of these characters, so many a hundred pass.
    fn share(check: Check, signs: &[u8], length: usize) -> usize {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut draw = || {
            // Xorshift, so that the values are the same each time.
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            signs[usize::try_from(state >> 33).unwrap() % signs.len()]
        };
        let passed = (0..4000).filter(|_| check.passes(&[(); 80].map(|()| draw())[..length], Some(b'\n'))).count();
        passed / 40
    }

    #[test]
    fn what_is_drawn_passes_but_for_few() {
        let small = b"abcdefghijklmnopqrstuvwxyz0123456789";
        let all = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
        let base64 = &[&all[..], b"+/"].concat();
        for (check, signs, of_20, of_40) in [
            (Check::NotPlaceholder, &all[..], 99, 99),
            (Check::Mixed, all, 97, 99),
            (Check::Strong, all, 94, 99),
            (Check::Strong, base64, 94, 98),
            (Check::Random, all, 94, 99),
            (Check::Random, small, 96, 99),
            (Check::Entropy(30), all, 97, 99),
            (Check::Entropy(30), small, 98, 99),
        ] {
            let shares = [20, 40].map(|length| share(check, signs, length));
            assert!(shares[0] >= of_20 && shares[1] >= of_40, "{check:?}: {shares:?} in a hundred");
        }
    }
}
