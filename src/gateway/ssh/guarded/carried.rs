//! What a guarded prompt keeps from line to line, and the command that a line becomes. Pure.
//!
//! What is sent, decided, shown and recorded is the whole command, with the folder and the variables that it needs: no
//! state lives at the target that anybody would have to trust.

/// The folder and the variables of a prompt.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Carried {
    /// As written, from the login's home if it is not absolute. Empty is the home.
    dir: String,
    variables: Vec<(String, String)>,
}

/// What a line is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// Nothing to do.
    Nothing,
    /// Done here; nothing runs.
    Kept,
    /// Not done, and why.
    Refused(&'static str),
    /// To be asked for.
    Command(String),
    /// Whoever types wants to leave, with this status if they say so.
    Leave(Option<u32>),
}

/// Longest folder.
const DIR_BYTES: usize = 1024;
/// Most variables, and the longest value.
const VARIABLES: usize = 32;
const VALUE_BYTES: usize = 1024;

impl Carried {
    /// Reads a line.
    pub(super) fn line(&mut self, text: &str) -> Line {
        let text = text.trim();
        let (word, rest) = text.split_once(' ').map_or((text, ""), |(word, rest)| (word, rest.trim()));
        match (word, rest) {
            ("", _) => Line::Nothing,
            ("exit" | "logout", "") => Line::Leave(None),
            ("exit", code) if code.parse::<u8>().is_ok() => Line::Leave(code.parse().ok()),
            ("cd", "") => {
                self.dir.clear();
                Line::Kept
            }
            ("cd", "-") => Line::Refused("cd takes a path here; cd alone goes home"),
            ("cd", folder) if folder.starts_with('~') && !folder.contains(' ') => {
                Line::Refused("cd takes a path here; cd alone goes home")
            }
            // Whatever is more than one literal word is a command for the target's own shell.
            ("cd", folder) => match literal(folder) {
                Some(folder) => self.cd(&folder),
                None => self.command(text),
            },
            ("export", pair) => match pair.split_once('=').and_then(|(name, value)| Some((name, literal(value)?))) {
                Some((name, value)) => self.export(name, value),
                None => Line::Refused(
                    "export takes NAME=VALUE here, the value in quotes if it has blanks, and no expansion",
                ),
            },
            _ => self.command(text),
        }
    }

    /// The folder, as the prompt shows it.
    pub(super) fn dir(&self) -> &str {
        &self.dir
    }

    fn cd(&mut self, folder: &str) -> Line {
        let dir = match (folder.starts_with('/'), self.dir.as_str()) {
            (true, _) | (false, "") => folder.to_owned(),
            (false, dir) => format!("{dir}/{folder}"),
        };
        if dir.len() > DIR_BYTES {
            return Line::Refused("the path is too long: use an absolute one");
        }
        self.dir = dir;
        Line::Kept
    }

    fn export(&mut self, name: &str, value: String) -> Line {
        let first = name.bytes().next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_');
        if !first || name.len() > 64 || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
            return Line::Refused("that is no name for a variable");
        }
        if changes_meaning(name) {
            return Line::Refused("that variable would change what later lines mean, so it is not kept");
        }
        if value.len() > VALUE_BYTES {
            return Line::Refused("the value is longer than 1024 bytes");
        }
        self.variables.retain(|(known, _)| known != name);
        if self.variables.len() >= VARIABLES {
            return Line::Refused("32 variables are kept already");
        }
        self.variables.push((name.to_owned(), value));
        Line::Kept
    }

    fn command(&self, text: &str) -> Line {
        let mut command = String::new();
        if !self.dir.is_empty() {
            // Nothing of a line may run in a folder that it was not meant for.
            command.push_str(&format!("cd -- {} || exit; ", quoted(&self.dir)));
        }
        for (name, value) in &self.variables {
            command.push_str(&format!("export {name}={}; ", quoted(value)));
        }
        command.push_str(text);
        Line::Command(command)
    }
}

/// Whether a variable says how a shell or an interpreter reads what follows.
fn changes_meaning(name: &str) -> bool {
    let exact = ["PATH", "IFS", "PS4", "PROMPT_COMMAND", "SHELLOPTS", "BASHOPTS", "CDPATH", "HOME"];
    let prefixes = ["LD_", "GIT_", "PYTHON", "PERL", "RUBY", "NODE_", "BASH_", "SSH_"];
    exact.contains(&name) || name.ends_with("ENV") || prefixes.iter().any(|prefix| name.starts_with(prefix))
}

/// The one literal word that this is, without its quotes.
fn literal(text: &str) -> Option<String> {
    let within = |quote: char| text.strip_prefix(quote)?.strip_suffix(quote).filter(|inner| !inner.contains(quote));
    let inner = match (within('\''), within('"')) {
        (Some(inner), _) => return Some(inner.to_owned()),
        (_, Some(inner)) => inner,
        _ => text,
    };
    let quotes = inner.len() != text.len();
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"_-./:,+@%=".contains(&b) || (quotes && b == b' ');
    inner.bytes().all(plain).then(|| inner.to_owned())
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(lines: &[&str], last: &str) -> Line {
        let mut carried = Carried::default();
        for line in lines {
            assert_eq!(carried.line(line), Line::Kept, "{line}");
        }
        carried.line(last)
    }

    fn command(text: &str) -> Line {
        Line::Command(text.to_owned())
    }

    #[test]
    fn a_line_is_sent_as_it_is_with_what_it_needs_before_it() {
        assert_eq!(after(&[], "  ls -l  "), command("ls -l"));
        assert_eq!(after(&["cd /srv"], "ls"), command("cd -- '/srv' || exit; ls"));
        assert_eq!(after(&["cd srv", "cd a/b", "cd .."], "ls"), command("cd -- 'srv/a/b/..' || exit; ls"));
        assert_eq!(after(&["cd srv", "cd"], "ls"), command("ls"));
        assert_eq!(after(&["cd 'it is'"], "rm x; ls"), command("cd -- 'it is' || exit; rm x; ls"));
        assert_eq!(
            after(&["export A=1", "export B='x y'", "export A=2"], "env"),
            command("export B='x y'; export A='2'; env")
        );
    }

    #[test]
    fn what_is_not_literal_is_a_command_of_the_targets_shell() {
        for line in ["cd $HOME", "cd /srv && rm x", "cd `pwd`", "cd a b", "cd \"a$b\"", "cd '/a'; rm '/b'", "cdx /a"] {
            assert_eq!(after(&[], line), command(line), "{line}");
        }
        assert_eq!(after(&["cd 'a;b'"], "ls"), command("cd -- 'a;b' || exit; ls"));
        assert_eq!(after(&["cd 'a\"b'"], "ls"), command("cd -- 'a\"b' || exit; ls"));
    }

    #[test]
    fn what_would_change_the_meaning_of_later_lines_is_not_kept() {
        for line in [
            "export PATH=/tmp",
            "export LD_PRELOAD=/tmp/x",
            "export BASH_ENV=/x",
            "export ENV=/x",
            "export IFS=x",
            "export GIT_SSH=x",
            "export PYTHONPATH=/x",
            "export PERL5LIB=/x",
            "export PS4=x",
            "export X=$(id)",
            "export X",
            "export 1X=a",
            "export A-B=c",
            "cd -",
            "cd ~root",
        ] {
            assert!(matches!(after(&[], line), Line::Refused(_)), "{line}");
        }
    }

    #[test]
    fn leaving_says_with_what() {
        assert_eq!(after(&[], "exit"), Line::Leave(None));
        assert_eq!(after(&[], "exit 3"), Line::Leave(Some(3)));
        assert_eq!(after(&[], "exit 300"), command("exit 300"));
        assert_eq!(after(&[], "logout"), Line::Leave(None));
        assert_eq!(after(&[], "   "), Line::Nothing);
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let mut carried = Carried::default();
        for n in 0..VARIABLES {
            assert_eq!(carried.line(&format!("export A{n}=1")), Line::Kept);
        }
        assert!(matches!(carried.line("export MORE=1"), Line::Refused(_)));
        assert!(matches!(carried.line(&format!("cd /{}", "x".repeat(2000))), Line::Refused(_)));
        assert!(matches!(carried.line(&format!("export A0={}", "x".repeat(2000))), Line::Refused(_)));
    }
}
