//! A console command's input and output, and what a terminal needs of us.
//!
//! We are the server: no terminal driver stands between, so a line's end is CR LF here, and Ctrl-C is a byte.

use std::collections::VecDeque;

use bytes::Bytes;
use tokio::sync::mpsc;

use super::Error;
use super::table::Look;
use crate::domain::session::{Stream, TerminalSize};

/// A console command's input and output. The other ends belong to whoever carries the bytes.
#[derive(Debug)]
pub struct Io {
    /// To the caller.
    pub out: mpsc::Sender<(Stream, Bytes)>,
    /// From the caller; closed once they are gone.
    pub input: mpsc::Receiver<Input>,
    /// The caller's terminal, if they have one.
    pub terminal: Option<TerminalSize>,
}

/// What comes from the caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// Typed or piped.
    Bytes(Bytes),
    /// No more comes.
    End,
    /// The terminal has a new size.
    Resize(TerminalSize),
}

/// The width that is written for where there is no terminal, or one of unknown size.
const WIDTH: u16 = 100;
/// Typed ahead while a command runs; more is forgotten.
const AHEAD_BYTES: usize = 4096;

/// The way out.
#[derive(Clone, Debug)]
pub(super) struct Say {
    out: mpsc::Sender<(Stream, Bytes)>,
    terminal: Option<TerminalSize>,
}

impl Say {
    /// To this sender; `terminal` decides how lines end.
    pub(super) fn new(out: mpsc::Sender<(Stream, Bytes)>, terminal: Option<TerminalSize>) -> Self {
        Self { out, terminal }
    }

    /// The caller's terminal.
    pub(super) fn terminal(&self) -> Option<TerminalSize> {
        self.terminal
    }

    /// How answers look.
    pub(super) fn look(&self) -> Look {
        self.terminal.map_or(Look::Plain, |_| Look::Terminal(self.width()))
    }

    /// How wide text is folded.
    pub(super) fn width(&self) -> u16 {
        self.terminal.map(|size| size.cols).filter(|cols| *cols > 0).unwrap_or(WIDTH)
    }

    /// Lines of an answer.
    pub(super) async fn out(&self, text: &str) -> Result<(), Error> {
        self.bytes(Stream::Stdout, self.lines(text).into()).await
    }

    /// Lines about an answer.
    pub(super) async fn err(&self, text: &str) -> Result<(), Error> {
        self.bytes(Stream::Stderr, self.lines(text).into()).await
    }

    /// Bytes as they are.
    pub(super) async fn bytes(&self, stream: Stream, bytes: Bytes) -> Result<(), Error> {
        if bytes.is_empty() {
            return Ok(());
        }
        self.out.send((stream, bytes)).await.map_err(|_| Error::Gone)
    }

    fn lines(&self, text: &str) -> String {
        match self.terminal {
            Some(_) => text.replace('\n', "\r\n"),
            None => text.to_owned(),
        }
    }
}

/// What is heard from the caller, byte by byte.
#[derive(Debug)]
pub(super) struct Ears<'a> {
    input: &'a mut mpsc::Receiver<Input>,
    ahead: VecDeque<u8>,
    terminal: Option<TerminalSize>,
    ended: bool,
}

/// Something heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// Typed or piped.
    Byte(u8),
    /// The terminal has a new size.
    Resize(TerminalSize),
    /// No more comes.
    End,
}

impl<'a> Ears<'a> {
    /// At this receiver.
    pub(super) fn new(input: &'a mut mpsc::Receiver<Input>, terminal: Option<TerminalSize>) -> Self {
        Self { input, ahead: VecDeque::new(), terminal, ended: false }
    }

    /// The terminal, as large as it is now.
    pub(super) fn terminal(&self) -> Option<TerminalSize> {
        self.terminal
    }

    /// The next thing. Loses nothing when it is dropped while it waits.
    pub(super) async fn next(&mut self) -> Heard {
        loop {
            if let Some(byte) = self.ahead.pop_front() {
                return Heard::Byte(byte);
            }
            if self.ended {
                return Heard::End;
            }
            if let Some(size) = self.wait().await {
                return Heard::Resize(size);
            }
        }
    }

    /// What has been heard already, without waiting.
    pub(super) fn heard(&mut self) -> Option<Heard> {
        while self.ahead.is_empty() && !self.ended {
            match self.input.try_recv() {
                Ok(input) => {
                    if let Some(size) = self.take(Some(input)) {
                        return Some(Heard::Resize(size));
                    }
                }
                Err(mpsc::error::TryRecvError::Empty) => return None,
                Err(mpsc::error::TryRecvError::Disconnected) => self.ended = true,
            }
        }
        self.ahead.pop_front().map(Heard::Byte)
    }

    /// Whether nothing more can be heard.
    pub(super) fn ended(&self) -> bool {
        self.ended && self.ahead.is_empty()
    }

    /// Waits until Ctrl-C is typed in a terminal, and forgets what was typed before it. Without a terminal it waits
    /// for ever: then a client that wants no more closes its channel.
    pub(super) async fn interrupted(&mut self) {
        if self.terminal.is_none() {
            return std::future::pending().await;
        }
        loop {
            if let Some(at) = self.ahead.iter().position(|byte| *byte == CTRL_C) {
                self.ahead.drain(..=at);
                return;
            }
            if self.ended {
                return std::future::pending().await;
            }
            self.wait().await;
            self.ahead.truncate(AHEAD_BYTES);
        }
    }

    async fn wait(&mut self) -> Option<TerminalSize> {
        let input = self.input.recv().await;
        self.take(input)
    }

    fn take(&mut self, input: Option<Input>) -> Option<TerminalSize> {
        match input {
            Some(Input::Bytes(bytes)) => self.ahead.extend(bytes),
            Some(Input::Resize(size)) => {
                self.terminal = self.terminal.map(|_| size);
                return self.terminal;
            }
            Some(Input::End) | None => self.ended = true,
        }
        None
    }
}

/// What Ctrl-C is without a terminal driver.
pub(super) const CTRL_C: u8 = 3;
