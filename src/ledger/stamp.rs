//! RFC 3161: what a timestamping authority is asked, and what of its answer is read before it is kept.
//!
//! Pure. Reads whether the answer is a grant for what was asked, and the time in it. Does not check the authority's
//! signature: whoever relies on a token does that, with `openssl ts -verify` and a certificate of their own.

use thiserror::Error;

use crate::domain::{Digest, Timestamp};

/// Longest answer that is kept.
pub const MAX_BYTES: usize = 16 * 1024;

const INTEGER: u8 = 0x02;
const OCTETS: u8 = 0x04;
const OID: u8 = 0x06;
const TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const EXPLICIT: u8 = 0xa0;
/// 2.16.840.1.101.3.4.2.1 with no parameters.
const SHA256: [u8; 15] = [0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00];
/// 1.2.840.113549.1.7.2, signed-data.
const SIGNED_DATA: [u8; 9] = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02];
/// 1.2.840.113549.1.9.16.1.4, id-ct-TSTInfo.
const TST_INFO: [u8; 11] = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x10, 0x01, 0x04];

/// A number that an answer must repeat, so that it is no older than its request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nonce([u8; 8]);

impl Nonce {
    /// Of random bits.
    pub fn of(random: u64) -> Self {
        let mut bytes = random.to_be_bytes();
        // Positive, and no byte shorter: DER then has one way to write it.
        if let Some(first) = bytes.first_mut() {
            *first = (*first & 0x3f) | 0x40;
        }
        Self(bytes)
    }
}

/// A `TimeStampReq` for bytes with this SHA-256; the answer is to bring its certificates.
pub fn request(digest: &Digest, nonce: Nonce) -> Vec<u8> {
    let imprint = der(SEQUENCE, &[SHA256.as_slice(), &der(OCTETS, &digest.0)].concat());
    der(SEQUENCE, &[&[INTEGER, 1, 1], imprint.as_slice(), &der(INTEGER, &nonce.0), &[0x01, 1, 0xff]].concat())
}

/// For contents of at most 127 bytes.
fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u8::try_from(content.len()).unwrap_or(u8::MAX);
    [&[tag, length], content].concat()
}

/// The time that a `TimeStampResp` gives, if it is a grant for what was asked.
pub fn read(answer: &[u8], digest: &Digest, nonce: Nonce) -> Result<Timestamp, Error> {
    let Granted { imprint, time, mut rest } = granted(answer)?;
    if imprint != *digest {
        return Err(Error::Other);
    }
    // Accuracy and order may stand between.
    while let Ok((tag, content)) = rest.any() {
        if tag == INTEGER {
            return if content == nonce.0 { Ok(time) } else { Err(Error::Other) };
        }
    }
    Err(Error::Other)
}

/// What a `TimeStampResp` says: that bytes of this SHA-256 were there at this time. Who says so is not looked at.
pub fn said(answer: &[u8]) -> Result<(Digest, Timestamp), Error> {
    granted(answer).map(|Granted { imprint, time, .. }| (imprint, time))
}

/// What stands in a grant.
struct Granted<'a> {
    imprint: Digest,
    time: Timestamp,
    /// What stands behind the time.
    rest: Parts<'a>,
}

fn granted(answer: &[u8]) -> Result<Granted<'_>, Error> {
    if answer.len() > MAX_BYTES {
        return Err(Error::TooLong);
    }
    let mut whole = Parts(answer);
    let mut response = Parts(whole.next(SEQUENCE)?);
    whole.end()?;
    let status = Parts(response.next(SEQUENCE)?).next(INTEGER)?;
    // 0 granted, 1 granted with modifications.
    if !matches!(status, [0 | 1]) {
        return Err(Error::Refused);
    }
    let mut token = Parts(response.next(SEQUENCE)?);
    response.end()?;
    if token.next(OID)? != SIGNED_DATA {
        return Err(Error::Form);
    }
    let mut signed = Parts(Parts(token.next(EXPLICIT)?).next(SEQUENCE)?);
    signed.next(INTEGER)?;
    signed.next(SET)?;
    let mut content = Parts(signed.next(SEQUENCE)?);
    if content.next(OID)? != TST_INFO {
        return Err(Error::Form);
    }
    let mut info = Parts(Parts(Parts(content.next(EXPLICIT)?).next(OCTETS)?).next(SEQUENCE)?);
    info.next(INTEGER)?;
    info.next(OID)?;
    let mut imprint = Parts(info.next(SEQUENCE)?);
    let algorithm = imprint.next(SEQUENCE)?;
    let sha256 = SHA256.get(2..).unwrap_or_default();
    // Some leave the absent parameters out.
    if !(algorithm == sha256 || sha256.strip_suffix(&[0x05, 0x00]) == Some(algorithm)) {
        return Err(Error::Other);
    }
    let imprint = imprint.next(OCTETS)?.try_into().map(Digest).map_err(|_| Error::Other)?;
    info.next(INTEGER)?;
    let time = time(info.next(TIME)?).ok_or(Error::Form)?;
    Ok(Granted { imprint, time, rest: info })
}

/// `YYYYMMDDhhmmss`, perhaps with a fraction, and `Z`.
fn time(text: &[u8]) -> Option<Timestamp> {
    let text = std::str::from_utf8(text).ok().filter(|text| text.is_ascii())?;
    let part = |from: usize, to: usize| text.get(from..to);
    let rest = text.get(14..)?;
    let (year, month, day) = (part(0, 4)?, part(4, 6)?, part(6, 8)?);
    Timestamp::parse(&format!("{year}-{month}-{day}T{}:{}:{}{rest}", part(8, 10)?, part(10, 12)?, part(12, 14)?))
        .filter(|_| rest.ends_with('Z'))
}

/// Values of DER one behind the other.
struct Parts<'a>(&'a [u8]);

impl<'a> Parts<'a> {
    /// The contents of the next value, which has this tag.
    fn next(&mut self, tag: u8) -> Result<&'a [u8], Error> {
        let (found, content) = self.any()?;
        if found == tag { Ok(content) } else { Err(Error::Form) }
    }

    /// Tag and contents of the next value.
    fn any(&mut self) -> Result<(u8, &'a [u8]), Error> {
        let [tag, first, rest @ ..] = self.0 else { return Err(Error::Form) };
        let count = usize::from(first & 0x7f);
        let (length, rest) = match first {
            0..=0x7f => (count, rest),
            // No answer that is kept needs more than two bytes to say how long it is.
            0x81 | 0x82 => {
                let (length, rest) = rest.split_at_checked(count).ok_or(Error::Form)?;
                (length.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), rest)
            }
            _ => return Err(Error::Form),
        };
        let (content, rest) = rest.split_at_checked(length).ok_or(Error::Form)?;
        self.0 = rest;
        Ok((*tag, content))
    }

    fn end(&self) -> Result<(), Error> {
        if self.0.is_empty() { Ok(()) } else { Err(Error::Form) }
    }
}

/// Why an answer is not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Error {
    /// Over the limit.
    #[error("the answer is too long")]
    TooLong,
    /// It is no timestamp.
    #[error("the answer is no timestamp")]
    Form,
    /// The authority does not want to.
    #[error("the authority refused")]
    Refused,
    /// Not for what was asked.
    #[error("the answer is for something else")]
    Other,
}

impl Error {
    /// From a closed set, for records.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::TooLong => "answer too long",
            Self::Form => "no timestamp",
            Self::Refused => "refused",
            Self::Other => "for something else",
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// With lengths of up to two bytes.
    fn long(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
        let content = parts.concat();
        let length = u16::try_from(content.len()).unwrap().to_be_bytes();
        [&[tag, 0x82], length.as_slice(), &content].concat()
    }

    pub(crate) fn answer(status: u8, digest: &Digest, nonce: Nonce, time: &[u8]) -> Vec<u8> {
        let imprint = der(SEQUENCE, &[SHA256.as_slice(), &der(OCTETS, &digest.0)].concat());
        let info = long(
            SEQUENCE,
            &[
                &[INTEGER, 1, 1],
                &[OID, 2, 0x2a, 0x03],
                &imprint,
                &[INTEGER, 1, 9],
                &der(TIME, time),
                &[SEQUENCE, 3, INTEGER, 1, 1],
                &der(INTEGER, &nonce.0),
            ],
        );
        let content = long(SEQUENCE, &[&der(OID, &TST_INFO), &long(EXPLICIT, &[&long(OCTETS, &[&info])])]);
        let signed = long(SEQUENCE, &[&[INTEGER, 1, 3], &[SET, 0], &content, &[SET, 0]]);
        let token = long(SEQUENCE, &[&der(OID, &SIGNED_DATA), &long(EXPLICIT, &[&signed])]);
        long(SEQUENCE, &[&[SEQUENCE, 3, INTEGER, 1, status], &token])
    }

    #[test]
    fn a_request_is_the_one_that_openssl_writes() {
        // As `openssl ts -query -digest 07… -sha256 -cert` writes it, but for its random nonce.
        let nonce = Nonce::of(0x0102_0304_0506_0708);
        let expect = "3043020101303130\
                      0d060960864801650304020105000420\
                      0707070707070707070707070707070707070707070707070707070707070707\
                      0208410203040506070801\
                      01ff";
        let hex: String = request(&Digest([7; 32]), nonce).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, expect.replace(' ', ""));
    }

    #[test]
    fn a_grant_for_what_was_asked_gives_its_time() {
        let (digest, nonce) = (Digest([7; 32]), Nonce::of(u64::MAX));
        let time = |text: &str| Ok(Timestamp::parse(text).unwrap());
        let given = |text: &[u8]| read(&answer(0, &digest, nonce, text), &digest, nonce);
        assert_eq!(given(b"20261123210449Z"), time("2026-11-23T21:04:49Z"));
        assert_eq!(given(b"20261123210449.25Z"), time("2026-11-23T21:04:49.25Z"));
        for bad in [b"20261123210449".as_slice(), b"20261323210449Z", b"2026", b"20261123210449+0100", b"\xff"] {
            assert_eq!(given(bad), Err(Error::Form), "{bad:?}");
        }
    }

    #[test]
    fn what_was_not_asked_is_not_kept() {
        let (digest, nonce) = (Digest([7; 32]), Nonce::of(1));
        let good = answer(0, &digest, nonce, b"20261123210449Z");
        assert_eq!(read(&good, &Digest([8; 32]), nonce), Err(Error::Other));
        assert_eq!(read(&good, &digest, Nonce::of(2)), Err(Error::Other));
        assert_eq!(read(&answer(2, &digest, nonce, b"20261123210449Z"), &digest, nonce), Err(Error::Refused));
        assert_eq!(read(&vec![0; MAX_BYTES + 1], &digest, nonce), Err(Error::TooLong));
        assert_eq!(said(&good).unwrap().0, digest);
        for cut in 0..good.len() {
            assert!(read(&good[..cut], &digest, nonce).is_err(), "cut {cut}");
            assert!(said(&good[..cut]).is_err(), "cut {cut}");
        }
    }
}
