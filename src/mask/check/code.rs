//! Whether what stands where a value would is a piece of a program: a call, an index, or another variable.
//!
//! Where nothing but the name says that something is secret, source text has such names on every page: `token = next_token(2)`.
//! What was chosen at random changes between letters and digits at nearly every second character, names seldom do.

/// What a variable that holds a secret is called in the end.
const LAST_WORDS: [&[u8]; 8] =
    [b"token", b"secret", b"key", b"password", b"passwd", b"passphrase", b"credential", b"credentials"];

/// Behind a longer value it may not be known yet what comes, since rules take no more; that must not change the answer.
const LONGEST: usize = 63;

/// `next` is the byte behind the value, if anything is known of it.
pub(super) fn is_code(value: &[u8], next: Option<u8>) -> bool {
    if value.len() > LONGEST {
        return false;
    }
    // A macro's call.
    let name = value.strip_suffix(b"!").filter(|_| matches!(next, Some(b'(' | b'[')));
    let value = name.unwrap_or(value);
    let (path, rest) = value.split_at_checked(path(value)).unwrap_or((value, b""));
    let name = Name::of(path);
    match (rest, next) {
        ([b'(' | b'[', inside @ ..], next) => {
            // Cut at a quote or a comma, or with its end.
            let is_closed = inside.last().is_some_and(|last| b")]?".contains(last));
            (is_closed || next.is_some_and(|next| b"'\",".contains(&next))) && name.has_runs_of(4)
        }
        ([], Some(b'(' | b'[')) => name.has_runs_of(7),
        ([], Some(b':')) if path.contains(&b'.') => name.has_runs_of(7),
        ([], next) => {
            let is_argument = matches!(next, Some(b',' | b')')) && path.contains(&b'_');
            (path.contains(&b'.') || is_argument) && name.has_runs_of(5) && is_of_a_secret(path)
                || name.has_runs_of(6) && is_private_key(path)
        }
        _ => false,
    }
}

/// `TestFoo2`, `tests/a-b.sh`
pub(super) fn is_name(value: &[u8]) -> bool {
    let is_path = value.iter().all(|byte| byte.is_ascii_alphanumeric() || b"_.-/:".contains(byte));
    let is_hex = value.len() >= 20 && value.iter().all(u8::is_ascii_hexdigit);
    let name = Name::of(value);
    is_path && !is_hex && name.runs * 5 <= 2 * name.letters && reads_as_words(value)
}

/// Whether half of the letters that stand side by side do so often in words. Of 24 letters and digits that are drawn one text in a
/// hundred does, and one in four has runs as long as a name's.
fn reads_as_words(value: &[u8]) -> bool {
    let is_pair = |[first, second]: &[u8; 2]| {
        let is_inner = !(first.is_ascii_lowercase() && second.is_ascii_uppercase());
        is_inner && first.is_ascii_alphabetic() && second.is_ascii_alphabetic()
    };
    let is_frequent = |[first, second]: &[u8; 2]| {
        let seconds = PAIRS.get(usize::from(first.to_ascii_lowercase().wrapping_sub(b'a')));
        seconds.is_some_and(|seconds| seconds.contains(&second.to_ascii_lowercase()))
    };
    let pairs = || value.windows(2).filter_map(<[u8]>::first_chunk).filter(|pair| is_pair(pair));
    2 * pairs().filter(|pair| is_frequent(pair)).count() >= pairs().count()
}

/// By a letter, those that stand behind it often: the 180 most frequent pairs in the names of source text.
const PAIRS: [&[u8]; 26] = [
    b"abcdgilmnprstu",
    b"aeilou",
    b"acehiklortu",
    b"adeios",
    b"acdefglmnprstvx",
    b"aefilo",
    b"eir",
    b"aeio",
    b"abcdefglmnoprstvz",
    b"",
    b"e",
    b"adeilostuy",
    b"aeiop",
    b"acdefgiost",
    b"cdlmnoprstuw",
    b"aeiloprst",
    b"u",
    b"acdeimorstuy",
    b"acehiopstu",
    b"acehiorstuy",
    b"beilmnprst",
    b"aei",
    b"ai",
    b"",
    b"p",
    b"e",
];

/// How much of it is a name, of which `a.b`, `a::b` and `a!` are parts too.
fn path(value: &[u8]) -> usize {
    let is_part = |at: &usize| match (value.get(*at), value.get(at + 1)) {
        (Some(byte), _) if byte.is_ascii_alphanumeric() || b"_.".contains(byte) => true,
        (Some(b':'), Some(b':')) | (Some(b'!'), Some(b'(')) => true,
        (Some(b':'), _) => at.checked_sub(1).and_then(|before| value.get(before)) == Some(&b':'),
        _ => false,
    };
    (0..value.len()).find(|at| !is_part(at)).unwrap_or(value.len())
}

/// How a name reads.
struct Name {
    begins_as_one: bool,
    letters: usize,
    /// Of letters of a word, or of digits.
    runs: usize,
}

impl Name {
    fn of(path: &[u8]) -> Self {
        let begins_as_one = path.first().is_some_and(|first| first.is_ascii_alphabetic() || *first == b'_');
        let letters = path.iter().filter(|byte| byte.is_ascii_alphanumeric()).count();
        let befores = std::iter::once(&b'.').chain(path);
        let runs = befores.zip(path).filter(|(before, byte)| begins_a_run(**before, **byte)).count();
        Self { begins_as_one, letters, runs }
    }

    /// Whether its runs are so many halves of a character long in the mean, or all but one character.
    fn has_runs_of(&self, halves: usize) -> bool {
        self.begins_as_one && self.runs > 0 && self.runs * halves <= 2 * self.letters + 2
    }
}

fn begins_a_run(before: u8, byte: u8) -> bool {
    match byte {
        b'0'..=b'9' => !before.is_ascii_digit(),
        b'a'..=b'z' => !before.is_ascii_alphabetic(),
        b'A'..=b'Z' => !before.is_ascii_uppercase(),
        _ => false,
    }
}

fn is_of_a_secret(path: &[u8]) -> bool {
    LAST_WORDS.iter().any(|word| ends_with(path, word))
}

/// `testEd25519PrivateKey`
fn is_private_key(path: &[u8]) -> bool {
    ends_with(path, b"privatekey") || ends_with(path, b"private_key")
}

fn ends_with(path: &[u8], word: &[u8]) -> bool {
    path.len()
        .checked_sub(word.len())
        .and_then(|from| path.get(from..))
        .is_some_and(|end| end.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_indexes_and_other_variables_are_code() {
        for (value, next) in [
            ("dict(type=", b'\''),
            ("dict(no_log=True)", b','),
            ("con.get(", b'\''),
            ("str(self._get_cloud_config(KRB5_PASSWORD_ENV))", b','),
            ("Bytes::decode(r)?", b';'),
            ("map_err!(String::decode(r))?", b';'),
            ("utf8_to_utf16_dup(v)", b';'),
            ("f[i+1]", b'\n'),
            ("credentials[1]", b','),
            ("base64.b16encode(random_bytes[8:])", b' '),
            ("standard_b64encode", b'('),
            ("PKCS8_PRIVATE_KEY_PEM.parse", b':'),
            ("child1_token.child_token", b'('),
            ("core_1.crypto.createPublicKey", b'('),
            ("other.colon2_token", b'\n'),
            ("s._password", b';'),
            ("ed25519.Ed25519PrivateKey", b','),
            ("exports2.STRICT_TOKEN", b' '),
            ("url_password", b','),
            ("testRSA2048PrivateKey", b'\n'),
            ("x25519_generate_private_key", b','),
            ("assert_fips_status_indicator!", b'('),
        ] {
            assert!(is_code(value.as_bytes(), Some(next)), "{value}");
        }
    }

    #[test]
    fn what_was_chosen_is_none_even_with_brackets_in_it() {
        for (value, next) in [
            ("hunter2", b'\n'),
            ("Q7mZ2xL9vB4nT8kR", b'('),
            ("a7(kX9)qP2", b'\n'),
            ("kT(9x]w2pQ", b'\n'),
            ("correct(horse", b'\n'),
            ("MySecretKey2024", b'\n'),
            ("my_password", b'\n'),
            ("my-secret-key", b','),
            ("3f9a7c1eb05d82649e1c7ab340f6d852", b':'),
            ("hunter2", b':'),
            ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJl", b','),
            ("s3cr3t.pa55w0rd_k3y", b'\n'),
        ] {
            assert!(!is_code(value.as_bytes(), Some(next)), "{value}");
        }
        assert!(!is_code(b"standard_b64encode", None), "nothing is known of what follows");
    }

    #[test]
    fn a_name_has_words_and_long_runs_alone_are_none() {
        for name in ["TokenKind2", "tests/check-all.sh", "getSessionByKey2", "Utf8PathBuf", "OAuth2Session"] {
            assert!(is_name(name.as_bytes()), "{name}");
        }
        for drawn in
            ["3039f1d64707deedaf1455617d10a291", "EGQPKA61xEdgZDufZdzOFFAxySxTCITv", "rNacvMwkvpNktv5LPgoAmtJMlqSrFciU"]
        {
            assert!(!is_name(drawn.as_bytes()), "{drawn}");
        }
    }
}
