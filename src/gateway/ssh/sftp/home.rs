//! Where a login's paths begin that are not absolute: rules about paths need to know. The bastion asks the target itself,
//! in the client's first packet, and the client hears nothing until there is an answer, so that no request comes before it.

use bytes::Bytes;

use super::conversation::Broken;
use super::packet::{Fields, NAME, OTHER, REALPATH, be32, whole};

/// The number of our request. A client that takes it at once is cut, like one that uses a number twice.
const ID: u32 = u32::MAX;
/// Both first answers of a target.
const ANSWERS_BYTES: usize = 256 * 1024;

/// A question to the target that was not answered yet, with what has come since.
#[derive(Debug, Default)]
pub(super) struct Finding(Vec<u8>);

/// What was found.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) home: Option<Vec<u8>>,
    /// All that came, without the answer to us.
    pub(super) rest: Bytes,
}

/// The question.
pub(super) fn question() -> Vec<u8> {
    [&10_u32.to_be_bytes()[..], &[REALPATH], &ID.to_be_bytes(), &1_u32.to_be_bytes(), b"."].concat()
}

impl Finding {
    /// One more piece from the target; the answer, once it is there.
    pub(super) fn add(&mut self, piece: &[u8]) -> Result<Option<Found>, Broken> {
        self.0.extend_from_slice(piece);
        if self.0.len() > ANSWERS_BYTES {
            return Err(OTHER);
        }
        let Some((version, behind)) = first(&self.0)? else { return Ok(None) };
        let Some((answer, behind)) = first(behind)? else { return Ok(None) };
        let mut fields = Fields::of(answer);
        if fields.number()? != ID {
            return Err(Broken("the target answers what nobody has asked"));
        }
        let is_name = answer.get(4) == Some(&NAME) && fields.number()? > 0;
        let home = if is_name { Some(fields.string()?.to_vec()) } else { None };
        Ok(Some(Found { home, rest: [version, behind].concat().into() }))
    }
}

type Split<'a> = Option<(&'a [u8], &'a [u8])>;

/// The first packet, if all of it is there, and what follows.
fn first(bytes: &[u8]) -> Result<Split<'_>, Broken> {
    if be32(bytes, 0).is_none() {
        return Ok(None);
    }
    Ok(bytes.split_at_checked(whole(bytes)?))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failing test may end at once")]

    use super::*;

    #[test]
    fn the_answer_to_us_is_taken_out_however_it_is_cut() {
        let version = b"\0\0\0\x05\x02\0\0\0\x03";
        let answer = [&b"\0\0\0\x11\x68\xff\xff\xff\xff\0\0\0\x01\0\0\0\x04"[..], b"/a/b"].concat();
        let all = [&version[..], &answer, b"more"].concat();
        for cut in 1..all.len() {
            let mut finding = Finding::default();
            let (before, after) = all.split_at(cut);
            let found = [finding.add(before).unwrap(), finding.add(after).unwrap()];
            let got = found.into_iter().flatten().next().unwrap();
            // What comes after the answer passes by without us.
            let behind = if cut < 30 { &b"more"[..] } else { before.get(30..).unwrap() };
            assert_eq!(got.home, Some(b"/a/b".to_vec()));
            assert_eq!(got.rest, [&version[..], behind].concat(), "{cut}");
        }
    }
}
