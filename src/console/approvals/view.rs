//! A request as an approver reads it: exact, with what could deceive the eye spelt out. Pure.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::{first, left};
use crate::domain::identity::Identity;
use crate::domain::session::{Action, TerminalSize};
use crate::domain::{Timestamp, printable};
use crate::policy::Reading;
use crate::session::Shown;

/// The longest value of a variable that is carried fits into this, spelt out.
const SHOWN: usize = 64 * 1024;
/// Shorter runs of blanks stay as they are: they cannot push anything off a screen.
const BLANKS: usize = 8;
/// What a CI system says of a run that an approver would want to know.
const RUN: [(&str, &str); 8] = [
    ("repository", "Repository"),
    ("project_path", "Project"),
    ("workflow", "Workflow"),
    ("run_id", "Run"),
    ("pipeline_id", "Pipeline"),
    ("ref", "Ref"),
    ("sha", "Commit"),
    ("actor", "Started by"),
];

/// All of it, a row for each thing.
pub(super) fn text(shown: &Shown, now: Timestamp) -> String {
    let Shown { request, reading, marked, before, written } = shown;
    let (subject, who) = (&request.subject, &request.caller);
    let mut text = String::new();
    let mut row = |name: &str, value: String| {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{name:<12}{value}");
    };
    row("Request", format!("{}, digest {}", request.id, first(request)));
    row("Who", format!("{} ({})", printable(&who.identity.name, 256), who.identity.principal()));
    for (name, value) in run(&who.identity) {
        row(name, value);
    }
    row("From", who.source.ip().to_string());
    row("Target", format!("{} at {}", printable(&subject.target, 256), printable(&subject.address, 256)));
    row("Login", printable(&subject.login, 64));
    match subject.action.command() {
        Some(command) => row("Command", exact(command.bytes())),
        None if subject.action == Action::Sftp => {
            row("Files", "by SFTP: which ones is not part of what you approve; each operation is recorded".to_owned());
        }
        None => row("Shell", "an interactive session: what is typed afterwards is not approved".to_owned()),
    }
    if let Some(reading) = reading {
        row("Read as", read_as(reading));
        for mark in marks(reading, marked) {
            row("Watch out", mark);
        }
    }
    for (name, value) in &subject.environment {
        row("With", format!("{}={}", printable(name, 256), printable(value, SHOWN)));
    }
    match &subject.terminal {
        Some(_) if subject.action.command().is_none() => {}
        Some(_) => row("Input", "a terminal: what is typed afterwards is not approved".to_owned()),
        None if subject.action == Action::Sftp => {}
        None if subject.open_input => {
            row("Input", "open: what is sent to it is neither shown here nor part of what you approve".to_owned());
        }
        None if subject.input.is_empty() => row("Input", "none".to_owned()),
        None => row("Input", format!("{} bytes: {}", subject.input.len(), exact(&subject.input))),
    }
    if let Some(window) = &subject.window {
        let classes = words(&window.classes);
        let span = window.span.as_secs();
        row(
            "And then",
            format!("any {classes} command of theirs there, without input, unasked for {span} s after its first run"),
        );
    }
    if let Some(reason) = &subject.reason {
        row("They say", printable(reason, SHOWN));
    }
    row("Held by", subject.rules.join(", "));
    for (at, began) in before.iter().enumerate() {
        let name = if at == 0 { "Before" } else { "" };
        let when = now.since(began.at).as_secs();
        row(name, format!("{} s ago, {}@{}: {}", when, began.login, printable(&began.target, 64), began.what));
    }
    for (at, wrote) in written.iter().enumerate() {
        let name = if at == 0 { "Written" } else { "" };
        row(name, format!("{} min ago, by {}: {}", now.since(wrote.at).as_secs() / 60, wrote.name, wrote.what));
    }
    row("Needs", format!("{} of {} approvals given", request.approvers().len(), request.terms.quorum));
    row("Time left", left(request, now));
    text
}

/// Which run of which pipeline.
fn run(identity: &Identity) -> impl Iterator<Item = (&'static str, String)> {
    RUN.iter().filter_map(|(claim, name)| Some((*name, printable(identity.claims.get(*claim)?, 256))))
}

fn read_as(reading: &Reading) -> String {
    let harmless = if reading.harmless { ", known to be harmless" } else { "" };
    format!("{}{harmless}", reading.form)
}

fn words(set: &BTreeSet<String>) -> String {
    set.iter().map(|word| printable(word, 128)).collect::<Vec<_>>().join(", ")
}

/// What is worth a second look.
fn marks(reading: &Reading, marked: &BTreeSet<String>) -> Vec<String> {
    let mut marks = Vec::new();
    if reading.elevated {
        marks.push("it asks for another account's rights".to_owned());
    }
    match (reading.classes.is_empty(), marked.is_empty()) {
        (true, true) => {}
        (true, false) => marks.push(words(marked)),
        (false, _) => marks.push(format!("{}: {}", words(&reading.classes), words(marked))),
    }
    if reading.is_opaque() {
        marks.push("what it does cannot be told from its text".to_owned());
    }
    marks
}

/// Bytes as they are, where they are printable ASCII; all else spelt out. A long run of blanks, which could push the
/// rest off the screen, is a count.
pub(super) fn exact(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(&counted(&printable(chunk.valid(), usize::MAX)));
        for byte in chunk.invalid() {
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    text
}

fn counted(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(' ') {
        let (before, from) = rest.split_at(at);
        let after = from.trim_start_matches(' ');
        let run = from.len() - after.len();
        out.push_str(before);
        if run < BLANKS {
            out.extend(std::iter::repeat_n(' ', run));
        } else {
            // No command can write this: its backslash would be two.
            let _ = write!(out, "\\{{{run} blanks}}");
        }
        rest = after;
    }
    out.push_str(rest);
    out
}

/// The text in pieces that fit a screen, its lines broken at the right margin. The last row is for the prompt.
pub(super) fn screens(text: &str, size: TerminalSize) -> Vec<String> {
    // A terminal of unknown size is taken to be small: more pages, nothing unseen.
    let cols = usize::from(if size.cols == 0 { 80 } else { size.cols });
    let rows = usize::from(if size.rows == 0 { 24 } else { size.rows }).saturating_sub(2).max(1);
    let mut lines = Vec::new();
    for line in text.lines() {
        // All of it is ASCII: a byte is a column.
        let mut rest = line;
        while let Some((row, more)) = rest.split_at_checked(cols).filter(|(_, more)| !more.is_empty()) {
            lines.push(row);
            rest = more;
        }
        lines.push(rest);
    }
    lines.chunks(rows).map(|rows| rows.iter().flat_map(|row| [*row, "\n"]).collect()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_approver_reads_is_what_would_run() {
        assert_eq!(exact(b"rm -rf /srv/old"), "rm -rf /srv/old");
        assert_eq!(
            exact("a\u{202e}b\u{200b}\n\t\x1b[2J\u{e9}".as_bytes()),
            "a\\u{202e}b\\u{200b}\\u{a}\\u{9}\\u{1b}[2J\\u{e9}"
        );
        assert_eq!(exact(b"a\xffb\\"), "a\\xffb\\\\");
    }

    #[test]
    fn blanks_cannot_push_the_rest_off_the_screen() {
        let padded = format!("ls{}; rm -rf /", " ".repeat(5000));
        assert_eq!(exact(padded.as_bytes()), "ls\\{5000 blanks}; rm -rf /");
        assert_eq!(exact(b"a       b  c"), "a       b  c");
        assert_eq!(exact(b"echo '\\{5000 blanks}'"), "echo '\\\\{5000 blanks}'");
    }

    #[test]
    fn a_long_text_is_paged_to_its_end() {
        let size = TerminalSize { cols: 10, rows: 5 };
        let text = format!("one\n{}\nlast\n", "x".repeat(35));
        let screens = screens(&text, size);
        assert_eq!(screens, ["one\nxxxxxxxxxx\nxxxxxxxxxx\n", "xxxxxxxxxx\nxxxxx\nlast\n"]);
        let all: String = screens.concat().replace('\n', "");
        assert_eq!(all, text.replace('\n', ""), "nothing is left out");
    }

    #[test]
    fn what_is_dangerous_is_pointed_at() {
        let set = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        let reading = Reading { elevated: true, classes: set(&["destructive"]), ..Reading::default() };
        let all = marks(&reading, &set(&["rm", "sudo"])).join("\n");
        assert!(
            all.contains("another account") && all.contains("destructive: rm, sudo") && all.contains("cannot be told")
        );
        assert!(
            marks(&Reading { form: crate::policy::Form::Simple, ..Reading::default() }, &BTreeSet::new()).is_empty()
        );
    }
}
