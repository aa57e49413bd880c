//! A set of rules looked at without being used: each fault with its place, and how the config's cases are answered.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use super::{Tried, files, tests_of};
use crate::app::config::{self, Config, Faults};
use crate::domain::{Digest, Timestamp};
use crate::policy::{self, Policy};

/// What was found in files without a fault.
#[derive(Debug, Default)]
pub struct Checked {
    /// How many files.
    pub files: usize,
    /// How many rules they have.
    pub rules: usize,
    /// What records call the set; `None` if it is not the config's own.
    pub digest: Option<Digest>,
    /// How the config's cases were answered; `None` if they were not put: files may be a part of a set, and without a
    /// config there is none.
    pub tried: Option<Vec<Tried>>,
}

impl Checked {
    /// The cases that were answered otherwise than expected, and how.
    pub fn failed(&self) -> Vec<(&str, &str)> {
        let tried = self.tried.iter().flatten();
        tried.filter_map(|case| Some((case.name.as_str(), case.wrong.as_deref()?))).collect()
    }
}

/// Why a set is none.
#[derive(Debug)]
pub enum Unfit {
    /// What was named cannot be read, has no rule at all, or the cases have faults.
    Named(Faults),
    /// The rules have faults.
    Rules(policy::Faults),
}

/// Looks at the files and folders of `paths`; without any, at the policy folder of the config. Without a config,
/// names of groups, environments, targets, issuers and mask profiles are not looked up.
///
/// # Errors
/// Every fault of every file.
pub fn check(config: Option<&Config>, paths: &[PathBuf], now: Timestamp) -> Result<Checked, Unfit> {
    let own = config.filter(|_| paths.is_empty());
    // What is only looked at may lie where others can write; what is used may not.
    let files = own.map_or_else(|| read(paths), files).map_err(Unfit::Named)?;
    let mut checked = Checked { files: files.len(), ..Checked::default() };
    let Some(config) = config else {
        checked.rules = Policy::count(&files).map_err(Unfit::Rules)?;
        return Ok(checked);
    };
    let policy = Policy::load(&files, &config.catalogue()).map_err(|mut faults| {
        // The folder's files go by their bare names in records; here somebody wants to open them.
        for fault in faults.0.iter_mut().filter(|_| own.is_some()) {
            fault.file = config.policy.dir.join(&fault.file).display().to_string();
        }
        Unfit::Rules(faults)
    })?;
    checked.rules = policy.rules().count();
    let policy = policy.with_commands(config.commands().map_err(Unfit::Named)?);
    checked.digest = own.map(|_| policy.digest());
    if paths.iter().all(|path| path.is_dir()) {
        checked.tried = Some(tests_of(config, &policy, now).map_err(Unfit::Named)?);
    }
    Ok(checked)
}

/// Name and text of each file, and of each policy file in each folder.
fn read(paths: &[PathBuf]) -> Result<Vec<(String, String)>, Faults> {
    let (mut faults, mut files) = (Faults::default(), Vec::new());
    for path in paths {
        let found = if path.is_dir() { config::policies_in(path) } else { Ok(vec![path.clone()]) };
        match found {
            Ok(found) if found.is_empty() => {
                let mend = "name a folder that has some, or a file";
                faults.add(path.display().to_string(), "has no *.cedar file", mend);
            }
            Ok(found) => {
                for path in found {
                    let name = path.display().to_string();
                    match text(&path) {
                        Ok(text) => files.push((name, text)),
                        Err((what, mend)) => faults.add(name, what, mend),
                    }
                }
            }
            Err(error) => {
                faults.add(path.display().to_string(), format!("cannot be read: {error}"), "check its rights")
            }
        }
    }
    if faults.0.is_empty() { Ok(files) } else { Err(faults) }
}

/// The largest file that is read. What a rule file may have is less, and its fault says how much.
const LIMIT_BYTES: u64 = 4 * 1024 * 1024;

fn text(path: &Path) -> Result<String, (String, &'static str)> {
    let refused = |error: std::io::Error| (format!("cannot be read: {error}"), "check the path and its rights");
    let mut bytes = Vec::new();
    fs::File::open(path).and_then(|file| file.take(LIMIT_BYTES + 1).read_to_end(&mut bytes)).map_err(refused)?;
    if bytes.len() as u64 > LIMIT_BYTES {
        return Err(("is longer than 4 MiB".to_owned(), "name another file"));
    }
    String::from_utf8(bytes).map_err(|_| ("is not UTF-8".to_owned(), "save it as UTF-8"))
}
