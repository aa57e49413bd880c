//! Channel requests → the closed set that is served; the rest is refused by name. Pure.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use russh::Pty;
use zeroize::Zeroizing;

use crate::domain::loan::{Loan, Loans};
use crate::domain::session::{Command, TerminalSize};
use crate::domain::{parse_span, printable};

/// A client's terminal, as `pty-req` of RFC 4254 §6.2 describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terminal {
    /// `TERM`, at most 64 bytes of printable ASCII.
    pub term: String,
    /// In characters.
    pub size: TerminalSize,
    /// In pixels: width and height.
    pub pixels: (u32, u32),
    /// Encoded terminal modes of RFC 4254 §8, without the end marker.
    pub modes: Vec<(Pty, u32)>,
}

impl Terminal {
    /// Takes what the library decoded. `None` if `TERM` could not be meant for a terminal.
    pub fn parse(term: &str, cols: u32, rows: u32, pixels: (u32, u32), modes: &[(Pty, u32)]) -> Option<Self> {
        let plain = term.len() <= 64 && term.bytes().all(|b| b.is_ascii_graphic());
        // The library puts the end marker in place of each opcode that it does not know; passed on, it would cut
        // off all modes behind it.
        let modes = modes.iter().filter(|(code, _)| *code != Pty::TTY_OP_END).copied().collect();
        plain.then(|| Self { term: term.to_owned(), size: size(cols, rows), pixels, modes })
    }
}

/// The command of an `exec`; the error is what the client hears.
///
/// `mosh` asks for its server by name and would then leave SSH for UDP, past the bastion. This is a word for people who
/// do not know that; what may run at a target is the policy's.
pub fn command(bytes: impl Into<Bytes>) -> Result<Command, String> {
    let command = Command::parse(bytes).map_err(|error| error.to_string())?;
    let program = command.bytes().split(|byte| *byte == b' ').find(|word| !word.is_empty()).unwrap_or_default();
    if program.rsplit(|byte| *byte == b'/').next() == Some(b"mosh-server") {
        return Err("mosh is not carried: it leaves SSH for UDP, past the bastion. Use ssh".to_owned());
    }
    Ok(command)
}

/// A size in characters; what does not fit sixteen bits is no terminal and counts as unknown.
pub fn size(cols: u32, rows: u32) -> TerminalSize {
    TerminalSize { cols: u16::try_from(cols).unwrap_or(0), rows: u16::try_from(rows).unwrap_or(0) }
}

/// The environment that a client asked for, split into what is passed on and what is dropped.
///
/// Bounded: what exceeds the bounds is dropped, and named as dropped while there is room for names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Environment {
    /// Name and value, in order.
    pub passed: Vec<(String, String)>,
    /// Names only.
    pub dropped: Vec<String>,
    /// Whether the client would lend its agent (`auth-agent-req@openssh.com`).
    pub agent: bool,
    /// The display that it would lend (`x11-req`).
    pub display: Option<Display>,
    /// `SALLYPORT_REASON`, meant for the bastion.
    pub reason: Option<String>,
    /// `SALLYPORT_WAIT`, meant for the bastion.
    pub wait: Option<String>,
    /// `SALLYPORT_UNMASK`, meant for the bastion.
    pub unmask: Option<String>,
}

/// A client's display, in the words of `x11-req` (RFC 4254, 6.3.1).
#[derive(Clone, PartialEq, Eq)]
pub struct Display {
    /// For one connection only.
    pub single: bool,
    /// How a program shows that it may come: `MIT-MAGIC-COOKIE-1`.
    pub protocol: String,
    /// With what, in hexadecimal digits. A stock client sends one that is good for this connection only.
    pub cookie: Zeroizing<String>,
    /// Which screen.
    pub screen: u32,
}

/// Longest name of a protocol, and cookie.
const PROTOCOL_BYTES: usize = 64;
const COOKIE_DIGITS: usize = 512;

impl Display {
    /// None if it is no such request: the target's server hands both words to a program.
    pub fn parse(single: bool, protocol: &str, cookie: &str, screen: u32) -> Option<Self> {
        let is_name = (1..=PROTOCOL_BYTES).contains(&protocol.len())
            && protocol.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        let is_cookie = cookie.len() <= COOKIE_DIGITS
            && cookie.len().is_multiple_of(2)
            && cookie.bytes().all(|b| b.is_ascii_hexdigit());
        let cookie = Zeroizing::new(cookie.to_owned());
        (is_name && is_cookie).then(|| Self { single, protocol: protocol.to_owned(), cookie, screen })
    }
}

/// Without its cookie.
impl fmt::Debug for Display {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { single, protocol, cookie: _, screen } = self;
        write!(f, "Display({protocol}, screen {screen}{})", if *single { ", once" } else { "" })
    }
}

/// What a client says to the bastion itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wishes {
    /// Why.
    pub reason: Option<String>,
    /// How long it would wait for people.
    pub wait: Option<Duration>,
    /// It asks for output without masking.
    pub unmask: bool,
}

/// How many variables are kept.
const VARIABLES: usize = 64;
/// Longest name and value.
const NAME_BYTES: usize = 128;
const VALUE_BYTES: usize = 4096;
/// Longest reason.
const REASON_BYTES: usize = 1024;

impl Environment {
    /// Adds one variable, if `allowed` (names, or prefixes that end with `*`) has its name.
    pub fn add(&mut self, name: &str, value: &str, allowed: &[String]) {
        // What is meant for the bastion ends here and is neither passed on nor worth a mark.
        if name.starts_with("SALLYPORT_") {
            // One byte over the limit is kept, so that too long is seen.
            let text = || Some(value.chars().take(REASON_BYTES + 1).collect());
            match name {
                "SALLYPORT_REASON" => self.reason = text(),
                "SALLYPORT_WAIT" => self.wait = text(),
                "SALLYPORT_UNMASK" => self.unmask = text(),
                _ => {}
            }
            return;
        }
        let fits = !name.is_empty()
            && name.len() <= NAME_BYTES
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
            && value.len() <= VALUE_BYTES
            && !value.contains('\0');
        if fits && self.passed.len() < VARIABLES && is_allowed(name, allowed) {
            self.passed.push((name.to_owned(), value.to_owned()));
        } else if self.dropped.len() < VARIABLES {
            self.dropped.push(name.chars().filter(char::is_ascii_graphic).take(NAME_BYTES).collect());
        }
    }
}

impl Environment {
    /// What the client would lend.
    pub fn lends(&self) -> Loans {
        let loans = [(Loan::Agent, self.agent), (Loan::Display, self.display.is_some())];
        loans.into_iter().filter(|(_, lends)| *lends).map(|(loan, _)| loan).collect()
    }

    /// What it says to the bastion itself; the error is what the client hears.
    pub fn wishes(&self) -> Result<Wishes, String> {
        let reason = self.reason.as_deref().map(str::trim).filter(|reason| !reason.is_empty());
        if reason.is_some_and(|reason| reason.len() > REASON_BYTES) {
            return Err(format!("SALLYPORT_REASON is longer than {REASON_BYTES} bytes: say it shorter"));
        }
        let span = |text: &str| {
            let what =
                || format!("SALLYPORT_WAIT cannot be '{}': write a span such as 10m or 90s", printable(text, 32));
            parse_span(text).ok_or_else(what)
        };
        let wait = self.wait.as_deref().filter(|text| !text.is_empty()).map(span).transpose()?;
        let unmask = match self.unmask.as_deref().unwrap_or_default() {
            "" | "0" => false,
            "1" => true,
            other => return Err(format!("SALLYPORT_UNMASK cannot be '{}': write 1", printable(other, 32))),
        };
        Ok(Wishes { reason: reason.map(str::to_owned), wait, unmask })
    }
}

fn is_allowed(name: &str, allowed: &[String]) -> bool {
    const ALWAYS: [&str; 4] = ["LANG", "LC_*", "TERM", "COLORTERM"];
    let matches = |pattern: &str| match pattern.strip_suffix('*') {
        Some(prefix) => name.starts_with(prefix),
        None => name == pattern,
    };
    ALWAYS.iter().any(|pattern| matches(pattern)) || allowed.iter().any(|pattern| matches(pattern))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_terminal_mode_does_not_cut_off_the_ones_behind_it() {
        let modes = [(Pty::VINTR, 3), (Pty::TTY_OP_END, 0), (Pty::ECHO, 1)];
        let terminal = Terminal::parse("xterm-256color", 80, 24, (0, 0), &modes).unwrap();
        assert_eq!(terminal.modes, [(Pty::VINTR, 3), (Pty::ECHO, 1)]);
        assert_eq!(terminal.size, TerminalSize { cols: 80, rows: 24 });
    }

    #[test]
    fn a_term_with_control_characters_is_refused() {
        assert_eq!(Terminal::parse("xterm\n", 80, 24, (0, 0), &[]), None);
        assert_eq!(Terminal::parse(&"x".repeat(65), 80, 24, (0, 0), &[]), None);
    }

    #[test]
    fn mosh_is_refused_by_name_and_what_only_mentions_it_is_not() {
        for line in ["mosh-server", "mosh-server new -c 256", "  /usr/bin/mosh-server new"] {
            assert!(command(line).unwrap_err().starts_with("mosh is not carried"), "{line}");
        }
        for line in ["which mosh-server", "mosh-servers", "mosh-server/x", ""] {
            assert_eq!(command(line).map(|command| command.bytes().to_vec()), Ok(line.as_bytes().to_vec()));
        }
    }

    #[track_caller]
    fn env(name: &str, value: &str, passed: bool) {
        let mut env = Environment::default();
        env.add(name, value, &["EDITOR".to_owned()]);
        assert_eq!(env.passed.len() == 1, passed, "{name:?}");
    }

    #[test]
    fn only_listed_variables_pass() {
        for name in ["LANG", "LC_ALL", "LC_", "TERM", "COLORTERM", "EDITOR"] {
            env(name, "x", true);
        }
        for name in ["LD_PRELOAD", "BASH_ENV", "PATH", "LANGUAGE", "EDITORS", "", "LC_A\nB", "SALLYPORT_REASON"] {
            env(name, "x", false);
        }
        env("LANG", "a\0b", false);
        env("LANG", &"x".repeat(5000), false);
    }

    #[test]
    fn what_is_meant_for_the_bastion_is_not_named_as_dropped() {
        let mut env = Environment::default();
        env.add("SALLYPORT_WAIT", "10m", &[]);
        env.add("LD_PRELOAD", "x", &[]);
        assert_eq!(env.dropped, ["LD_PRELOAD"]);
    }

    #[test]
    fn what_is_said_to_the_bastion_is_heard_or_refused_with_the_mend() {
        let said = |name: &str, value: &str| {
            let mut env = Environment::default();
            env.add(name, value, &[]);
            assert!(env.passed.is_empty() && env.dropped.is_empty());
            env.wishes()
        };
        let wait = |span| Ok(Wishes { wait: Some(Duration::from_secs(span)), ..Wishes::default() });
        assert_eq!(said("SALLYPORT_WAIT", "10m"), wait(600));
        assert_eq!(said("SALLYPORT_WAIT", ""), Ok(Wishes::default()));
        let wrong = "SALLYPORT_WAIT cannot be 'soon\\u{1b}': write a span such as 10m or 90s";
        assert_eq!(said("SALLYPORT_WAIT", "soon\x1b"), Err(wrong.to_owned()));
        let why = |text: &str| Ok(Wishes { reason: Some(text.into()), ..Wishes::default() });
        assert_eq!(said("SALLYPORT_REASON", " OPS-1234 "), why("OPS-1234"));
        assert_eq!(said("SALLYPORT_REASON", "  "), Ok(Wishes::default()));
        assert_eq!(said("SALLYPORT_UNMASK", "1"), Ok(Wishes { unmask: true, ..Wishes::default() }));
        assert_eq!(said("SALLYPORT_UNMASK", "0"), Ok(Wishes::default()));
        let wrong = "SALLYPORT_UNMASK cannot be 'yes': write 1";
        assert_eq!(said("SALLYPORT_UNMASK", "yes"), Err(wrong.to_owned()));
        assert_eq!(said("SALLYPORT_REASON", &"x".repeat(1024)), why(&"x".repeat(1024)));
        assert!(said("SALLYPORT_REASON", &"x".repeat(1025)).unwrap_err().contains("say it shorter"));
    }

    #[test]
    fn a_flood_of_variables_is_bounded() {
        let mut env = Environment::default();
        for n in 0..10_000 {
            env.add(&format!("LC_{n}"), "x", &[]);
        }
        assert_eq!((env.passed.len(), env.dropped.len()), (64, 64));
    }
}
