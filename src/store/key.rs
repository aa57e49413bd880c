//! Names of blobs and registers.
//!
//! Refuses ambiguity: which segments a key was made of is never a guess.

use std::fmt;

/// The name of a blob or register: a sequence of segments.
///
/// Keys sort as their segments do, each compared as bytes (so numbers go in big-endian), and a key
/// is a prefix of another exactly if its segments begin the other's: `["a"]` is no prefix of
/// `["ab"]`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(pub(super) Vec<u8>);

impl Key {
    /// The key with these segments. None at all: the prefix of every key.
    pub fn of(segments: &[&[u8]]) -> Self {
        let mut bytes = Vec::with_capacity(segments.iter().map(|segment| segment.len() + 2).sum());
        for segment in segments {
            for byte in *segment {
                bytes.push(*byte);
                if *byte == 0 {
                    bytes.push(ESCAPED);
                }
            }
            // Sorts below an escaped zero, so a segment sorts before those it begins.
            bytes.extend([0, END]);
        }
        Self(bytes)
    }

    /// The key one segment below this one.
    pub fn with(mut self, segment: &[u8]) -> Self {
        self.0.extend(Self::of(&[segment]).0);
        self
    }

    /// The segments it was made of.
    pub fn segments(&self) -> Vec<Vec<u8>> {
        let mut segments = Vec::new();
        let mut segment = Vec::new();
        let mut bytes = self.0.iter().copied();
        while let Some(byte) = bytes.next() {
            if byte != 0 {
                segment.push(byte);
            } else if bytes.next() == Some(ESCAPED) {
                segment.push(0);
            } else {
                segments.push(std::mem::take(&mut segment));
            }
        }
        segments
    }

    /// How long it is, encoded.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether it is `prefix` or lies under it.
    pub fn is_under(&self, prefix: &Self) -> bool {
        self.0.starts_with(&prefix.0)
    }
}

/// What follows a zero byte within a segment, and a zero byte at a segment's end.
const ESCAPED: u8 = 0xff;
const END: u8 = 0x01;

/// Segments joined with `/`; bytes that are not printable ASCII as `\xNN`.
impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, segment) in self.segments().iter().enumerate() {
            if position > 0 {
                f.write_str("/")?;
            }
            write!(f, "{}", segment.escape_ascii())?;
        }
        Ok(())
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_a_prefix_only_segment_by_segment() {
        let key = Key::of(&[b"recording", b"one"]);
        assert!(key.is_under(&Key::of(&[])));
        assert!(key.is_under(&Key::of(&[b"recording"])));
        assert!(!key.is_under(&Key::of(&[b"rec"])));
        assert!(!Key::of(&[b"recording", b"one\0"]).is_under(&key));
        assert_eq!(Key::of(&[b"recording"]).with(b"one"), key);
    }

    #[test]
    fn keys_sort_as_their_segments_do() {
        let segments: [&[u8]; 7] = [b"", b"\0", b"\0\0", b"\x01", b"a", b"a\0", b"ab"];
        let mut lists = Vec::new();
        for first in segments {
            lists.push(vec![first]);
            for second in segments {
                lists.push(vec![first, second]);
            }
        }
        for one in &lists {
            for other in &lists {
                assert_eq!(Key::of(one).cmp(&Key::of(other)), one.cmp(other), "{one:?} {other:?}");
            }
            assert_eq!(Key::of(one).segments(), *one);
        }
    }

    #[test]
    fn a_key_is_shown_readably() {
        assert_eq!(Key::of(&[b"payload", &[0, 0xab]]).to_string(), r"payload/\x00\xab");
    }
}
