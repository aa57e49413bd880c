//! Which files a session may touch by SFTP, as the policy's annotations limit it. Pure.
//!
//! Judges names, and a name is not yet a file: on the target a link may lead elsewhere, and so may a command. A guard rail.

use std::collections::BTreeSet;
use std::fmt;

/// What is done to what a path names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// Read a file, or where a link points.
    Read,
    /// List a folder.
    List,
    /// Open a file to write into it, or make it.
    Write,
    /// Make a folder.
    Make,
    /// Remove, rename, or change the attributes.
    Change,
    /// Make a second way to a file.
    Link,
}

/// How far SFTP reaches. The default is everywhere.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// Nothing is changed.
    pub read_only: bool,
    /// Files are put there, and nothing is read, listed or changed.
    pub drop_only: bool,
    /// A path must be in each of these sets.
    pub within: Vec<BTreeSet<Pattern>>,
    /// And in none of these.
    pub without: BTreeSet<Pattern>,
}

impl Reach {
    /// The strictest of both.
    pub fn merge(&mut self, other: &Self) {
        self.read_only |= other.read_only;
        self.drop_only |= other.drop_only;
        let more = other.within.iter().filter(|set| !self.within.contains(set)).cloned().collect::<Vec<_>>();
        self.within.extend(more);
        self.without.extend(other.without.iter().cloned());
    }

    /// Whether `deed` may be done to `path`, as the client wrote it; `home` is where paths begin that are not absolute.
    pub fn allows(&self, deed: Deed, path: &[u8], home: Option<&[u8]>) -> bool {
        let changes = matches!(deed, Deed::Write | Deed::Make | Deed::Change | Deed::Link);
        let puts = matches!(deed, Deed::Write | Deed::Make);
        if (self.read_only && changes) || (self.drop_only && !puts) {
            return false;
        }
        if !self.has_paths() {
            return true;
        }
        // What a second name leads to cannot be told from it later.
        if deed == Deed::Link {
            return false;
        }
        let Some(parts) = parts(path, home) else { return false };
        let within = |set: &BTreeSet<Pattern>| set.iter().any(|pattern| pattern.covers(&parts));
        self.within.iter().all(within) && !within(&self.without)
    }

    /// Whether it matters where something lies.
    pub fn has_paths(&self) -> bool {
        !self.within.is_empty() || !self.without.is_empty()
    }

    /// As `name=value`, for records.
    pub fn named(&self) -> Vec<String> {
        let list = |set: &BTreeSet<Pattern>| set.iter().map(|one| one.0.as_str()).collect::<Vec<_>>().join(",");
        let modes = [(self.read_only, "sftp=read"), (self.drop_only, "sftp=drop")];
        let mut named: Vec<_> = modes.iter().filter(|(set, _)| *set).map(|(_, word)| (*word).to_owned()).collect();
        named.extend(self.within.iter().map(|set| format!("sftp_paths={}", list(set))));
        named.extend((!self.without.is_empty()).then(|| format!("sftp_deny={}", list(&self.without))));
        named
    }
}

/// Which paths: `/srv/drop/**`, `/home/*/in`.
///
/// Invariant: absolute, at most 256 bytes, no part of it empty, `.` or `..`; `*` stands for any text within one part,
/// a part `**` for any number of parts, none among them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pattern(String);

impl Pattern {
    /// The longest one, in bytes.
    const LIMIT_BYTES: usize = 256;

    /// Checks the invariant.
    pub fn parse(text: &str) -> Option<Self> {
        let body = text.strip_prefix('/')?;
        let fits = |part: &str| !matches!(part, "" | "." | "..") && (part == "**" || !part.contains("**"));
        let is_one = text.len() <= Self::LIMIT_BYTES && (body.is_empty() || body.split('/').all(fits));
        is_one.then(|| Self(text.to_owned()))
    }

    fn covers(&self, path: &[&[u8]]) -> bool {
        let parts: Vec<&str> = self.0.split('/').filter(|part| !part.is_empty()).collect();
        matches(
            &parts,
            path,
            |part| *part == "**",
            |part, name| matches(part.as_bytes(), name, |byte| *byte == b'*', |byte, other| byte == other),
        )
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether the whole of `items` is what `pattern` says; `is_any` is what stands for any number of them. At most as many
/// steps as the product of both lengths: it goes back to the last of those only.
fn matches<P, I>(pattern: &[P], items: &[I], is_any: impl Fn(&P) -> bool, fits: impl Fn(&P, &I) -> bool) -> bool {
    let (mut p, mut i, mut back) = (0, 0, None);
    while let Some(item) = items.get(i) {
        match pattern.get(p) {
            Some(one) if is_any(one) => {
                back = Some((p, i));
                p += 1;
            }
            Some(one) if fits(one, item) => (p, i) = (p + 1, i + 1),
            _ => {
                let Some((any, from)) = back else { return false };
                back = Some((any, from + 1));
                (p, i) = (any + 1, from + 1);
            }
        }
    }
    pattern.get(p..).unwrap_or_default().iter().all(is_any)
}

/// The parts of a path; none if nobody can tell where it leads: it climbs, or begins where it is not known.
fn parts<'a>(path: &'a [u8], home: Option<&'a [u8]>) -> Option<Vec<&'a [u8]>> {
    let start = if path.starts_with(b"/") { &[][..] } else { home.filter(|home| home.starts_with(b"/"))? };
    let both = start.split(|byte| *byte == b'/').chain(path.split(|byte| *byte == b'/'));
    let parts: Vec<_> = both.filter(|part| !part.is_empty() && *part != b".").collect();
    (!parts.iter().any(|part| *part == b"..")).then_some(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(patterns: &[&str]) -> BTreeSet<Pattern> {
        patterns.iter().map(|one| Pattern::parse(one).unwrap()).collect()
    }

    #[track_caller]
    fn check(pattern: &str, path: &str, covered: bool) {
        let reach = Reach { within: vec![set(&[pattern])], ..Reach::default() };
        assert_eq!(reach.allows(Deed::Read, path.as_bytes(), Some(b"/home/app")), covered, "{pattern} {path}");
    }

    #[test]
    fn a_star_stays_within_one_part_and_two_of_them_cross_it() {
        check("/srv/drop/**", "/srv/drop/a/b", true);
        check("/srv/drop/**", "/srv/drop", true);
        check("/srv/drop/**", "/srv/dropped", false);
        check("/srv/*/in", "/srv/a/in", true);
        check("/srv/*/in", "/srv/a/b/in", false);
        check("/srv/**/in", "/srv/a/b/in/in", true);
        check("/srv/**/in", "/srv/in/out", false);
        check("/srv/a*c*e", "/srv/abcde", true);
        check("/srv/a*c*e", "/srv/abcd", false);
        check("/", "/", true);
        check("/**", "/etc/shadow", true);
    }

    #[test]
    fn what_climbs_or_begins_nowhere_is_in_no_pattern() {
        check("/**", "/srv/../etc", false);
        check("/srv/**", "/srv/./a//b", true);
        check("/home/app/**", "in/a", true);
        check("/home/app/**", "../b", false);
        let reach = Reach { within: vec![set(&["/**"])], ..Reach::default() };
        assert!(!reach.allows(Deed::Read, b"in/a", None));
    }

    #[test]
    fn what_is_denied_is_denied_wherever_it_is_allowed() {
        let reach = Reach { without: set(&["/srv/secret/**"]), ..Reach::default() };
        assert!(reach.allows(Deed::Read, b"/srv/a", None) && !reach.allows(Deed::Read, b"/srv/secret/a", None));
        assert!(!reach.allows(Deed::Link, b"/srv/a", None), "a link would be a second way");
    }

    #[test]
    fn a_reader_changes_nothing_and_a_drop_folder_shows_nothing() {
        let reader = Reach { read_only: true, ..Reach::default() };
        let sender = Reach { drop_only: true, ..Reach::default() };
        let deeds = [Deed::Read, Deed::List, Deed::Write, Deed::Make, Deed::Change, Deed::Link];
        let may = |reach: &Reach| deeds.map(|deed| reach.allows(deed, b"/a", None));
        assert_eq!(may(&reader), [true, true, false, false, false, false]);
        assert_eq!(may(&sender), [false, false, true, true, false, false]);
        let mut both = reader.clone();
        both.merge(&sender);
        assert_eq!(may(&both), [false; 6]);
        assert_eq!(both.named(), ["sftp=read", "sftp=drop"]);
    }

    #[test]
    fn the_strictest_of_two_rules_is_where_both_let_one_go() {
        let mut reach = Reach { within: vec![set(&["/srv/**"])], ..Reach::default() };
        reach.merge(&Reach { within: vec![set(&["/srv/a/**", "/tmp/**"])], ..Reach::default() });
        assert!(reach.allows(Deed::Write, b"/srv/a/x", None));
        assert!(!reach.allows(Deed::Write, b"/srv/b", None) && !reach.allows(Deed::Write, b"/tmp/x", None));
        assert_eq!(reach.named(), ["sftp_paths=/srv/**", "sftp_paths=/srv/a/**,/tmp/**"]);
    }

    #[test]
    fn a_pattern_is_absolute_and_literal_but_for_its_stars() {
        for wrong in ["", "srv", "/srv/", "/srv//a", "/srv/../a", "/srv/a**", "~/a"] {
            assert_eq!(Pattern::parse(wrong), None, "{wrong}");
        }
        assert!(Pattern::parse("/").is_some() && Pattern::parse("/**").is_some());
        assert_eq!(Pattern::parse(&"/a".repeat(129)), None);
    }
}
