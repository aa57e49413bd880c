//! The rules that stand in this program.

use std::sync::LazyLock;

use super::file;
use super::rule::Rule;

/// All of them, those off by default too, in the order they are asked.
#[expect(clippy::panic, reason = "a test reads the same files; and without rules nothing may be shown to anybody")]
pub fn known() -> impl Iterator<Item = Rule> {
    static RULES: LazyLock<Vec<Rule>> = LazyLock::new(|| {
        let read =
            |text: &&str| file::own(text).unwrap_or_else(|faults| panic!("the rules of this program: {faults:?}"));
        FILES.iter().flat_map(read).collect()
    });
    RULES.iter().cloned()
}

const FILES: [&str; 11] = [
    include_str!("rules/cloud.toml"),
    include_str!("rules/code.toml"),
    include_str!("rules/service.toml"),
    include_str!("rules/model.toml"),
    include_str!("rules/operations.toml"),
    include_str!("rules/format.toml"),
    include_str!("rules/setting.toml"),
    include_str!("rules/tool.toml"),
    include_str!("rules/call.toml"),
    include_str!("rules/personal.toml"),
    include_str!("rules/table.toml"),
];
