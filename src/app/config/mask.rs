//! `[mask]`: which rules hide secrets in what targets print, a site's own among them, and which values are known.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use super::Reader;
use crate::app::file;
use crate::app::rights::Readers;
use crate::mask::rule::{Rule, Rules, Set};
use crate::mask::{self, known, values};
use crate::policy::nearest;

/// Which rules hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mask {
    /// Which of them to begin with.
    pub set: Set,
    /// Used too.
    pub with: BTreeSet<String>,
    /// Not used.
    pub without: BTreeSet<String>,
    /// The site's own.
    pub site: Vec<Rule>,
    /// Values that are known: a rule each.
    pub values: Vec<Rule>,
}

impl Mask {
    /// Those that hold. Known values first: they are certain.
    pub fn rules(&self) -> Arc<Rules> {
        let holds =
            |rule: &Rule| (self.set.has(rule) || self.with.contains(&*rule.id)) && !self.without.contains(&*rule.id);
        let values = self.values.iter().cloned();
        Arc::new(Rules::new(values.chain(self.site.iter().cloned().chain(known()).filter(holds))))
    }
}

impl Reader<'_> {
    pub(super) fn mask(&mut self, mask: Option<&file::Mask>) -> Mask {
        let set = mask.and_then(|mask| mask.rules.as_deref()).map(|word| {
            let set =
                Set::ALL.into_iter().find(|set| set.as_str() == word).ok_or_else(|| format!("{word:?} is no set"));
            let mend = format!("write one of {}", Set::ALL.map(Set::as_str).join(", "));
            self.faults.check("mask.rules", set, &mend).unwrap_or_default()
        });
        let site = self.mask_files(mask.and_then(|mask| mask.files.as_deref()).unwrap_or_default());
        let values = mask.and_then(|mask| mask.values_file.as_deref()).map(|path| self.mask_values(path));
        let with = self.mask_rules("mask.with", mask.and_then(|mask| mask.with.as_deref()), &site);
        let without = self.mask_rules("mask.without", mask.and_then(|mask| mask.without.as_deref()), &site);
        if let Some(both) = with.intersection(&without).next() {
            self.faults.add("mask.without", format!("{both:?} is in mask.with too"), "remove it from one of them");
        }
        Mask { set: set.unwrap_or_default(), with, without, site, values: values.unwrap_or_default() }
    }

    fn mask_files(&mut self, files: &[String]) -> Vec<Rule> {
        let mut taken: BTreeSet<Arc<str>> = known().map(|rule| rule.id).collect();
        let mut rules = Vec::new();
        for file in files {
            let path = self.path(file);
            let Some(text) = self.mask_text("mask.files", &path, Readers::Anyone) else { continue };
            match mask::file::parse(&text, &taken) {
                Ok(read) => {
                    taken.extend(read.iter().map(|rule| rule.id.clone()));
                    rules.extend(read);
                }
                Err(faults) => {
                    for fault in faults {
                        let rule =
                            if fault.rule.is_empty() { String::new() } else { format!("rule {:?} ", fault.rule) };
                        let place = format!("{} line {}", path.display(), fault.line);
                        self.faults.add(place, format!("{rule}{}", fault.what), fault.mend);
                    }
                }
            }
        }
        rules
    }

    fn mask_values(&mut self, file: &str) -> Vec<Rule> {
        let path = self.path(file);
        let Some(text) = self.mask_text("mask.values_file", &path, Readers::Owner) else { return Vec::new() };
        values::parse(&text).unwrap_or_else(|faults| {
            for (line, what) in faults {
                let place = format!("{} line {line}", path.display());
                self.faults.add(place, what, "write NAME=VALUE, or # before a remark");
            }
            Vec::new()
        })
    }

    fn mask_text(&mut self, key: &str, path: &Path, readers: Readers) -> Option<zeroize::Zeroizing<String>> {
        let bytes = zeroize::Zeroizing::new(self.read(key, path, readers)?);
        let text = std::str::from_utf8(&bytes).map(|text| text.to_owned().into());
        let fault = format!("{key} ({})", path.display());
        self.faults.check(&fault, text.map_err(|_| "is not UTF-8"), "save it as UTF-8")
    }

    fn mask_rules(&mut self, key: &str, ids: Option<&[String]>, site: &[Rule]) -> BTreeSet<String> {
        let ids = ids.unwrap_or_default();
        let rules: Vec<Rule> = known().chain(site.iter().cloned()).collect();
        for id in ids.iter().filter(|id| !rules.iter().any(|rule| *rule.id == ***id)) {
            let mend = match nearest(id, rules.iter().map(|rule| &*rule.id)) {
                Some(meant) => format!("did you mean {meant}?"),
                None => "`sallyport mask --list` shows the rules".to_owned(),
            };
            self.faults.add(key, format!("{id:?} is no rule"), mend);
        }
        ids.iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::app::config::Faults;
    use crate::mask::{Width, whole};

    const RULE: &str = "[[rule]]\nid = \"ours\"\nclass = \"setting\"\nkeywords = [\"OURS-\"]\npattern = '[0-9]{6}'\n\
        hide = [\"«OURS-123456»\"]\nkeep = [\"OURS-\"]\n";

    /// `[mask]` with these lines, beside these files.
    fn read(lines: &str, files: &[(&str, &str)]) -> (Mask, Vec<String>) {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        }
        let mut faults = Faults::default();
        let file = file::File::parse(&format!("[mask]\n{lines}"), &mut faults).unwrap();
        let mask = Reader { folder: folder.path(), faults: &mut faults }.mask(file.mask.as_ref());
        let name = folder.path().display().to_string();
        (mask, faults.0.iter().map(|fault| format!("{}: {}", fault.path.replace(&name, "."), fault.what)).collect())
    }

    fn masked(mask: &Mask, text: &str) -> String {
        String::from_utf8(whole(&mask.rules(), Width::Label, text.as_bytes())).unwrap()
    }

    #[test]
    fn rules_of_the_site_and_known_values_hold_beside_those_of_the_program() {
        let files = [("ours.toml", RULE), ("env", "DB_PW=tr0ub4dor\n")];
        let (mask, faults) = read("files = [\"ours.toml\"]\nvalues_file = \"env\"\n", &files);
        assert!(faults.is_empty(), "{faults:?}");
        assert_eq!(
            masked(&mask, "OURS-123456 tr0ub4dor PGPASSWORD=hunter2"),
            "[ours] [value-db-pw] PGPASSWORD=[password-assign]"
        );
        assert!(!format!("{mask:?}").contains("tr0ub4dor"));
        let (mask, _) = read("files = [\"ours.toml\"]\nwithout = [\"ours\"]\n", &files);
        assert_eq!(masked(&mask, "OURS-123456"), "OURS-123456");
    }

    #[test]
    fn a_set_says_which_rules_to_begin_with() {
        let text = "PGPASSWORD=hunter2 SSN 219-09-9999";
        for (set, wanted) in [
            ("default", "PGPASSWORD=[password-assign] SSN [us-ssn]"),
            ("secrets", "PGPASSWORD=[password-assign] SSN 219-09-9999"),
            ("pii", "PGPASSWORD=hunter2 SSN [us-ssn]"),
        ] {
            assert_eq!(masked(&read(&format!("rules = \"{set}\""), &[]).0, text), wanted);
        }
    }

    #[test]
    fn every_fault_names_its_file_and_line_and_no_value() {
        let bad = RULE.replace("{6}", "{6,}");
        let lines = "rules = \"all\"\nfiles = [\"bad.toml\", \"none.toml\"]\nvalues_file = \"env\"\nwith = [\"jwtt\"]";
        let (_, faults) = read(lines, &[("bad.toml", &bad), ("env", "A=hunter2\n")]);
        let begin = |text: &str| faults.iter().any(|fault| fault.starts_with(text));
        assert!(begin("mask.rules: \"all\" is no set") && begin("mask.with: \"jwtt\" is no rule"), "{faults:?}");
        assert!(
            begin("./bad.toml line 1: rule \"ours\" has a `pattern`") && begin("mask.files (./none.toml): "),
            "{faults:?}"
        );
        assert!(begin("./env line 1: has a value of fewer than 8 bytes") && !format!("{faults:?}").contains("hunter2"));
    }
}
