//! What the audience sees: each step with the command that a user would type, what came back, and whether it held.
//!
//! Runs the stock `ssh` as a child, with nothing of this user's own configuration, keys or agent.

use std::io::{self, Write as _};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;
use tokio::time::timeout;

use super::Error;
use crate::domain::printable;

/// The audience, and what it was shown to fail.
pub(super) struct Stage {
    styled: bool,
    steps: usize,
    failed: Vec<String>,
}

/// What a command gave.
#[derive(Debug, Default)]
pub(super) struct Came {
    /// Its exit code; none if it was ended otherwise.
    pub(super) code: Option<i32>,
    pub(super) out: Vec<u8>,
    pub(super) err: Vec<u8>,
}

impl Came {
    pub(super) fn out(&self) -> String {
        String::from_utf8_lossy(&self.out).into_owned()
    }

    pub(super) fn err(&self) -> String {
        String::from_utf8_lossy(&self.err).into_owned()
    }
}

impl Stage {
    pub(super) fn new(styled: bool) -> Self {
        Self { styled, steps: 0, failed: Vec::new() }
    }

    /// What did not hold.
    pub(super) fn failed(&self) -> &[String] {
        &self.failed
    }

    pub(super) fn say(&self, text: &str) -> Result<(), Error> {
        let mut stdout = io::stdout().lock();
        stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()).map_err(Error::Output)
    }

    fn style(&self, code: &str, text: &str) -> String {
        if self.styled { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    /// Begins a step.
    pub(super) fn step(&mut self, title: &str) -> Result<(), Error> {
        self.steps += 1;
        self.say(&format!("\n{}\n", self.style("1", &format!("{}. {title}", self.steps))))
    }

    /// What a user would type.
    pub(super) fn typed(&self, command: &str) -> Result<(), Error> {
        let mut text = String::new();
        for (at, line) in command.lines().enumerate() {
            let sign = if at == 0 { "$ " } else { "> " };
            text += &format!("   {}\n", self.style("36", &format!("{sign}{line}")));
        }
        self.say(&text)
    }

    /// What came back: standard error is marked, and so is an exit code that says something.
    pub(super) fn came(&self, came: &Came) -> Result<(), Error> {
        let mut text = self.lines(&came.out(), "   ", "0");
        text += &self.lines(&came.err(), " ! ", "33");
        match came.code {
            Some(0) => {}
            Some(code) => text += &format!("   {}\n", self.style("2", &format!("(exit code {code})"))),
            None => text += "   (ended by a signal)\n",
        }
        self.say(&text)
    }

    /// Lines of text, as they are.
    pub(super) fn shows(&self, lines: &str) -> Result<(), Error> {
        self.say(&self.lines(lines, "   ", "0"))
    }

    fn lines(&self, text: &str, sign: &str, style: &str) -> String {
        let all: Vec<&str> = text.lines().collect();
        let mut shown = String::new();
        for line in all.iter().take(MOST_LINES) {
            // It doubles backslashes, so that none is ambiguous; here they are part of what a user would see.
            let line = printable(line.trim_end(), LINE_LIMIT).replace("\\\\", "\\");
            shown += &format!("{}\n", self.style(style, &format!("{sign}{line}")));
        }
        if all.len() > MOST_LINES {
            shown += &format!("   ... {} lines more\n", all.len() - MOST_LINES);
        }
        shown
    }

    /// Says whether it held.
    pub(super) fn check(&mut self, what: &str, held: bool) -> Result<(), Error> {
        let mark = if held { self.style("32", "ok") } else { self.style("1;31", "FAILED") };
        if !held {
            self.failed.push(format!("step {}: {what}", self.steps));
        }
        self.say(&format!("   {mark}  {what}\n"))
    }
}

/// The stock client with this config. `input` is its standard input; without any it is empty.
pub(super) async fn ssh(config: &Path, words: &[&str], input: &[u8]) -> Result<Came, Error> {
    let mut client = Command::new("ssh");
    client.arg("-F").arg(config).args(words);
    run(client, input).await
}

/// This very program.
pub(super) async fn ourselves(words: &[&str]) -> Result<Came, Error> {
    let path = std::env::current_exe().map_err(|source| Error::Child { program: "sallyport", source })?;
    let mut program = Command::new(path);
    program.args(words);
    run(program, b"").await
}

/// Python, if this machine has it.
pub(super) async fn python(words: &[&str]) -> Result<Option<Came>, Error> {
    let mut program = Command::new("python3");
    program.args(words);
    match run(program, b"").await {
        Err(Error::Child { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(None),
        came => came.map(Some),
    }
}

/// A script, by the shell that every machine has.
pub(super) async fn shell(script: &str, folder: &Path, names: &[(&str, &str)]) -> Result<Came, Error> {
    let mut program = Command::new("sh");
    program.current_dir(folder).envs(names.iter().copied());
    run(program, script.as_bytes()).await
}

async fn run(mut program: Command, input: &[u8]) -> Result<Came, Error> {
    let failed = |source| Error::Child { program: "child", source };
    let mut child = program
        .env_remove("SSH_AUTH_SOCK")
        .env_remove("SSH_ASKPASS")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(failed)?;
    let stdin = child.stdin.take();
    let input = async {
        if let Some(mut stdin) = stdin {
            // Who was refused reads nothing: its exit code says so better than our pipe.
            let _ = stdin.write_all(input).await;
        }
    };
    let both = async { tokio::join!(child.wait_with_output(), input).0 };
    let output = timeout(COMMAND_TIME, both).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
    let output = output.map_err(failed)?;
    Ok(Came { code: output.status.code(), out: output.stdout, err: output.stderr })
}

/// Which client there is.
pub(super) async fn ssh_version() -> Result<String, Error> {
    let output = Command::new("ssh").arg("-V").stdin(Stdio::null()).output().await.map_err(Error::NoSsh)?;
    Ok(printable(String::from_utf8_lossy(&output.stderr).trim(), LINE_LIMIT))
}

/// A word as a shell would need it.
pub(super) fn word(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"+-_./=:@%,".contains(&b);
    if !text.is_empty() && text.bytes().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}

const COMMAND_TIME: Duration = Duration::from_secs(60);
const MOST_LINES: usize = 24;
const LINE_LIMIT: usize = 240;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_quoted_where_a_shell_would_read_more_into_it() {
        assert_eq!(word("deploy+web1@demo"), "deploy+web1@demo");
        assert_eq!(word("echo out; exit 7"), "'echo out; exit 7'");
        assert_eq!(word("it's"), "'it'\\''s'");
        assert_eq!(word(""), "''");
    }

    #[test]
    fn what_did_not_hold_is_remembered_with_its_step() {
        let mut stage = Stage::new(false);
        stage.step("first").unwrap();
        stage.check("good", true).unwrap();
        stage.check("bad", false).unwrap();
        assert_eq!(stage.failed(), ["step 1: bad"]);
    }
}
