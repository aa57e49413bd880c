//! One conversation by SFTP, both directions: which files, how much, which digest; what the policy does not allow is
//! answered here and goes no further. Pure: bytes in, bytes out.
//!
//! Changes no byte that passes, but for the first packet of each side: the version that a client offers is lowered to the
//! one that is followed, and where rules speak of paths the bastion asks the target where they begin.

use std::collections::HashMap;

use bytes::Bytes;

use super::home::{self, Finding};
use super::packet::{
    self, CLOSE, DATA, DENIED, EOF, EXTENDED, FAILURE, FSETSTAT, FSTAT, Fields, HANDLE, INIT, LSTAT, MKDIR, NAME, OK,
    OPEN, OPENDIR, OTHER, PATH_BYTES, READ, READDIR, READLINK, REALPATH, REMOVE, RENAME, RMDIR, SETSTAT, STAT, STATUS,
    SYMLINK, TO_READ, TO_WRITE, UNSUPPORTED, VERSION, VERSION_IS, WRITE, be32, named, status,
};
use super::pending::{Asked, File, operation};
use super::run::Run;
use crate::domain::event::sftp::Operation;
use crate::domain::files::{Deed, Reach};

/// Requests without an answer and open files are remembered; so much of them at most.
const HELD_BYTES: usize = 4 * 1024 * 1024;
/// It cannot be followed any more; why, for the client and the recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Broken(pub &'static str);

/// What became of a piece from the client.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Passed {
    /// To the target, in this order: slices of what came, but for what lay across two pieces.
    pub forward: Vec<Bytes>,
    /// To the client, between two answers of the target.
    pub replies: Vec<Bytes>,
    /// What has ended with it.
    pub done: Vec<Operation>,
}

/// Both directions of one conversation.
#[derive(Debug, Default)]
pub struct Conversation {
    reach: Reach,
    /// Where paths begin that are not absolute, once the target has said so.
    home: Option<Vec<u8>>,
    finding: Option<Finding>,
    asked: HashMap<u32, Asked>,
    handles: HashMap<Vec<u8>, u64>,
    files: HashMap<u64, File>,
    next_file: u64,
    held_bytes: usize,
    up: Side,
    down: Side,
}

/// Where one direction stands: at the head of a packet, or within the rest of one.
#[derive(Debug, Default)]
struct Side {
    head: Vec<u8>,
    left: usize,
    /// Whose data the rest is.
    file: Option<u64>,
    /// The rest goes nowhere.
    dropped: bool,
    /// The first packet was there.
    began: bool,
}

/// What becomes of a request.
enum Fate {
    Pass,
    Changed(Vec<u8>),
    Stop(u32),
}

impl Conversation {
    /// One that reaches so far.
    pub fn new(reach: Reach) -> Self {
        Self { reach, ..Self::default() }
    }

    /// A piece from the client.
    pub fn requests(&mut self, piece: &Bytes) -> Result<Passed, Broken> {
        let mut passed = Passed::default();
        // What of this piece is passed on as it is: from here to where it is cut.
        let mut run = 0;
        let mut at = 0;
        // Where the head begins, if it began in this piece.
        let mut began = None;
        while let Some(rest) = piece.get(at..).filter(|rest| !rest.is_empty()) {
            if self.up.left > 0 {
                let take = rest.len().min(self.up.left);
                if let Some(file) = self.up.file.and_then(|file| self.files.get_mut(&file)) {
                    file.written.add(rest.get(..take).unwrap_or_default());
                }
                (at, self.up.left) = (at + take, self.up.left - take);
                if self.up.dropped {
                    run = at;
                }
                continue;
            }
            if self.up.head.is_empty() {
                began = Some(at);
            }
            let need = packet::of_request(&self.up.head)?;
            let take = rest.len().min(need - self.up.head.len());
            self.up.head.extend_from_slice(rest.get(..take).unwrap_or_default());
            at += take;
            if self.up.head.len() < packet::of_request(&self.up.head)? {
                continue;
            }
            let head = std::mem::take(&mut self.up.head);
            self.up.left = packet::whole(&head)? - head.len();
            (self.up.file, self.up.dropped) = (None, false);
            let before = began.take();
            let instead = match self.judge(&head, &mut passed)? {
                Fate::Pass if before.is_some() => continue,
                Fate::Pass => Some(head),
                Fate::Changed(other) => Some(other),
                Fate::Stop(code) => {
                    passed.replies.push(refusal(&head, code));
                    self.up.dropped = true;
                    None
                }
            };
            hand_out(piece, run, before.unwrap_or(run), &mut passed.forward);
            passed.forward.extend(instead.map(Bytes::from));
            run = at;
        }
        let end = match began {
            Some(began) => began,
            None if !self.up.head.is_empty() => run,
            None => piece.len(),
        };
        hand_out(piece, run, end, &mut passed.forward);
        Ok(passed)
    }

    /// A piece from the target: what of it goes to the client, once what has ended with it is recorded.
    pub fn answers(&mut self, piece: Bytes) -> Result<(Bytes, Vec<Operation>), Broken> {
        let piece = match self.finding.as_mut().map(|finding| finding.add(&piece)).transpose()? {
            None => piece,
            Some(None) => return Ok((Bytes::new(), Vec::new())),
            Some(Some(found)) => {
                (self.finding, self.home) = (None, found.home);
                found.rest
            }
        };
        let mut done = Vec::new();
        let mut at = 0;
        while let Some(rest) = piece.get(at..).filter(|rest| !rest.is_empty()) {
            if self.down.left > 0 {
                let take = rest.len().min(self.down.left);
                if let Some(file) = self.down.file.and_then(|file| self.files.get_mut(&file)) {
                    file.read.add(rest.get(..take).unwrap_or_default());
                }
                (at, self.down.left) = (at + take, self.down.left - take);
                continue;
            }
            let need = packet::of_answer(&self.down.head)?;
            let take = rest.len().min(need - self.down.head.len());
            self.down.head.extend_from_slice(rest.get(..take).unwrap_or_default());
            at += take;
            if self.down.head.len() < packet::of_answer(&self.down.head)? {
                continue;
            }
            let head = std::mem::take(&mut self.down.head);
            self.down.left = packet::whole(&head)? - head.len();
            self.down.file = None;
            done.extend(self.answered(&head)?);
        }
        Ok((piece, done))
    }

    /// Whether the target's last answer is whole, so that one of ours may follow.
    pub fn is_between(&self) -> bool {
        self.down.began && self.down.head.is_empty() && self.down.left == 0
    }

    /// What was still open.
    pub fn end(&mut self) -> Vec<Operation> {
        self.handles.clear();
        let mut open: Vec<_> = std::mem::take(&mut self.files).into_iter().collect();
        open.sort_by_key(|(id, _)| *id);
        open.into_iter().map(|(_, file)| file.done("not closed")).collect()
    }

    fn judge(&mut self, head: &[u8], passed: &mut Passed) -> Result<Fate, Broken> {
        let kind = head.get(4).copied().unwrap_or_default();
        let mut fields = Fields::of(head);
        let id = fields.number()?;
        if !self.up.began {
            self.up.began = true;
            return if kind == INIT { Ok(self.begun(head, id)) } else { Err(OTHER) };
        }
        if self.asked.contains_key(&id) {
            return Err(Broken("the client gave one number to two requests"));
        }
        let asked = match kind {
            OPEN => {
                let (path, flags) = (fields.string()?, fields.number()?);
                let (reads, writes) = (flags & TO_READ != 0, flags & TO_WRITE != 0);
                let what = match (reads, writes) {
                    (true, true) => "read and write",
                    (_, true) => "write",
                    (_, false) => "read",
                };
                if (!writes || reads) && !self.may(Deed::Read, path) || writes && !self.may(Deed::Write, path) {
                    return Ok(refused(passed, what, path, None));
                }
                Asked::Open { path: kept(path)?, what, writes }
            }
            OPENDIR => {
                let path = fields.string()?;
                if !self.may(Deed::List, path) {
                    return Ok(refused(passed, "list", path, None));
                }
                Asked::Open { path: kept(path)?, what: "list", writes: false }
            }
            CLOSE => match self.handles.remove(fields.string()?) {
                Some(file) => Asked::Close(file),
                None => return Ok(Fate::Stop(FAILURE)),
            },
            READ => {
                let Some(file) = self.handle(fields.string()?) else { return Ok(Fate::Stop(FAILURE)) };
                Asked::Read { file, offset: fields.offset()? }
            }
            WRITE => {
                let Some(file) = self.handle(fields.string()?) else { return Ok(Fate::Stop(FAILURE)) };
                let offset = fields.offset()?;
                if fields.number()? as usize != self.up.left {
                    return Err(OTHER);
                }
                if let Some(file) = self.files.get_mut(&file) {
                    file.written.at(offset);
                }
                self.up.file = Some(file);
                Asked::Write(file)
            }
            FSETSTAT => {
                let Some(file) = self.handle(fields.string()?).and_then(|file| self.files.get(&file)) else {
                    return Ok(Fate::Stop(FAILURE));
                };
                let path = file.path.clone();
                // Who may write a file may say when that was.
                if !file.writes && !self.may(Deed::Change, &path) {
                    return Ok(refused(passed, "attributes", &path, None));
                }
                Asked::Done { what: "attributes", path, to: None }
            }
            READDIR | FSTAT => match self.handle(fields.string()?) {
                Some(_) => Asked::Other,
                None => return Ok(Fate::Stop(FAILURE)),
            },
            LSTAT | STAT | REALPATH => Asked::Other,
            SETSTAT => return self.at(id, (Deed::Change, "attributes"), fields, 1, passed),
            REMOVE => return self.at(id, (Deed::Change, "remove"), fields, 1, passed),
            RMDIR => return self.at(id, (Deed::Change, "remove folder"), fields, 1, passed),
            MKDIR => return self.at(id, (Deed::Make, "make folder"), fields, 1, passed),
            READLINK => return self.at(id, (Deed::Read, "read link"), fields, 1, passed),
            RENAME => return self.at(id, (Deed::Change, "rename"), fields, 2, passed),
            SYMLINK => return self.at(id, (Deed::Link, "link"), fields, 2, passed),
            EXTENDED => match fields.string()? {
                b"posix-rename@openssh.com" => return self.at(id, (Deed::Change, "rename"), fields, 2, passed),
                b"hardlink@openssh.com" => return self.at(id, (Deed::Link, "hard link"), fields, 2, passed),
                b"lsetstat@openssh.com" => return self.at(id, (Deed::Change, "attributes"), fields, 1, passed),
                b"fsync@openssh.com" | b"fstatvfs@openssh.com" => match self.handle(fields.string()?) {
                    Some(_) => Asked::Other,
                    None => return Ok(Fate::Stop(FAILURE)),
                },
                b"statvfs@openssh.com"
                | b"limits@openssh.com"
                | b"expand-path@openssh.com"
                | b"home-directory"
                | b"users-groups-by-id@openssh.com" => Asked::Other,
                _ => return Ok(Fate::Stop(UNSUPPORTED)),
            },
            _ => return Ok(Fate::Stop(UNSUPPORTED)),
        };
        self.ask(id, asked)?;
        Ok(Fate::Pass)
    }

    /// The client's first packet, with no more offered than is followed; behind it what the bastion wants to know itself.
    fn begun(&mut self, head: &[u8], version: u32) -> Fate {
        let asks = self.reach.has_paths();
        if version <= VERSION && !asks {
            return Fate::Pass;
        }
        let (before, behind) = (head.get(..5).unwrap_or_default(), head.get(9..).unwrap_or_default());
        let mut first = [before, &version.min(VERSION).to_be_bytes(), behind].concat();
        if asks {
            first.extend(home::question());
            self.finding = Some(Finding::default());
        }
        Fate::Changed(first)
    }

    /// A request that names one or two paths and is over with its answer.
    fn at(
        &mut self,
        id: u32,
        (deed, what): (Deed, &'static str),
        mut fields: Fields<'_>,
        paths: usize,
        passed: &mut Passed,
    ) -> Result<Fate, Broken> {
        let path = fields.string()?;
        let to = if paths == 2 { Some(fields.string()?) } else { None };
        if !self.may(deed, path) || to.is_some_and(|to| !self.may(deed, to)) {
            return Ok(refused(passed, what, path, to));
        }
        self.ask(id, Asked::Done { what, path: kept(path)?, to: to.map(kept).transpose()? })?;
        Ok(Fate::Pass)
    }

    fn may(&self, deed: Deed, path: &[u8]) -> bool {
        self.reach.allows(deed, path, self.home.as_deref())
    }

    fn handle(&self, handle: &[u8]) -> Option<u64> {
        self.handles.get(handle).copied()
    }

    fn ask(&mut self, id: u32, asked: Asked) -> Result<(), Broken> {
        self.hold(asked.cost())?;
        self.asked.insert(id, asked);
        Ok(())
    }

    fn hold(&mut self, bytes: usize) -> Result<(), Broken> {
        self.held_bytes += bytes;
        match self.held_bytes > HELD_BYTES {
            true => Err(Broken("more requests and files are open at once than can be followed")),
            false => Ok(()),
        }
    }

    fn answered(&mut self, head: &[u8]) -> Result<Option<Operation>, Broken> {
        let kind = head.get(4).copied().unwrap_or_default();
        let mut fields = Fields::of(head);
        let id = fields.number()?;
        if !self.down.began {
            self.down.began = true;
            let fits = kind == VERSION_IS && id <= VERSION;
            return if fits { Ok(None) } else { Err(Broken("the target does not speak SFTP of version 3")) };
        }
        let Some(asked) = self.asked.remove(&id) else {
            return Err(Broken("the target answers what nobody has asked"));
        };
        self.held_bytes = self.held_bytes.saturating_sub(asked.cost());
        let code = if kind == STATUS { Some(fields.number()?) } else { None };
        match asked {
            Asked::Open { path, what, writes } => match code {
                Some(code) => return Ok(Some(operation(what, path, None, named(code)))),
                None if kind == HANDLE => return self.opened(fields.string()?, (path, what, writes)),
                None => {}
            },
            Asked::Close(file) => {
                let Some(file) = self.files.remove(&file) else { return Ok(None) };
                self.held_bytes = self.held_bytes.saturating_sub(file.cost());
                return Ok(Some(file.done(code.map_or("bad message", named))));
            }
            Asked::Read { file: id, offset } => {
                let Some(file) = self.files.get_mut(&id) else { return Ok(None) };
                match code {
                    Some(EOF) => file.read.ends_at(offset),
                    None if kind == DATA => {
                        file.read.at(offset);
                        if fields.number()? as usize != self.down.left {
                            return Err(OTHER);
                        }
                        self.down.file = Some(id);
                    }
                    _ => {}
                }
            }
            Asked::Write(file) => {
                if let Some(file) = self.files.get_mut(&file).filter(|_| code != Some(OK)) {
                    file.written.spoil();
                    file.failed = true;
                }
            }
            Asked::Done { what, path, to } => {
                let result = match kind {
                    NAME => "ok",
                    _ => code.map_or("bad message", named),
                };
                return Ok(Some(operation(what, path, to, result)));
            }
            Asked::Other => {}
        }
        Ok(None)
    }

    fn opened(
        &mut self,
        handle: &[u8],
        (path, what, writes): (Bytes, &'static str, bool),
    ) -> Result<Option<Operation>, Broken> {
        let (read, written) = (Run::default(), Run::default());
        let file = File { path, what, writes, read, written, failed: false };
        self.hold(file.cost())?;
        let id = self.next_file;
        self.next_file += 1;
        self.files.insert(id, file);
        // A target that gives one handle twice has forgotten the first.
        let forgotten = self.handles.insert(handle.to_vec(), id).and_then(|old| self.files.remove(&old));
        self.held_bytes -= forgotten.as_ref().map_or(0, File::cost).min(self.held_bytes);
        Ok(forgotten.map(|file| file.done("not closed")))
    }
}

fn hand_out(piece: &Bytes, from: usize, to: usize, out: &mut Vec<Bytes>) {
    if from < to {
        out.push(piece.slice(from..to));
    }
}

fn kept(path: &[u8]) -> Result<Bytes, Broken> {
    match path.len() <= PATH_BYTES {
        true => Ok(Bytes::copy_from_slice(path)),
        false => Err(Broken("a path is longer than 4096 bytes")),
    }
}

/// The policy says no: on record, and answered.
fn refused(passed: &mut Passed, what: &'static str, path: &[u8], to: Option<&[u8]>) -> Fate {
    let cut = |path: &[u8]| Bytes::copy_from_slice(path.get(..PATH_BYTES).unwrap_or(path));
    passed.done.push(operation(what, cut(path), to.map(cut), "refused"));
    Fate::Stop(DENIED)
}

fn refusal(head: &[u8], code: u32) -> Bytes {
    let text = match code {
        DENIED => "sallyport: the policy does not allow this here",
        UNSUPPORTED => "sallyport: this extension is not carried",
        _ => "sallyport: no such handle",
    };
    status(be32(head, 5).unwrap_or_default(), code, text).into()
}

#[cfg(test)]
mod tests;
