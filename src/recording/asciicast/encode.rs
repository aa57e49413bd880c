//! Events to lines.
//!
//! Nothing is lost: bytes that are not UTF-8 are kept exactly by a `b` line after an `o` or `i` line
//! that shows the same stretch with replacement characters, or nothing where the stretch is binary.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use super::{Event, MARKER_LIMIT_BYTES, Stream};

/// Writes event lines. Carries what must be known from one event to the next, frame or not.
#[derive(Debug, Default)]
pub struct Encoder {
    last_us: u64,
    /// What the text says so far; absent until the first `s`.
    announced: Option<Stream>,
    /// Whether this frame says it too, so that it can be read from its begin.
    announced_here: bool,
    tail: Option<Tail>,
    counts: BTreeMap<&'static str, u64>,
}

/// The begin of a character whose end is still to come.
#[derive(Debug)]
struct Tail {
    source: Source,
    us: u64,
    bytes: Vec<u8>,
}

/// Each is UTF-8 of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    Output(Stream),
    Input,
}

impl Encoder {
    /// At the begin of a recording.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends the lines of `event` to `out`. A time before the last one is taken as the last one.
    ///
    /// Of a stream, callers pass at most [`super::PIECE_LIMIT_BYTES`] at once if they need a bound on a line.
    pub fn event(&mut self, at: Duration, event: &Event, out: &mut Vec<u8>) {
        self.last_us = self.last_us.max(u64::try_from(at.as_micros()).unwrap_or(u64::MAX));
        let us = self.last_us;
        match event {
            Event::Output(stream, bytes) => self.bytes(us, Source::Output(*stream), bytes, out),
            Event::Input(bytes) => self.bytes(us, Source::Input, bytes, out),
            Event::Resize(size) => {
                self.settle(out);
                self.line(us, "r", &format!("{}x{}", size.cols, size.rows), out);
            }
            Event::Marker(text) => {
                self.settle(out);
                self.line(us, "m", cut(text), out);
            }
        }
    }

    /// What follows begins a frame: it says again which stream the output is of, if that was ever a question.
    pub fn begin_frame(&mut self) {
        self.announced_here = false;
    }

    /// Whether the begin of a character waits for its end.
    pub fn has_tail(&self) -> bool {
        self.tail.is_some()
    }

    /// Writes the begin of a character that waits for its end as what it is so far: not UTF-8.
    pub fn settle(&mut self, out: &mut Vec<u8>) {
        if let Some(tail) = self.tail.take() {
            self.stretch(tail.us, tail.source, "\u{fffd}", &tail.bytes, out);
        }
    }

    /// How many lines of each code there are so far.
    pub fn counts(&self) -> &BTreeMap<&'static str, u64> {
        &self.counts
    }

    /// The time of the last event, in microseconds.
    pub fn last_us(&self) -> u64 {
        self.last_us
    }

    fn bytes(&mut self, us: u64, source: Source, bytes: &[u8], out: &mut Vec<u8>) {
        if bytes.is_empty() {
            return;
        }
        match self.tail.take_if(|tail| tail.source == source) {
            Some(mut tail) => {
                tail.bytes.extend_from_slice(bytes);
                self.judge(us, source, &tail.bytes, out);
            }
            None => {
                self.settle(out);
                self.judge(us, source, bytes, out);
            }
        }
    }

    fn judge(&mut self, us: u64, source: Source, bytes: &[u8], out: &mut Vec<u8>) {
        match std::str::from_utf8(bytes) {
            Ok(_) if is_blank(bytes) => self.stretch(us, source, "", bytes, out),
            Ok(text) => self.text(us, source, text, out),
            Err(_) if is_binary(bytes) => self.stretch(us, source, "", bytes, out),
            Err(_) => self.mixed(us, source, bytes, out),
        }
    }

    /// Text with a few bytes that are not: what is whole before and after them stays plain text.
    fn mixed(&mut self, us: u64, source: Source, bytes: &[u8], out: &mut Vec<u8>) {
        let (mut before, mut shown, mut after) = ("", String::new(), "");
        let (mut from, mut to, mut at) = (0, 0, 0);
        let mut tail = None;
        for chunk in bytes.utf8_chunks() {
            let (valid, invalid) = (chunk.valid(), chunk.invalid());
            at += valid.len() + invalid.len();
            // Only the last chunk can be whole, and only there more can follow.
            if invalid.is_empty() || (at == bytes.len() && is_begin_of_character(invalid)) {
                after = valid;
                tail = (!invalid.is_empty()).then(|| Tail { source, us, bytes: invalid.to_vec() });
                break;
            }
            if shown.is_empty() {
                before = valid;
                from = valid.len();
            } else {
                shown.push_str(valid);
            }
            shown.push(char::REPLACEMENT_CHARACTER);
            to = at;
        }
        self.text(us, source, before, out);
        if let Some(exact) = bytes.get(from..to).filter(|exact| !exact.is_empty()) {
            self.stretch(us, source, &shown, exact, out);
        }
        self.text(us, source, after, out);
        self.tail = tail;
    }

    fn text(&mut self, us: u64, source: Source, text: &str, out: &mut Vec<u8>) {
        if !text.is_empty() {
            let code = self.announce(us, source, out);
            self.line(us, code, text, out);
        }
    }

    fn stretch(&mut self, us: u64, source: Source, shown: &str, exact: &[u8], out: &mut Vec<u8>) {
        let code = self.announce(us, source, out);
        self.line(us, code, shown, out);
        self.open(us, "b", out);
        base64(exact, out);
        close(out);
    }

    /// Says on which stream the output is, where that is not clear yet. Gives the code.
    fn announce(&mut self, us: u64, source: Source, out: &mut Vec<u8>) -> &'static str {
        let Source::Output(stream) = source else { return "i" };
        let clear = match self.announced {
            None => stream == Stream::Stdout,
            Some(said) => said == stream && self.announced_here,
        };
        if !clear {
            self.announced = Some(stream);
            self.announced_here = true;
            let name = match stream {
                Stream::Stdout => "stdout",
                Stream::Stderr => "stderr",
            };
            self.line(us, "s", name, out);
        }
        "o"
    }

    fn line(&mut self, us: u64, code: &'static str, text: &str, out: &mut Vec<u8>) {
        self.open(us, code, out);
        escape(text, out);
        close(out);
    }

    fn open(&mut self, us: u64, code: &'static str, out: &mut Vec<u8>) {
        *self.counts.entry(code).or_default() += 1;
        let begin = format!("[{}.{:06}, \"{code}\", \"", us / 1_000_000, us % 1_000_000);
        out.extend_from_slice(begin.as_bytes());
    }
}

fn close(out: &mut Vec<u8>) {
    out.extend_from_slice(b"\"]\n");
}

/// Whether `bytes` would show nothing as text: one NUL in four, of 64 bytes and more. As text each
/// NUL takes six bytes.
fn is_blank(bytes: &[u8]) -> bool {
    bytes.len() >= 64 && bytes.contains(&0) && bytes.iter().filter(|b| **b == 0).count() > bytes.len() / 4
}

/// Whether `bytes`, which are not UTF-8, are no text at all: 64 bytes and more, with a NUL, or with
/// one byte in eight that is not UTF-8.
fn is_binary(bytes: &[u8]) -> bool {
    if bytes.len() < 64 {
        return false;
    }
    if bytes.contains(&0) {
        return true;
    }
    let bad: usize = bytes.utf8_chunks().map(|chunk| chunk.invalid().len()).sum();
    bad > bytes.len() / 8
}

fn is_begin_of_character(invalid: &[u8]) -> bool {
    std::str::from_utf8(invalid).is_err_and(|error| error.error_len().is_none())
}

fn cut(text: &str) -> &str {
    let end = (0..=text.len().min(MARKER_LIMIT_BYTES)).rev().find(|at| text.is_char_boundary(*at));
    text.get(..end.unwrap_or(0)).unwrap_or_default()
}

fn base64(bytes: &[u8], out: &mut Vec<u8>) {
    let begin = out.len();
    out.resize(begin + bytes.len().div_ceil(3) * 4, 0);
    let written = out.get_mut(begin..).and_then(|room| BASE64_STANDARD.encode_slice(bytes, room).ok());
    // The room is exactly what the encoding takes.
    out.truncate(begin + written.unwrap_or(0));
}

/// JSON string content. Beyond what JSON asks for, DEL and the C1 controls are escaped too: the raw
/// text is then safe to look at in a terminal.
pub(super) fn escape(text: &str, out: &mut Vec<u8>) {
    let special = |b: &u8| matches!(*b, ..0x20 | b'"' | b'\\' | 0x7f | 0xc2);
    out.reserve(text.len());
    let mut rest = text.as_bytes();
    while let Some(at) = rest.iter().position(special) {
        let (plain, from) = rest.split_at(at);
        out.extend_from_slice(plain);
        rest = match from {
            [b'"', rest @ ..] => short(b'"', rest, out),
            [b'\\', rest @ ..] => short(b'\\', rest, out),
            [b'\n', rest @ ..] => short(b'n', rest, out),
            [b'\r', rest @ ..] => short(b'r', rest, out),
            [b'\t', rest @ ..] => short(b't', rest, out),
            // C2 is the first byte of U+0080 to U+00BF; the first 32 of them are the C1 controls.
            [0xc2, c1 @ 0x80..=0x9f, rest @ ..] => long(*c1, rest, out),
            [0xc2, rest @ ..] => {
                out.push(0xc2);
                rest
            }
            [c0, rest @ ..] => long(*c0, rest, out),
            [] => from,
        };
    }
    out.extend_from_slice(rest);
}

fn short<'a>(letter: u8, rest: &'a [u8], out: &mut Vec<u8>) -> &'a [u8] {
    out.extend_from_slice(&[b'\\', letter]);
    rest
}

fn long<'a>(code: u8, rest: &'a [u8], out: &mut Vec<u8>) -> &'a [u8] {
    let digit = |nibble: u8| if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 };
    out.extend_from_slice(&[b'\\', b'u', b'0', b'0', digit(code >> 4), digit(code & 15)]);
    rest
}
