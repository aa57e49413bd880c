//! A command line, from text to words to a command. Pure.
//!
//! Words are split as a shell splits them, and nothing else of a shell is there: no variables, no
//! patterns, no pipes, no second command.

use std::time::Duration;

use clap::error::ErrorKind;
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use thiserror::Error;

use super::approvals::{Approvals, Approve, Deny};
use super::evidence::EvidenceCommand;
use super::explain::Explain;
use super::glass::BreakGlass;
use crate::domain::session::SessionId;
use crate::domain::{Timestamp, parse_span, printable};
use crate::recording::Format;

/// What the console can be asked.
#[derive(Clone, Debug, PartialEq, Subcommand)]
pub(super) enum Command {
    /// This list, or one command in full.
    Help {
        /// The command to explain, such as `sessions show`.
        #[arg(value_name = "COMMAND", num_args = 0..=2)]
        about: Vec<String>,
        #[command(flatten)]
        form: Form,
    },
    /// Who you are here, by which sign-in, and until when.
    Whoami(Form),
    /// Where you may go, with the ssh line for each. A command is judged as `true` would be.
    #[command(args_conflicts_with_subcommands = true)]
    Targets {
        #[command(subcommand)]
        command: Option<TargetsCommand>,
        #[command(flatten)]
        form: Form,
    },
    /// What a target needs so that it lets this bastion in: to paste, as Ansible tasks, or as cloud-init.
    Trust(Trust),
    /// The certificate that you showed.
    Certificate(Form),
    /// Plain keys that stand for you since you signed in with them.
    #[command(args_conflicts_with_subcommands = true)]
    Keys {
        #[command(subcommand)]
        command: Option<KeysCommand>,
        #[command(flatten)]
        form: Form,
    },
    /// Sessions, newest first: your own, and whatever else policy lets you review.
    #[command(args_conflicts_with_subcommands = true)]
    Sessions {
        #[command(subcommand)]
        command: Option<SessionsCommand>,
        #[command(flatten)]
        list: List,
    },
    /// Replay a session; with keys in a terminal (ssh -t), else its text at its speed.
    Play(Play),
    /// A session's recording, to standard output.
    Export(Export),
    /// What the rules would answer you, by which of them, how a command is read, and what came near. Runs nothing.
    Explain(Explain),
    /// Requests that wait for people: your own, and those that you may vote on.
    Approvals(Approvals),
    /// Agree to a request; in a terminal (ssh -t) it is shown first.
    Approve(Approve),
    /// Say no to a request.
    Deny(Deny),
    /// Past approval, loudly: a shell at once, people alerted, a review afterwards. Needs a terminal (ssh -t).
    BreakGlass(BreakGlass),
    /// Put somebody out at once: an identity, one certificate, or one key id; what runs under it ends.
    Revoke(Revoke),
    /// Let a revoked identity sign in again. Certificates that were void stay void.
    Reinstate(Reinstate),
    /// Evidence for people who do not trust this bastion.
    Evidence {
        #[command(subcommand)]
        command: EvidenceCommand,
    },
    /// Leave.
    #[command(hide = true)]
    Exit,
}

/// Below `targets`.
#[derive(Clone, Debug, PartialEq, Subcommand)]
pub(super) enum TargetsCommand {
    /// Sign in at each target as each login that is open to you, run `echo` there, and say what to change. Each try is
    /// a session of yours, recorded like any other.
    Check(TargetsCheck),
}

/// Which targets to try.
#[derive(Args, Clone, Debug, PartialEq)]
pub(super) struct TargetsCheck {
    /// Only these.
    #[arg(value_name = "TARGET")]
    pub(super) names: Vec<String>,
    #[command(flatten)]
    pub(super) form: Form,
}

/// For which target, and in which form.
#[derive(Args, Clone, Debug, PartialEq)]
pub(super) struct Trust {
    /// With this target's own lines.
    pub(super) target: Option<String>,
    /// shell: a block to paste as root. ansible: tasks. cloud-init: user data.
    #[arg(long, default_value = "shell", value_parser = ["shell", "ansible", "cloud-init"], conflicts_with = "json")]
    pub(super) format: String,
    #[command(flatten)]
    pub(super) form: Form,
}

/// Below `sessions`.
#[derive(Clone, Debug, PartialEq, Subcommand)]
pub(super) enum SessionsCommand {
    /// The same as `sessions` alone.
    List(List),
    /// One session: how it went, its recording, and its records in the ledger.
    Show {
        /// As `sessions` lists it.
        #[arg(value_parser = session)]
        id: SessionId,
        #[command(flatten)]
        form: Form,
    },
}

/// Below `keys`.
#[derive(Clone, Debug, PartialEq, Subcommand)]
pub(super) enum KeysCommand {
    /// The same as `keys` alone.
    List(Form),
    /// Forget a key at once; what runs under it ends.
    Drop(DropKeys),
}

/// Which keys.
#[derive(Args, Clone, Debug, PartialEq)]
pub(super) struct DropKeys {
    /// Its fingerprint, as `keys` lists it.
    #[arg(value_name = "FINGERPRINT", required_unless_present = "all")]
    pub(super) key: Option<String>,
    /// All of yours.
    #[arg(long, conflicts_with = "key")]
    pub(super) all: bool,
    #[command(flatten)]
    pub(super) form: Form,
}

/// The form of an answer.
#[derive(Args, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Form {
    /// Answer as JSON.
    #[arg(long)]
    pub(super) json: bool,
}

/// Which sessions.
#[derive(Args, Clone, Debug, PartialEq)]
pub(super) struct List {
    /// Whose: part of a name.
    #[arg(long, value_name = "TEXT")]
    pub(super) who: Option<String>,
    /// Where: a target's name.
    #[arg(long, value_name = "NAME")]
    pub(super) target: Option<String>,
    /// Begun since then: a date (2026-01-31), a time (2026-01-31T08:00:00Z) or a span (30m, 12h, 7d).
    #[arg(long, value_name = "WHEN", value_parser = since)]
    pub(super) since: Option<Since>,
    /// At most so many.
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub(super) limit: u16,
    #[command(flatten)]
    pub(super) form: Form,
}

/// A point in time, as people say it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Since {
    /// So long ago.
    Ago(Duration),
    /// Then.
    At(Timestamp),
}

impl Since {
    /// Which moment that is.
    pub(super) fn moment(self, now: Timestamp) -> Timestamp {
        match self {
            Self::Ago(span) => now.minus(span),
            Self::At(time) => time,
        }
    }
}

/// How to replay.
#[derive(Args, Clone, Debug, PartialEq)]
pub(super) struct Play {
    /// As `sessions` lists it.
    #[arg(value_parser = session)]
    pub(super) id: SessionId,
    /// So many times as fast. Without a terminal everything comes at once unless this is given.
    #[arg(long, value_name = "N", value_parser = speed)]
    pub(super) speed: Option<f64>,
    /// No pause longer than so many seconds.
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub(super) idle_limit: Option<Duration>,
    /// Show what was put in, too.
    #[arg(long)]
    pub(super) input: bool,
}

/// What to export.
#[derive(Args, Clone, Debug, PartialEq)]
pub(super) struct Export {
    /// As `sessions` lists it.
    #[arg(value_parser = session)]
    pub(super) id: SessionId,
    /// raw: exactly what is stored (zstd -dc makes text of it). v2: asciicast v2 that every player takes.
    #[arg(long, value_parser = format)]
    pub(super) format: Format,
}

/// Whom to put out, and why.
#[derive(Args, Clone, Debug, PartialEq)]
pub(super) struct Revoke {
    /// An identity (corp:00u1abcd, as `whoami` has it), a serial, a key id (sp1:...), or a name that only one goes by.
    #[arg(value_name = "WHOM", required_unless_present = "list")]
    pub(super) whom: Option<String>,
    /// Why. It goes into the ledger.
    #[arg(long, value_name = "TEXT", required_unless_present = "list", value_parser = reason)]
    pub(super) reason: Option<String>,
    /// Say what is revoked instead.
    #[arg(long, conflicts_with_all = ["whom", "reason"])]
    pub(super) list: bool,
    #[command(flatten)]
    pub(super) form: Form,
}

/// Whom to let in again, and why.
#[derive(Args, Clone, Debug, PartialEq)]
pub(super) struct Reinstate {
    /// The identity, as `revoke --list` has it.
    pub(super) whom: String,
    /// Why. It goes into the ledger.
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    pub(super) reason: String,
    #[command(flatten)]
    pub(super) form: Form,
}

#[derive(Parser)]
#[command(
    no_binary_name = true,
    disable_help_subcommand = true,
    disable_version_flag = true,
    color = clap::ColorChoice::Never,
    override_usage = "COMMAND [OPTIONS]",
    about = None
)]
struct Root {
    #[command(subcommand)]
    command: Command,
}

/// The longest command line.
pub(super) const LIMIT_BYTES: usize = 4096;
/// The most words of one.
const LIMIT_WORDS: usize = 64;

/// What a command line says. `None`: nothing at all.
pub(super) fn parse(line: &str, width: u16) -> Result<Option<Command>, NotOne> {
    let words = split(line)?;
    if words.is_empty() {
        return Ok(None);
    }
    let parsed = root(width).try_get_matches_from_mut(words).and_then(|matches| Root::from_arg_matches(&matches));
    match parsed {
        Ok(root) => Ok(Some(root.command)),
        Err(error) => match error.kind() {
            ErrorKind::DisplayHelp => Err(NotOne::Help(error.render().to_string())),
            _ => Err(NotOne::Usage(safe(&error.render().to_string()))),
        },
    }
}

/// The help of one command, or of all.
pub(super) fn help(about: &[String], width: u16) -> Option<String> {
    if about.is_empty() {
        return Some(root(width).render_help().to_string());
    }
    let words = about.iter().map(String::as_str).chain(["--help"]);
    match root(width).try_get_matches_from_mut(words) {
        Err(error) if error.kind() == ErrorKind::DisplayHelp => Some(error.render().to_string()),
        Err(_) | Ok(_) => None,
    }
}

/// Each command's words and what it is for.
pub(super) fn commands() -> Vec<(String, String)> {
    fn below(command: &clap::Command, path: &str, found: &mut Vec<(String, String)>) {
        for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set()) {
            let name = format!("{path}{}", sub.get_name());
            found.push((name.clone(), sub.get_about().map(ToString::to_string).unwrap_or_default()));
            below(sub, &format!("{name} "), found);
        }
    }
    let mut found = Vec::new();
    below(&Root::command(), "", &mut found);
    found
}

fn root(width: u16) -> clap::Command {
    // Not the width of whatever terminal this process has.
    Root::command().term_width(usize::from(width))
}

/// The parser quotes what it was given: nothing of that may steer a terminal.
fn safe(text: &str) -> String {
    let text = text.strip_prefix("error: ").unwrap_or(text).replace("subcommand", "command");
    text.lines().map(|line| printable(line, LIMIT_BYTES)).collect::<Vec<_>>().join("\n")
}

/// Splits a line into words: by blanks; `'…'` is literal; in `"…"` and outside a backslash takes the next
/// character as it is (inside only `"` and `\`).
fn split(line: &str) -> Result<Vec<String>, NotOne> {
    if line.len() > LIMIT_BYTES {
        return Err(NotOne::TooLong);
    }
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = line.trim_matches([' ', '\t', '\r', '\n']).chars().peekable();
    let mut quote = None;
    while let Some(c) = chars.next() {
        if c.is_control() && c != '\t' {
            return Err(NotOne::Control);
        }
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (Some('"'), '\\') if !matches!(chars.peek(), Some('"' | '\\')) => word.get_or_insert_default().push(c),
            (None | Some('"'), '\\') => word.get_or_insert_default().push(chars.next().ok_or(NotOne::Quote)?),
            (None, ' ' | '\t') => words.extend(word.take()),
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    match quote {
        Some(_) => Err(NotOne::Quote),
        None if words.len() > LIMIT_WORDS => Err(NotOne::TooLong),
        None => Ok(words),
    }
}

fn session(text: &str) -> Result<SessionId, String> {
    // People copy ids from where they were folded; there is still one spelling inside.
    SessionId::parse(&text.to_ascii_uppercase()).ok_or_else(|| "not a session's id; 'sessions' lists them".to_owned())
}

pub(super) fn reason(text: &str) -> Result<String, &'static str> {
    let text = text.trim();
    if text.is_empty() { Err("say why: it goes into the ledger") } else { Ok(text.to_owned()) }
}

pub(super) fn since(text: &str) -> Result<Since, String> {
    if let Some(span) = parse_span(text) {
        return Ok(Since::Ago(span));
    }
    let time = Timestamp::parse(text).or_else(|| Timestamp::parse(&format!("{text}T00:00:00Z")));
    time.map(Since::At).ok_or_else(|| "neither a date (2026-01-31) nor a span (30m, 12h, 7d)".to_owned())
}

fn speed(text: &str) -> Result<f64, String> {
    text.parse()
        .ok()
        .filter(|speed| (0.1..=64.0).contains(speed))
        .ok_or_else(|| "not a number from 0.1 to 64".to_owned())
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().filter(|seconds| (0.0..=86_400.0).contains(seconds));
    seconds.map(Duration::from_secs_f64).ok_or_else(|| "not a number of seconds".to_owned())
}

fn format(text: &str) -> Result<Format, String> {
    Format::parse(text).ok_or_else(|| "either raw or v2".to_owned())
}

/// Why a line is no command that can be run.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(super) enum NotOne {
    /// It asks for help with `--help`; this is it.
    #[error("{0}")]
    Help(String),
    /// It does not fit; this says where.
    #[error("{0}")]
    Usage(String),
    /// A quote is not closed.
    #[error("a quote is not closed")]
    Quote,
    /// Control characters.
    #[error("the command line has a control character; give one command, on one line")]
    Control,
    /// Over the limit.
    #[error("the command line is longer than {LIMIT_BYTES} bytes or {LIMIT_WORDS} words")]
    TooLong,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn words(line: &str, expect: &[&str]) {
        assert_eq!(split(line).unwrap(), expect, "{line}");
    }

    fn command(line: &str) -> Command {
        parse(line, 80).unwrap().unwrap()
    }

    fn fault(line: &str) -> String {
        parse(line, 80).unwrap_err().to_string()
    }

    #[test]
    fn words_are_split_at_blanks_outside_quotes() {
        words("", &[]);
        words(" \t ", &[]);
        words("sessions  list\t--who alice\r\n", &["sessions", "list", "--who", "alice"]);
        words("--who 'a  b' \"c \\\" d\" e\\ f", &["--who", "a  b", "c \" d", "e f"]);
        words("'' a''b \"\\x\"", &["", "ab", "\\x"]);
    }

    #[test]
    fn nothing_of_a_shell_is_expanded() {
        words("$HOME `id` * ~ $(id)", &["$HOME", "`id`", "*", "~", "$(id)"]);
        assert!(fault("whoami | cat").contains("'|'"), "{}", fault("whoami | cat"));
        assert!(fault("whoami; targets").contains("whoami;"));
    }

    #[test]
    fn a_line_that_is_open_long_or_not_one_line_is_refused() {
        assert_eq!(parse("play 'x", 80), Err(NotOne::Quote));
        assert_eq!(parse("play x\\", 80), Err(NotOne::Quote));
        assert_eq!(parse("whoami\ntargets", 80), Err(NotOne::Control));
        assert_eq!(parse("whoami \x1b[2J", 80), Err(NotOne::Control));
        assert_eq!(parse(&"x".repeat(4097), 80), Err(NotOne::TooLong));
        assert_eq!(parse(&"x ".repeat(65), 80), Err(NotOne::TooLong));
    }

    #[test]
    fn what_a_usage_error_quotes_cannot_steer_a_terminal() {
        let text = fault("\u{202e}help");
        assert!(text.starts_with("unrecognized command '\\u{202e}help'"), "{text}");
        assert!(text.is_ascii());
    }

    #[test]
    fn sessions_alone_lists_them() {
        let Command::Sessions { command: None, list } = command("sessions --who alice --limit 7 --json") else {
            panic!()
        };
        assert_eq!((list.who.as_deref(), list.limit, list.form.json), (Some("alice"), 7, true));
        let Command::Sessions { command: Some(SessionsCommand::List(same)), .. } =
            command("sessions list --who alice --limit 7 --json")
        else {
            panic!()
        };
        assert_eq!(same, list);
    }

    #[test]
    fn a_moment_is_a_date_a_time_or_a_span() {
        let now = Timestamp::from_secs(1_800_000_000);
        assert_eq!(since("30m").unwrap().moment(now), Timestamp::from_secs(1_800_000_000 - 1800));
        assert_eq!(since("2026-01-31").unwrap().moment(now).to_string(), "2026-01-31T00:00:00.000000Z");
        assert_eq!(since("2026-01-31T08:00:00Z").unwrap().moment(now).to_string(), "2026-01-31T08:00:00.000000Z");
        for text in ["yesterday", "2026-13-01", "-3h", ""] {
            assert!(since(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_id_may_be_typed_in_lower_case() {
        let id = SessionId::from_parts(Timestamp::from_secs(1_800_000_000), 7);
        let play = command(&format!("play {} --speed 2 --idle-limit 0.5 --input", id.to_string().to_lowercase()));
        let expect = Play { id, speed: Some(2.0), idle_limit: Some(Duration::from_millis(500)), input: true };
        assert_eq!(play, Command::Play(expect));
        assert!(fault("play 1").contains("'sessions' lists them"));
        assert!(fault(&format!("play {id} --speed 1000")).contains("from 0.1 to 64"));
    }

    #[test]
    fn help_lists_every_command_and_explains_each() {
        let all = help(&[], 80).unwrap();
        for (name, about) in commands() {
            let first = name.split(' ').next().unwrap();
            assert!(all.contains(first), "{name}");
            assert!(!about.is_empty(), "{name}");
            let words: Vec<String> = name.split(' ').map(str::to_owned).collect();
            assert!(help(&words, 80).unwrap().contains("Usage: "), "{name}");
        }
        assert!(matches!(parse("play --help", 80), Err(NotOne::Help(text)) if text.contains("--speed")));
        assert_eq!(help(&["fly".to_owned()], 80), None);
    }
}
