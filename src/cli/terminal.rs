//! What a terminal is told, asked and set to.
//!
//! Nothing here steers a terminal with text from outside: that text goes through `printable` first.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};

use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};

use super::Error;

/// The longest line of text from outside.
const LINE_LIMIT: usize = 4096;

/// To standard output. A closed one is an error: whoever reads a half may take it for the whole.
pub(super) fn out(text: &str) -> Result<(), Error> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()).map_err(Error::Terminal)
}

/// To standard error. Nobody may be listening.
pub(super) fn err(text: &str) {
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

/// Whether standard output is a terminal that takes colour.
pub(super) fn is_styled() -> bool {
    io::stdout().is_terminal()
}

/// Whether a person can be asked.
pub(super) fn can_ask() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Asks on standard error for a line; an empty one is `default`.
pub(super) fn ask(question: &str, default: Option<&str>) -> Result<String, Error> {
    loop {
        match default {
            Some(default) => err(&format!("{question} [{default}]: ")),
            None => err(&format!("{question}: ")),
        }
        let mut line = String::new();
        if io::stdin().lock().read_line(&mut line).map_err(Error::Terminal)? == 0 {
            return Err(Error::Declined);
        }
        match (line.trim(), default) {
            ("", None) => {}
            ("", Some(default)) => return Ok(default.to_owned()),
            (text, _) => return Ok(text.to_owned()),
        }
    }
}

/// Asks for a yes. Without somebody to ask, `mend` says how to say it beforehand.
pub(super) fn confirm(question: &str, mend: &'static str) -> Result<(), Error> {
    if !can_ask() {
        return Err(Error::Missing { what: "a yes", mend });
    }
    match ask(&format!("{question} (yes or no)"), Some("no"))?.to_ascii_lowercase().as_str() {
        "y" | "yes" => Ok(()),
        _ => Err(Error::Declined),
    }
}

/// Text from outside, fit for a terminal. What is not ASCII stays if it is a letter: people have names.
pub(super) fn printable(text: &str) -> String {
    let plain = |c: char| matches!(c, ' '..='~') || c.is_alphanumeric() || "…–—’".contains(c);
    let shown = |c: char| if plain(c) { c.to_string() } else { c.escape_unicode().to_string() };
    text.chars().take(LINE_LIMIT).map(shown).collect()
}

/// Standard input gives each key at once and shows none, until this is dropped.
pub(super) struct Raw {
    before: Termios,
}

impl Raw {
    pub(super) fn begin() -> Result<Self, Error> {
        let failed = |error: rustix::io::Errno| Error::Terminal(error.into());
        let before = tcgetattr(io::stdin()).map_err(failed)?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(io::stdin(), OptionalActions::Drain, &raw).map_err(failed)?;
        Ok(Self { before })
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        // A terminal that is gone needs nothing.
        let _ = tcsetattr(io::stdin(), OptionalActions::Drain, &self.before);
    }
}
