//! Both directions of a conversation, whole and in every kind of pieces.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a failing test may end at once")]

use std::collections::BTreeSet;

use super::*;
use crate::domain::Digest;
use crate::domain::files::Pattern;

fn string(bytes: &[u8]) -> Vec<u8> {
    [&u32::try_from(bytes.len()).unwrap().to_be_bytes()[..], bytes].concat()
}

fn packet(kind: u8, id: u32, rest: &[&[u8]]) -> Vec<u8> {
    string(&[&[kind][..], &id.to_be_bytes(), &rest.concat()].concat())
}

fn number(value: u32) -> [u8; 4] {
    value.to_be_bytes()
}

fn open(id: u32, path: &str, flags: u32) -> Vec<u8> {
    packet(OPEN, id, &[&string(path.as_bytes()), &number(flags), &number(0)])
}

fn write(id: u32, handle: &str, offset: u64, data: &[u8]) -> Vec<u8> {
    packet(WRITE, id, &[&string(handle.as_bytes()), &offset.to_be_bytes(), &string(data)])
}

fn read(id: u32, handle: &str, offset: u64) -> Vec<u8> {
    packet(READ, id, &[&string(handle.as_bytes()), &offset.to_be_bytes(), &number(32768)])
}

fn close(id: u32, handle: &str) -> Vec<u8> {
    packet(CLOSE, id, &[&string(handle.as_bytes())])
}

fn says(id: u32, code: u32) -> Vec<u8> {
    packet(STATUS, id, &[&number(code), &string(b"words"), &string(b"en")])
}

fn gives(id: u32, handle: &str) -> Vec<u8> {
    packet(HANDLE, id, &[&string(handle.as_bytes())])
}

/// A conversation past its first words, whose pieces are cut after every so many bytes.
struct Talk {
    conversation: Conversation,
    cut: usize,
    forwarded: Vec<u8>,
    returned: Vec<u8>,
    replied: Vec<u8>,
    done: Vec<Operation>,
}

impl Talk {
    fn new(reach: Reach, cut: usize) -> Self {
        let conversation = Conversation::new(reach);
        let (forwarded, returned, replied, done) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut talk = Self { conversation, cut, forwarded, returned, replied, done };
        let asks = talk.conversation.reach.has_paths();
        talk.asks(&packet(INIT, 3, &[])).unwrap();
        let version = packet(VERSION_IS, 3, &[&string(b"limits@openssh.com"), &string(b"1")]);
        talk.answers(&version).unwrap();
        if asks {
            let question = packet(REALPATH, u32::MAX, &[&string(b".")]);
            assert_eq!(talk.forwarded, [packet(INIT, 3, &[]), question].concat());
            assert!(talk.returned.is_empty(), "the client hears nothing before it is known where paths begin");
            talk.answers(&packet(NAME, u32::MAX, &[&number(1), &string(b"/home/app"), &string(b"x"), &number(0)]))
                .unwrap();
        }
        assert_eq!(talk.returned, version);
        talk.forwarded.clear();
        talk
    }

    fn asks(&mut self, bytes: &[u8]) -> Result<(), Broken> {
        for piece in bytes.chunks(self.cut) {
            let passed = self.conversation.requests(&Bytes::copy_from_slice(piece))?;
            self.forwarded.extend(passed.forward.concat());
            self.replied.extend(passed.replies.concat());
            self.done.extend(passed.done);
        }
        Ok(())
    }

    fn answers(&mut self, bytes: &[u8]) -> Result<(), Broken> {
        for piece in bytes.chunks(self.cut) {
            let (piece, done) = self.conversation.answers(Bytes::copy_from_slice(piece))?;
            self.returned.extend(piece);
            self.done.extend(done);
        }
        Ok(())
    }
}

/// The same, whole and cut into all kinds of pieces.
#[track_caller]
fn in_pieces(reach: &Reach, test: impl Fn(&mut Talk)) {
    for cut in [1, 2, 3, 7, 9, 13, 21, 64, 100_000] {
        let mut talk = Talk::new(reach.clone(), cut);
        test(&mut talk);
    }
}

fn limited(paths: &str) -> Reach {
    Reach { within: vec![BTreeSet::from([Pattern::parse(paths).unwrap()])], ..Reach::default() }
}

#[test]
fn an_upload_passes_byte_for_byte_and_its_digest_is_that_of_the_file() {
    in_pieces(&Reach::default(), |talk| {
        let (first, second) = (vec![b'a'; 40_000], b"tail".to_vec());
        let opened = open(1, "/srv/x", 0x1a);
        let wrote = [write(2, "h", 0, &first), write(3, "h", 40_000, &second)].concat();
        talk.asks(&opened).unwrap();
        talk.answers(&gives(1, "h")).unwrap();
        talk.asks(&wrote).unwrap();
        talk.asks(&close(4, "h")).unwrap();
        assert_eq!(talk.forwarded, [opened, wrote, close(4, "h")].concat());
        talk.answers(&[says(2, OK), says(3, OK), says(4, OK)].concat()).unwrap();
        let [done] = &talk.done[..] else { panic!("{:?}", talk.done) };
        let written = done.written.clone().unwrap();
        let digest = Digest::of(&[first, second].concat());
        assert_eq!((done.what, done.result, &done.path.bytes()[..]), ("write", "ok", &b"/srv/x"[..]));
        assert_eq!((written.bytes, written.from, written.sha256), (40_004, 0, Some(digest)));
        assert_eq!(done.read, None);
    });
}

#[test]
fn a_download_is_whole_once_its_end_was_met() {
    in_pieces(&Reach::default(), |talk| {
        talk.asks(&open(1, "/srv/x", 1)).unwrap();
        talk.answers(&gives(1, "h")).unwrap();
        talk.asks(&[read(2, "h", 0), read(3, "h", 32768), read(4, "h", 32771)].concat()).unwrap();
        let data = [vec![7; 32768], b"end".to_vec()].concat();
        let parts = [packet(DATA, 2, &[&string(&data[..32768])]), packet(DATA, 3, &[&string(b"end")])].concat();
        talk.answers(&[parts, says(4, EOF)].concat()).unwrap();
        talk.asks(&close(5, "h")).unwrap();
        talk.answers(&says(5, OK)).unwrap();
        let read = talk.done[0].read.clone().unwrap();
        assert_eq!((read.bytes, read.sha256, read.to_end), (32771, Some(Digest::of(&data)), true));
    });
}

#[test]
fn what_does_not_come_in_one_run_has_no_digest() {
    let mut talk = Talk::new(Reach::default(), 1000);
    talk.asks(&open(1, "/srv/x", 2)).unwrap();
    talk.answers(&gives(1, "h")).unwrap();
    talk.asks(&[write(2, "h", 100, b"ab"), write(3, "h", 0, b"cd"), close(4, "h")].concat()).unwrap();
    talk.answers(&[says(2, OK), says(3, OK), says(4, OK)].concat()).unwrap();
    let written = talk.done[0].written.clone().unwrap();
    assert_eq!((written.bytes, written.from, written.sha256), (4, 100, None));
}

#[test]
fn a_write_that_failed_is_told_apart() {
    let mut talk = Talk::new(Reach::default(), 1000);
    talk.asks(&open(1, "/srv/x", 2)).unwrap();
    talk.answers(&gives(1, "h")).unwrap();
    talk.asks(&[write(2, "h", 0, b"ab"), close(3, "h")].concat()).unwrap();
    talk.answers(&[says(2, FAILURE), says(3, OK)].concat()).unwrap();
    assert_eq!((talk.done[0].result, talk.done[0].written.clone().unwrap().sha256), ("write failed", None));
}

#[test]
fn what_is_refused_is_answered_here_and_goes_no_further() {
    in_pieces(&limited("/srv/drop/**"), |talk| {
        let good = open(2, "/srv/drop/a", 0x1a);
        talk.asks(&[open(1, "/etc/shadow", 1), good.clone(), open(3, "/srv/drop/../x", 2)].concat()).unwrap();
        assert_eq!(talk.forwarded, good);
        let text = "sallyport: the policy does not allow this here";
        assert_eq!(talk.replied, [status(1, DENIED, text), status(3, DENIED, text)].concat());
        let said: Vec<_> = talk.done.iter().map(|done| (done.what, done.result)).collect();
        assert_eq!(said, [("read", "refused"), ("write", "refused")]);
    });
}

#[test]
fn a_write_to_a_handle_that_nobody_was_given_goes_nowhere() {
    in_pieces(&Reach::default(), |talk| {
        let behind = packet(STAT, 3, &[&string(b"/a")]);
        talk.asks(&[write(2, "\0\0\0\0", 0, &[1; 500]), behind.clone()].concat()).unwrap();
        assert_eq!(talk.forwarded, behind);
        assert_eq!(talk.replied, status(2, FAILURE, "sallyport: no such handle"));
    });
}

#[test]
fn a_file_that_was_opened_to_be_read_keeps_its_attributes_for_a_reader() {
    let mut talk = Talk::new(Reach { read_only: true, ..Reach::default() }, 1000);
    talk.asks(&open(1, "/srv/x", 1)).unwrap();
    talk.answers(&gives(1, "h")).unwrap();
    talk.asks(&packet(FSETSTAT, 2, &[&string(b"h"), &number(4), &number(0o777)])).unwrap();
    assert_eq!((talk.done[0].what, talk.done[0].result), ("attributes", "refused"));
}

#[test]
fn both_names_of_a_rename_must_be_allowed() {
    let mut talk = Talk::new(limited("/srv/**"), 1000);
    let rename = |id, from: &[u8], to: &[u8]| packet(RENAME, id, &[&string(from), &string(to)]);
    let name = string(b"posix-rename@openssh.com");
    let posix = packet(EXTENDED, 4, &[&name, &string(b"/srv/a"), &string(b"/etc/a")]);
    let good = rename(3, b"/srv/a", b"/srv/b");
    talk.asks(&[rename(1, b"/srv/a", b"/b"), rename(2, b"/a", b"/srv/b"), good.clone(), posix].concat()).unwrap();
    assert_eq!((talk.forwarded.clone(), talk.done.len()), (good, 3));
    talk.answers(&says(3, OK)).unwrap();
    let last = talk.done.last().unwrap();
    assert_eq!((last.what, last.result, last.to.clone().unwrap().bytes().clone()), ("rename", "ok", "/srv/b".into()));
}

#[test]
fn a_relative_path_begins_where_the_target_says() {
    let mut talk = Talk::new(limited("/home/app/in/**"), 1000);
    talk.asks(&[open(1, "in/a", 2), open(2, "out/a", 2)].concat()).unwrap();
    assert_eq!((talk.done.len(), talk.forwarded.clone()), (1, open(1, "in/a", 2)));
}

#[test]
fn an_extension_that_nobody_knows_is_not_supported() {
    let mut talk = Talk::new(Reach::default(), 1000);
    talk.asks(&packet(EXTENDED, 1, &[&string(b"copy-data"), &string(b"x")])).unwrap();
    assert_eq!(talk.replied, status(1, UNSUPPORTED, "sallyport: this extension is not carried"));
    assert!(talk.forwarded.is_empty());
}

#[test]
fn a_higher_version_is_offered_as_the_one_that_is_followed() {
    let mut conversation = Conversation::new(Reach::default());
    let passed = conversation.requests(&packet(INIT, 6, &[&string(b"ext"), &string(b"")]).into()).unwrap();
    assert_eq!(passed.forward.concat(), packet(INIT, 3, &[&string(b"ext"), &string(b"")]));
    assert_eq!(conversation.answers(packet(VERSION_IS, 6, &[]).into()).unwrap_err().0.split(' ').next(), Some("the"));
}

#[test]
fn what_is_no_sftp_is_no_conversation() {
    assert_eq!(Conversation::default().requests(&b"#!/bin/sh\nrm -rf /\n"[..].into()), Err(OTHER));
    assert_eq!(Conversation::default().answers(b"Welcome to db1!\n"[..].into()).unwrap_err(), OTHER);
    assert_eq!(
        Conversation::default().requests(&open(1, "/", 1).into()),
        Err(OTHER),
        "nothing comes before the version"
    );
    let mut talk = Talk::new(Reach::default(), 1000);
    talk.asks(&open(1, "/a", 1)).unwrap();
    assert!(talk.asks(&open(1, "/b", 1)).is_err(), "one number for two requests");
    assert!(Talk::new(Reach::default(), 9).answers(&says(9, OK)).is_err(), "an answer to nothing");
    let mut wrong = write(2, "h", 0, b"abc");
    wrong[13 + 1 + 11] = 200;
    let mut talk = Talk::new(Reach::default(), 1000);
    talk.asks(&open(1, "/a", 2)).unwrap();
    talk.answers(&gives(1, "h")).unwrap();
    assert!(talk.asks(&wrong).is_err(), "two lengths that differ");
}

#[test]
fn what_is_remembered_of_a_flood_is_bounded() {
    let mut talk = Talk::new(Reach::default(), 1 << 20);
    let flood = (0..100_000_u32).map(|id| packet(STAT, id, &[&string(b"/")])).collect::<Vec<_>>().concat();
    assert!(talk.asks(&flood).is_err());
    let path = "a".repeat(4096);
    let mut talk = Talk::new(Reach::default(), 1 << 20);
    let opened = (0..2000_u32).try_for_each(|id| {
        talk.asks(&open(id, &path, 1))?;
        talk.answers(&gives(id, &id.to_string()))
    });
    assert!(opened.is_err());
}

#[test]
fn what_is_open_at_the_end_is_told_as_that() {
    let mut talk = Talk::new(Reach::default(), 1000);
    talk.asks(&open(1, "/a", 2)).unwrap();
    talk.answers(&gives(1, "h")).unwrap();
    talk.asks(&write(2, "h", 0, b"half")).unwrap();
    let open = talk.conversation.end();
    assert_eq!((open[0].result, open[0].written.clone().unwrap().bytes), ("not closed", 4));
    assert!(talk.conversation.end().is_empty());
}

#[test]
fn our_own_answer_waits_for_the_end_of_the_targets() {
    let mut talk = Talk::new(Reach::default(), 1000);
    assert!(talk.conversation.is_between());
    talk.asks(&packet(STAT, 1, &[&string(b"/a")])).unwrap();
    let answer = says(1, OK);
    let (half, rest) = answer.split_at(15);
    talk.answers(half).unwrap();
    assert!(!talk.conversation.is_between());
    talk.answers(rest).unwrap();
    assert!(talk.conversation.is_between());
}
