//! Programs that run another program: sudo and its kin, nohup, timeout and the like.
//!
//! A wrapper is taken off only with the options listed here. Any other option, or none of them where it matters, and the
//! whole line is opaque.

use super::shell::{Why, Word};

/// What a program runs.
pub(super) enum Inner<'a> {
    /// Nothing but itself, as far as is known.
    Itself,
    /// These words, as a command.
    Command(&'a [Word]),
    /// This text, by a shell.
    Text(&'a str),
}

struct Wrapper {
    name: &'static str,
    /// Options without a value.
    flags: &'static [&'static str],
    /// Options whose value is the next word.
    valued: &'static [&'static str],
    /// Words between the options and the command.
    operands: usize,
}

const WRAPPERS: &[Wrapper] = &[
    Wrapper {
        name: "sudo",
        flags: &["-n", "-H", "-S", "-nH", "-Hn", "--non-interactive", "--set-home", "--stdin"],
        valued: &[],
        operands: 0,
    },
    Wrapper { name: "doas", flags: &["-n"], valued: &[], operands: 0 },
    Wrapper { name: "pkexec", flags: &["--disable-internal-agent"], valued: &[], operands: 0 },
    Wrapper { name: "nohup", flags: &[], valued: &[], operands: 0 },
    Wrapper { name: "setsid", flags: &["-f", "-w", "-c", "--fork", "--wait", "--ctty"], valued: &[], operands: 0 },
    Wrapper { name: "nice", flags: &[], valued: &["-n"], operands: 0 },
    Wrapper { name: "ionice", flags: &["-t"], valued: &["-c", "-n"], operands: 0 },
    Wrapper { name: "timeout", flags: &["--foreground", "--preserve-status"], valued: &["-s", "-k"], operands: 1 },
    Wrapper {
        name: "stdbuf",
        flags: &["-oL", "-eL", "-iL", "-o0", "-e0", "-i0"],
        valued: &["-o", "-e", "-i"],
        operands: 0,
    },
    Wrapper { name: "command", flags: &[], valued: &[], operands: 0 },
    Wrapper { name: "env", flags: &[], valued: &[], operands: 0 },
    Wrapper { name: "busybox", flags: &[], valued: &[], operands: 0 },
];

/// Programs that give another account's rights.
const ELEVATING: [&str; 8] = ["sudo", "doas", "su", "pkexec", "runuser", "sudoedit", "run0", "machinectl"];

/// Whether a program gives another account's rights.
pub(super) fn elevates(name: &str) -> bool {
    ELEVATING.contains(&name)
}

/// What `name` runs with these arguments.
pub(super) fn unwrap<'a>(name: &str, arguments: &'a [Word]) -> Result<Inner<'a>, Why> {
    if name == "su" {
        return su(arguments);
    }
    let Some(wrapper) = WRAPPERS.iter().find(|wrapper| wrapper.name == name) else {
        return match elevates(name) {
            true => Err("it changes the account in a way that is not followed"),
            false => Ok(Inner::Itself),
        };
    };
    let mut rest = arguments;
    while let Some((word, after)) = rest.split_first() {
        let text = word.text.as_str();
        if text == "--" {
            rest = after;
            break;
        } else if wrapper.flags.contains(&text) {
            rest = after;
        } else if wrapper.valued.contains(&text) {
            rest = after.get(1..).ok_or(OPTION)?;
        } else if text.starts_with('-') {
            return Err(OPTION);
        } else {
            break;
        }
    }
    let command = rest.get(wrapper.operands..).unwrap_or_default();
    match command.first() {
        // `env` alone prints the environment, `sudo` alone its help.
        None if arguments.is_empty() => Ok(Inner::Itself),
        None => Err("a wrapper has no command"),
        Some(word) if word.text.contains('=') => Err("it sets a variable first"),
        Some(_) => Ok(Inner::Command(command)),
    }
}

const OPTION: Why = "a wrapper has an option that is not followed";

/// `su [-] [ACCOUNT] -c TEXT`, in this order and no other.
fn su(arguments: &[Word]) -> Result<Inner<'_>, Why> {
    let mut rest = arguments;
    if let Some((word, after)) = rest.split_first()
        && ["-", "-l", "--login"].contains(&word.text.as_str())
    {
        rest = after;
    }
    if let Some((word, after)) = rest.split_first()
        && !word.text.starts_with('-')
    {
        rest = after;
    }
    match rest {
        [option, text] if option.text == "-c" => Ok(Inner::Text(&text.text)),
        _ => Err("it changes the account in a way that is not followed"),
    }
}
