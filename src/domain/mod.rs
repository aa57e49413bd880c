//! The nouns of the field. Every room may use them; they use no room.
//!
//! Nothing here reads a clock, a file or a socket, and nothing here is serializable: formats are
//! promises, types are not.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

pub mod binding;
pub mod event;
pub mod files;
pub mod forward;
pub mod identity;
pub mod listen;
pub mod loan;
pub mod session;
pub mod target;

/// What a stranger (an SSH client, an HTTP client) may hear of an error.
///
/// `Display` is for the operator's log; this is for the other side of the wire. ASCII, one line,
/// says what to do next, and never holds a secret or an inner cause.
pub trait Disclose {
    /// The sentence for the stranger.
    fn disclose(&self) -> Cow<'static, str>;
}

/// A point in time: microseconds since 1970-01-01T00:00:00Z, UTC, leap seconds not counted.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// From microseconds since the epoch.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// From whole seconds since the epoch; saturates.
    pub const fn from_secs(secs: i64) -> Self {
        Self(secs.saturating_mul(1_000_000))
    }

    /// Microseconds since the epoch.
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// Whole seconds since the epoch, rounded down.
    pub const fn secs(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// The same as certificates have them (PROTOCOL.certkeys): none are before the epoch.
    pub fn unix_secs(self) -> u64 {
        u64::try_from(self.secs()).unwrap_or(0)
    }

    /// This long later; saturates.
    pub fn plus(self, span: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(span.as_micros()).unwrap_or(i64::MAX)))
    }

    /// This long earlier; saturates.
    pub fn minus(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(span.as_micros()).unwrap_or(i64::MAX)))
    }

    /// How long since `earlier`; zero if it lies ahead.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// Parses RFC 3339 text such as `2026-11-23T21:04:49.123456Z`.
    pub fn parse(text: &str) -> Option<Self> {
        let time = chrono::DateTime::parse_from_rfc3339(text).ok()?;
        Some(Self(time.timestamp_micros()))
    }
}

/// RFC 3339 with six digits of a second and `Z`: the one form that records use.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match chrono::DateTime::from_timestamp_micros(self.0) {
            Some(time) => write!(f, "{}", time.format("%Y-%m-%dT%H:%M:%S%.6fZ")),
            None => write!(f, "{} us", self.0),
        }
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Reads a span of time as people write it in config and policy: `90s`, `15m`, `8h`, `7d`.
pub fn parse_span(text: &str) -> Option<Duration> {
    let unit = match text.as_bytes().last()? {
        b's' => 1,
        b'm' => 60,
        b'h' => 3600,
        b'd' => 86_400,
        _ => return None,
    };
    let digits = text.get(..text.len() - 1)?;
    let plain = (1..=9).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| digits.parse::<u64>().ok())?.map(|count| Duration::from_secs(count * unit))
}

/// A SHA-256 digest. Shown as 64 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// The digest of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes);
        let mut out = [0; 32];
        out.copy_from_slice(digest.as_ref());
        Self(out)
    }

    /// Parses 64 hex digits.
    pub fn parse(text: &str) -> Option<Self> {
        let mut out = [0; 32];
        if text.len() != 64 {
            return None;
        }
        for (byte, pair) in out.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
        }
        Some(Self(out))
    }
}

/// A digest of bytes that come in pieces, and how many there were.
#[derive(Clone)]
pub struct Hashing(aws_lc_rs::digest::Context, u64);

impl Hashing {
    /// More of them.
    pub fn add(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
        self.1 += bytes.len() as u64;
    }

    /// How many there were, and their digest.
    pub fn end(self) -> (u64, Digest) {
        let mut out = [0; 32];
        out.copy_from_slice(self.0.finish().as_ref());
        (self.1, Digest(out))
    }
}

impl Default for Hashing {
    fn default() -> Self {
        Self(aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256), 0)
    }
}

impl fmt::Debug for Hashing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hashing({} bytes)", self.1)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Free text that came from outside (a command line, a reason, claims), as exact bytes.
///
/// It reaches the ledger only through `append`, which decides what of it may stand in a record.
/// `Debug` shows its length, never its content.
#[derive(Clone, PartialEq, Eq)]
pub struct Text(bytes::Bytes);

impl Text {
    /// Takes the text as it came.
    pub fn new(bytes: impl Into<bytes::Bytes>) -> Self {
        Self(bytes.into())
    }

    /// The exact bytes. Whoever calls this is responsible for where they go.
    pub fn bytes(&self) -> &bytes::Bytes {
        &self.0
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Text({} bytes)", self.0.len())
    }
}

/// Text from outside, fit for a person's terminal: the one function that every such string passes.
///
/// Printable ASCII stays; all else (control, bidirectional, zero-width, anything not ASCII) is shown
/// as `\u{202e}`, a backslash as two. Cut at `limit` characters of the result, with `...` at the cut.
pub fn printable(text: &str, limit: usize) -> String {
    let mut out = String::with_capacity(text.len().min(limit));
    for c in text.chars() {
        let shown = match c {
            '\\' => "\\\\".to_owned(),
            ' '..='~' => c.to_string(),
            other => other.escape_unicode().to_string(),
        };
        if out.len() + shown.len() > limit {
            out.push_str("...");
            break;
        }
        out.push_str(&shown);
    }
    out
}

/// Makes a newtype over a ULID: sortable by time, 26 characters of Crockford base32.
macro_rules! id {
    ($(#[$meta:meta])* $name:ident) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(ulid::Ulid);

        impl $name {
            /// From a time and 80 random bits: the caller brings both, so that tests can fix them.
            pub fn from_parts(now: $crate::domain::Timestamp, random: u128) -> Self {
                let millis = u64::try_from(now.micros().div_euclid(1000)).unwrap_or(0);
                Self(ulid::Ulid::from_parts(millis, random))
            }

            /// A new id for this moment; its random part comes from the system.
            pub fn new(now: $crate::domain::Timestamp) -> Self {
                Self::from_parts(now, $crate::domain::random_bits())
            }

            /// Parses the 26 characters.
            pub fn parse(text: &str) -> Option<Self> {
                let id = ulid::Ulid::from_string(text).ok()?;
                // One spelling only: the parser also takes lower case and overlong values.
                (id.to_string() == text).then_some(Self(id))
            }

            /// When it was made, to the millisecond.
            pub fn time(self) -> $crate::domain::Timestamp {
                let millis = i64::try_from(self.0.timestamp_ms()).unwrap_or(i64::MAX / 1000);
                $crate::domain::Timestamp::from_micros(millis.saturating_mul(1000))
            }

            /// From the 16 bytes of `to_bytes`.
            pub fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(ulid::Ulid::from_bytes(bytes))
            }

            /// The 16 bytes, in sorting order.
            pub fn to_bytes(self) -> [u8; 16] {
                self.0.to_bytes()
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                std::fmt::Display::fmt(&self.0, f)
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                std::fmt::Display::fmt(&self.0, f)
            }
        }
    };
}
pub(crate) use id;

id! {
    /// Names one ledger record. Other records refer to it.
    RecordId
}

/// 80 bits and more from the system's random source.
///
/// A system without one cannot run a bastion: the process has nothing safe left to do.
pub(crate) fn random_bits() -> u128 {
    let mut bytes = [0; 16];
    if aws_lc_rs::rand::fill(&mut bytes).is_err() {
        // Ids that repeat would let one record stand for another; no caller could do better than stop.
        std::process::abort();
    }
    u128::from_be_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timestamp_reads_back_what_it_prints() {
        let time = Timestamp::from_micros(1_795_467_889_123_456);
        assert_eq!(time.to_string(), "2026-11-23T21:04:49.123456Z");
        assert_eq!(Timestamp::parse(&time.to_string()), Some(time));
    }

    #[test]
    fn a_text_never_shows_its_content_in_debug() {
        assert_eq!(format!("{:?}", Text::new("secret")), "Text(6 bytes)");
    }

    #[test]
    fn text_from_outside_cannot_steer_a_terminal() {
        assert_eq!(printable("db1", 64), "db1");
        assert_eq!(printable("a\x1b]0;x\x07\u{202e}b\\", 64), "a\\u{1b}]0;x\\u{7}\\u{202e}b\\\\");
        assert_eq!(printable(&"x".repeat(100), 8), "xxxxxxxx...");
    }

    #[test]
    fn a_span_has_one_number_and_one_unit() {
        assert_eq!(parse_span("15m"), Some(Duration::from_secs(900)));
        assert_eq!(parse_span("7d"), Some(Duration::from_secs(604_800)));
        for text in ["", "m", "15", "-1m", "+1m", "1.5h", "1h30m", "15 m", "9999999999s", "1é"] {
            assert_eq!(parse_span(text), None, "{text:?}");
        }
    }

    #[test]
    fn an_id_has_one_spelling() {
        let id = RecordId::from_parts(Timestamp::from_secs(1_795_467_889), 7);
        assert_eq!(RecordId::parse(&id.to_string()), Some(id));
        assert_eq!(RecordId::parse(&id.to_string().to_lowercase()), None);
    }

    #[test]
    fn a_digest_reads_back_what_it_prints() {
        let digest = Digest::of(b"abc");
        assert_eq!(digest.to_string(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(Digest::parse(&digest.to_string()), Some(digest));
    }
}
