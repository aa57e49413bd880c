//! `[mask]` as written.

use std::collections::BTreeMap;

use super::{Faults, Shape, join, plain, table};

table! {
    /// `[mask]`
    Mask {
        /// Which rules to begin with: `default`, `secrets`, `pii`, `strict`.
        rules: String,
        /// Files of rules of one's own.
        files: Vec<String>,
        /// File of values that are known, `NAME=VALUE` each.
        values_file: String,
        /// Rules that are off by default.
        with: Vec<String>,
        /// Rules that do not hold here.
        without: Vec<String>,
        /// `[mask.profile.NAME]`
        profile: BTreeMap<String, Profile>,
    }
    /// `[mask.profile.NAME]`
    Profile {
        /// Which rules to begin with.
        rules: String,
        /// Rules that are off by default.
        with: Vec<String>,
        /// Rules that the profile does not add.
        without: Vec<String>,
    }
}

impl Shape for BTreeMap<String, Profile> {
    fn read(value: toml::Value, path: &str, faults: &mut Faults) -> Option<Self> {
        let table: toml::Table = plain(value, path, "write it as [mask.profile.NAME]", faults)?;
        let read = |(name, value): (String, toml::Value)| {
            let profile = Profile::read(value, &join(path, &name), faults)?;
            Some((name, profile))
        };
        Some(table.into_iter().filter_map(read).collect())
    }
}
