//! Files of command rules as written: `class`, `opaque`, `harmless`. Every fault in one go, each with its key path.

use super::{Faults, Shape, join, plain, read, table};
use crate::policy::{Class, Commands, Harmless, Pattern, Program};

/// The lists that come with the bastion.
pub const SHIPPED: &str = include_str!("../../../packaging/commands.toml");

table! {
    /// `[class.NAME]`
    RawClass {
        /// Programs, each perhaps with words that must stand among its arguments.
        programs: Vec<String>,
        /// Files that any word may name.
        paths: Vec<String>,
    }
    /// `[opaque]`
    RawOpaque {
        /// Programs that run text.
        programs: Vec<String>,
    }
    /// `[harmless."PROGRAM WORDS"]`
    RawHarmless {
        /// Options of one letter.
        letters: String,
        /// Further options.
        options: Vec<String>,
        /// Options that must be there.
        needs: Vec<String>,
        /// What else may stand there.
        operands: Vec<String>,
        /// What the first of them may be besides.
        first: String,
        /// Starts a pager in a terminal.
        pager: bool,
    }
    /// A whole file.
    RawCommands {
        /// `[class.NAME]`
        class: toml::Table,
        /// `[opaque]`
        opaque: RawOpaque,
        /// `[harmless."PROGRAM WORDS"]`
        harmless: toml::Table,
    }
}

impl Shape for toml::Table {
    fn read(value: toml::Value, path: &str, faults: &mut Faults) -> Option<Self> {
        plain(value, path, "write it as tables below this one", faults)
    }
}

/// The longest file.
const LIMIT_BYTES: usize = 256 * 1024;

/// The shipped lists with what the files, each by name and text, add to them.
pub fn commands(files: &[(String, String)]) -> Result<Commands, Faults> {
    let mut faults = Faults::default();
    let mut commands = Commands::default();
    add(&mut commands, "shipped commands", SHIPPED, &mut faults);
    for (name, text) in files {
        let mut found = Faults::default();
        add(&mut commands, name, text, &mut found);
        faults.add_of(name, found);
    }
    if faults.0.is_empty() { Ok(commands) } else { Err(faults) }
}

fn add(commands: &mut Commands, name: &str, text: &str, faults: &mut Faults) {
    commands.note_file(name, text);
    if text.len() > LIMIT_BYTES {
        return faults.add("the file", "is longer than 256 KiB", "split it");
    }
    let Some(raw) = read::<RawCommands>(text, faults) else { return };
    for (class, value) in raw.class.unwrap_or_default() {
        let path = format!("class.{class}");
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_';
        if !(1..=32).contains(&class.len()) || !class.bytes().all(plain) {
            faults.add(&path, "is no name for a class", "use a-z 0-9 - _, at most 32 of them");
        }
        let Some(raw) = RawClass::read(value, &path, faults) else { continue };
        let programs = programs(raw.programs.as_deref(), &path, faults);
        let mut paths = Vec::new();
        for text in raw.paths.iter().flatten() {
            let pattern = Pattern::parse(text).ok_or_else(|| format!("has {text:?}, which is no pattern"));
            paths.extend(faults.check(&join(&path, "paths"), pattern, "write printable ASCII without blanks"));
        }
        commands.add_class(&class, Class::new(programs, paths));
    }
    if let Some(raw) = raw.opaque {
        commands.add_interpreters(programs(raw.programs.as_deref(), "opaque", faults));
    }
    for (key, value) in raw.harmless.unwrap_or_default() {
        let path = format!("harmless.\"{key}\"");
        let mut words = key.split(' ').map(str::to_owned);
        let program = words.next().unwrap_or_default();
        let leading: Vec<String> = words.collect();
        let plain = |b: u8| b.is_ascii_graphic() && !b"*?[]{}~$`'\"\\|&;<>()=!#".contains(&b);
        let fits = |word: &String| !word.is_empty() && word.bytes().all(plain);
        let place_fits =
            !program.contains('/') || (program.starts_with('/') && !program.split('/').any(|part| part == ".."));
        if !fits(&program) || !leading.iter().all(fits) {
            faults.add(&path, "is no program with words", "write it as it is typed: [harmless.\"systemctl status\"]");
        } else if !place_fits || TEMPORARY.iter().any(|folder| program.starts_with(folder)) {
            faults.add(
                &path,
                "is in a place that others may write to",
                "name it by an absolute path that only root can change",
            );
        }
        let Some(raw) = RawHarmless::read(value, &path, faults) else { continue };
        commands.add_harmless(
            &program,
            Harmless {
                leading,
                letters: raw.letters.unwrap_or_default(),
                options: raw.options.unwrap_or_default(),
                needs: raw.needs.unwrap_or_default(),
                operands: raw.operands.unwrap_or_default(),
                first: raw.first,
                pager: raw.pager.unwrap_or_default(),
            },
        );
    }
}

/// Folders that nothing harmless lies in.
const TEMPORARY: [&str; 5] = ["/tmp/", "/var/tmp/", "/dev/shm/", "/home/", "/run/user/"];

fn programs(texts: Option<&[String]>, path: &str, faults: &mut Faults) -> Vec<Program> {
    let mut programs = Vec::new();
    for text in texts.unwrap_or_default() {
        let program = Program::parse(text).ok_or_else(|| format!("has {text:?}, which is no program"));
        programs.extend(faults.check(&join(path, "programs"), program, "write \"rm\" or \"systemctl restart\""));
    }
    programs
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod verdicts;
