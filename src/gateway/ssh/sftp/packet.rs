//! The form of SFTP, version 3 (draft-ietf-secsh-filexfer-02): numbers of its packets, and how much of one has to be
//! there before it can be read.

use super::conversation::Broken;

/// The version that is followed. Every server of OpenSSH speaks it and no other.
pub(super) const VERSION: u32 = 3;

pub(super) const INIT: u8 = 1;
pub(super) const VERSION_IS: u8 = 2;
pub(super) const OPEN: u8 = 3;
pub(super) const CLOSE: u8 = 4;
pub(super) const READ: u8 = 5;
pub(super) const WRITE: u8 = 6;
pub(super) const LSTAT: u8 = 7;
pub(super) const FSTAT: u8 = 8;
pub(super) const SETSTAT: u8 = 9;
pub(super) const FSETSTAT: u8 = 10;
pub(super) const OPENDIR: u8 = 11;
pub(super) const READDIR: u8 = 12;
pub(super) const REMOVE: u8 = 13;
pub(super) const MKDIR: u8 = 14;
pub(super) const RMDIR: u8 = 15;
pub(super) const REALPATH: u8 = 16;
pub(super) const STAT: u8 = 17;
pub(super) const RENAME: u8 = 18;
pub(super) const READLINK: u8 = 19;
pub(super) const SYMLINK: u8 = 20;
pub(super) const STATUS: u8 = 101;
pub(super) const HANDLE: u8 = 102;
pub(super) const DATA: u8 = 103;
pub(super) const NAME: u8 = 104;
pub(super) const EXTENDED: u8 = 200;

/// `SSH_FX_OK`, `SSH_FX_EOF`, `SSH_FX_PERMISSION_DENIED`, `SSH_FX_FAILURE`, `SSH_FX_OP_UNSUPPORTED`.
pub(super) const OK: u32 = 0;
pub(super) const EOF: u32 = 1;
pub(super) const DENIED: u32 = 3;
pub(super) const FAILURE: u32 = 4;
pub(super) const UNSUPPORTED: u32 = 8;

/// Flags of `OPEN`: reading; and whatever writes, appends, creates or cuts.
pub(super) const TO_READ: u32 = 1;
pub(super) const TO_WRITE: u32 = 2 | 4 | 8 | 0x10;

/// A request other than `WRITE` is gathered whole before it is judged; OpenSSH takes no longer ones.
const REQUEST_BYTES: usize = 256 * 1024;
/// What streams through may be longer: asyncssh reads and writes 4 MiB at once.
const PACKET_BYTES: usize = 16 * 1024 * 1024;
/// A handle, by the draft.
pub(super) const HANDLE_BYTES: usize = 256;
/// A path that is remembered.
pub(super) const PATH_BYTES: usize = 4096;
/// Length, type, and id or version.
const LEAST: usize = 9;

/// What is not SFTP at all.
pub(super) const OTHER: Broken = Broken("what is spoken here is not SFTP");

/// The length of the whole packet that begins so, once there are nine bytes.
pub(super) fn whole(head: &[u8]) -> Result<usize, Broken> {
    match be32(head, 0).map(|len| len as usize) {
        Some(len @ 5..=PACKET_BYTES) => Ok(4 + len),
        _ => Err(OTHER),
    }
}

/// How much of this request has to be there before it can be judged: all of it, but for the data of a `WRITE`.
pub(super) fn of_request(head: &[u8]) -> Result<usize, Broken> {
    if head.len() < LEAST {
        return Ok(LEAST);
    }
    let whole = whole(head)?;
    if head.get(4) != Some(&WRITE) {
        return if whole <= REQUEST_BYTES { Ok(whole) } else { Err(OTHER) };
    }
    let need = match be32(head, 9).map(|len| len as usize) {
        None => LEAST + 4,
        Some(len @ 0..=HANDLE_BYTES) => LEAST + 4 + len + 12,
        Some(_) => return Err(OTHER),
    };
    if need <= whole { Ok(need) } else { Err(OTHER) }
}

/// How much of this answer is looked at.
pub(super) fn of_answer(head: &[u8]) -> Result<usize, Broken> {
    if head.len() < LEAST {
        return Ok(LEAST);
    }
    let whole = whole(head)?;
    let need = match head.get(4) {
        Some(&DATA | &STATUS) => LEAST + 4,
        Some(&HANDLE) => match be32(head, LEAST).map(|len| len as usize) {
            None => LEAST + 4,
            Some(len @ 0..=HANDLE_BYTES) => LEAST + 4 + len,
            Some(_) => return Err(OTHER),
        },
        _ => LEAST,
    };
    if need <= whole { Ok(need) } else { Err(OTHER) }
}

/// Reads the fields of a packet one by one.
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl<'a> Fields<'a> {
    /// Behind length and type.
    pub(super) fn of(packet: &'a [u8]) -> Self {
        Self(packet.get(5..).unwrap_or_default())
    }

    pub(super) fn number(&mut self) -> Result<u32, Broken> {
        self.take(4).and_then(|bytes| be32(bytes, 0)).ok_or(OTHER)
    }

    pub(super) fn offset(&mut self) -> Result<u64, Broken> {
        let (high, low) = (self.number()?, self.number()?);
        Ok(u64::from(high) << 32 | u64::from(low))
    }

    pub(super) fn string(&mut self) -> Result<&'a [u8], Broken> {
        let len = self.number()? as usize;
        self.take(len).ok_or(OTHER)
    }

    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }
}

/// A `STATUS` of the bastion's own.
pub(super) fn status(id: u32, code: u32, text: &str) -> Vec<u8> {
    let len = |len: usize| u32::try_from(len).unwrap_or(u32::MAX).to_be_bytes();
    let mut packet = len(1 + 4 + 4 + 4 + text.len() + 4).to_vec();
    packet.push(STATUS);
    packet.extend(id.to_be_bytes());
    packet.extend(code.to_be_bytes());
    packet.extend(len(text.len()));
    packet.extend(text.as_bytes());
    packet.extend(len(0));
    packet
}

/// The name of a status, for records.
pub(super) fn named(code: u32) -> &'static str {
    match code {
        OK => "ok",
        EOF => "end of file",
        2 => "no such file",
        DENIED => "permission denied",
        FAILURE => "failure",
        5 => "bad message",
        6 => "no connection",
        7 => "connection lost",
        UNSUPPORTED => "not supported",
        _ => "another status",
    }
}

pub(super) fn be32(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|four| u32::from_be_bytes(*four))
}
