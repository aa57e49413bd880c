//! The bastion's own commands, over SSH.

use bytes::Bytes;
use tokio::sync::mpsc;

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
