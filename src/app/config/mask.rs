//! `[mask]`: which rules hide secrets in what targets print, a site's own among them, and which values are known.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use super::Reader;
use crate::app::file;
use crate::app::rights::Readers;
use crate::mask::profile::{Choice, Profiles};
use crate::mask::rule::{Rule, Set};
use crate::mask::{self, known, values};
use crate::policy::nearest;

/// Which rules hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mask {
    /// Everywhere.
    pub everywhere: Choice,
    /// Beyond that where a profile is asked for by its name.
    pub named: BTreeMap<String, Choice>,
    /// The site's own.
    pub site: Vec<Rule>,
    /// Values that are known: a rule each.
    pub values: Vec<Rule>,
}

/// A choice as written: `rules`, `with`, `without`.
type Written<'a> = (Option<&'a str>, Option<&'a [String]>, Option<&'a [String]>);

/// Most profiles.
const PROFILES: usize = 16;

impl Mask {
    /// Those that hold, for every choice of profiles. Known values first: they are certain.
    pub fn profiles(&self) -> Arc<Profiles> {
        let rules = self.site.iter().cloned().chain(known()).collect();
        Arc::new(Profiles::new(self.values.clone(), rules, self.everywhere.clone(), self.named.clone()))
    }
}

impl Reader<'_> {
    pub(super) fn mask(&mut self, mask: Option<&file::mask::Mask>) -> Mask {
        let Some(mask) = mask else { return Mask::default() };
        let site = self.mask_files(mask.files.as_deref().unwrap_or_default());
        let values = mask.values_file.as_deref().map(|path| self.mask_values(path)).unwrap_or_default();
        let written = (mask.rules.as_deref(), mask.with.as_deref(), mask.without.as_deref());
        let mut everywhere = self.mask_choice(&mask.path, written, &site);
        everywhere.set.get_or_insert_default();
        let mut named = BTreeMap::new();
        for (name, profile) in mask.profile.iter().flatten() {
            let is_name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
            if !(1..=32).contains(&name.len()) || !name.bytes().all(is_name) || ["default", "none"].contains(&&**name) {
                let mend = "use 1 to 32 of a-z 0-9 -, and neither default nor none";
                self.faults.add(&profile.path, "has a name that a profile cannot have", mend);
            }
            if (&profile.rules, &profile.with) == (&None, &None) {
                let mend = "say which it adds: rules = \"pii\", or with = [\"ip-address\"]";
                self.faults.add(&profile.path, "adds no rules", mend);
            }
            let written = (profile.rules.as_deref(), profile.with.as_deref(), profile.without.as_deref());
            named.insert(name.clone(), self.mask_choice(&profile.path, written, &site));
        }
        if named.len() > PROFILES {
            self.faults.add("mask.profile", format!("has {} profiles", named.len()), "keep 16 at most");
        }
        Mask { everywhere, named, site, values }
    }

    /// The labels of targets that speak of masking: a slip of the pen there would show what must be hidden.
    pub(super) fn mask_labels(&mut self, targets: &[file::Target], mask: &Mask) {
        for target in targets {
            let label = |name: &str| target.labels.as_ref().and_then(|labels| labels.get(name));
            let at = |name: &str| format!("{}.labels.{name}", target.path);
            if let Some(word) = label("mask").filter(|word| *word != "mandatory") {
                self.faults.add(
                    at("mask"),
                    format!("{word:?} is not known"),
                    "write mask = \"mandatory\", or remove it",
                );
            }
            for name in label("mask_profile").iter().flat_map(|names| names.split(',')).map(str::trim) {
                if !mask.named.contains_key(name) {
                    let mend = match nearest(name, mask.named.keys().map(String::as_str)) {
                        Some(meant) => format!("did you mean {meant:?}?"),
                        None => "name a [mask.profile.NAME], or more of them with commas".to_owned(),
                    };
                    self.faults.add(at("mask_profile"), format!("{name:?} is no mask profile"), mend);
                }
            }
        }
    }

    fn mask_choice(&mut self, path: &str, (set, with, without): Written<'_>, site: &[Rule]) -> Choice {
        let at = |key: &str| format!("{path}.{key}");
        let set = set.map(|word| {
            let set =
                Set::ALL.into_iter().find(|set| set.as_str() == word).ok_or_else(|| format!("{word:?} is no set"));
            let mend = format!("write one of {}", Set::ALL.map(Set::as_str).join(", "));
            self.faults.check(&at("rules"), set, &mend).unwrap_or_default()
        });
        let with = self.mask_rules(&at("with"), with, site);
        let without = self.mask_rules(&at("without"), without, site);
        if let Some(both) = with.intersection(&without).next() {
            let what = format!("{both:?} is in {} too", at("with"));
            self.faults.add(at("without"), what, "remove it from one of them");
        }
        Choice { set, with, without }
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
        String::from_utf8(whole(&mask.profiles().with(&BTreeSet::new()).unwrap(), Width::Label, text.as_bytes()))
            .unwrap()
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
    fn a_profile_adds_what_it_names_and_nothing_else() {
        let lines = "rules = \"secrets\"\n[mask.profile.cards]\nrules = \"pii\"\n[mask.profile.hosts]\nwith = [\"ip-address\"]\n";
        let (mask, faults) = read(lines, &[]);
        assert!(faults.is_empty(), "{faults:?}");
        let masked = |name: &str| {
            let rules = mask.profiles().with(&BTreeSet::from([name.to_owned()])).unwrap();
            String::from_utf8(whole(&rules, Width::Label, b"SSN 219-09-9999 at 192.0.2.7\n")).unwrap()
        };
        assert_eq!(masked("cards"), "SSN [us-ssn] at 192.0.2.7\n");
        assert_eq!(masked("hosts"), "SSN 219-09-9999 at [ip-address]\n");
    }

    #[test]
    fn a_profile_that_says_nothing_or_names_what_is_not_there_is_a_fault() {
        let lines = "[mask.profile.default]\nrules = \"pii\"\n[mask.profile.none-of-them]\n\
            [mask.profile.typo]\nwith = [\"jwtt\"]\nrule = \"pii\"\n";
        let (_, mut faults) = read(lines, &[]);
        faults.sort();
        let wanted = [
            "mask.profile.default: has a name that a profile cannot have",
            "mask.profile.none-of-them: adds no rules",
            "mask.profile.typo.rule: is not a key that exists here",
            "mask.profile.typo.with: \"jwtt\" is no rule",
        ];
        assert_eq!(faults, wanted);
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
