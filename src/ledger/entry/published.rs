//! The table of codes as it is published: `docs/EVENTS.md` is made from the code, and no code that was ever published changes.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::tests::sealed;
use super::*;
use crate::domain::Digest;
use crate::ledger::checkpoint::Checkpoint;
use crate::ledger::{examples, ocsf};

/// What is the same for all examples of one kind, and what differs.
#[derive(Default)]
struct Row {
    kind: &'static str,
    letters: String,
    outcomes: Vec<&'static str>,
    class: String,
}

fn rows() -> BTreeMap<String, Row> {
    let checkpoint = Checkpoint { origin: "bastion.example.com/sallyport/7f3a".into(), size: 1, root: Digest::of(b"") };
    let mut rows = BTreeMap::<String, Row>::new();
    for (_, fact) in examples::all() {
        let code = fact.event.code(fact.outcome);
        let (number, letter) = code.split_at(6);
        let row = rows.entry(number.to_owned()).or_default();
        row.kind = fact.event.kind();
        if !row.letters.contains(letter) {
            row.letters.push_str(letter);
        }
        if !row.outcomes.contains(&fact.outcome.as_str()) {
            row.outcomes.push(fact.outcome.as_str());
        }
        let event = ocsf::event(&decode(&sealed(&fact, 0)).unwrap(), &checkpoint);
        let text = |name: &str| event[name].as_str().unwrap().to_owned();
        row.class = format!("{} {}, {}", event["class_uid"], text("class_name"), text("activity_name"));
    }
    rows
}

/// What a published field looks like: `?` behind those that may be absent.
fn fields(schema: &Value, kind: &str) -> String {
    let body = &schema["$defs"]["kinds"][kind];
    let required = body["required"].as_array().cloned().unwrap_or_default();
    let names = body["properties"].as_object().unwrap().keys();
    let shown = names
        .map(|name| if required.contains(&name.as_str().into()) { format!("`{name}`") } else { format!("`{name}`?") });
    shown.collect::<Vec<_>>().join(" ")
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn the_table_of_codes_in_the_docs_is_the_one_of_the_code() {
    let schema = std::fs::read_to_string(root().join("recordings-schema/events.schema.json")).unwrap();
    let schema: Value = serde_json::from_str(&schema).unwrap();
    let mut text = String::from(
        "# Event codes\n\nMade from the code's table; a test fails where they differ, and leaves what should stand here in \
         `target/golden/docs/EVENTS.md`. What each kind and field means says\n\
         [recordings-schema/EVENTS.md](../recordings-schema/EVENTS.md); how a SIEM gets them, [SIEM.md](SIEM.md); which supports \
         which criterion, [SOC2.md](SOC2.md).\n\n\
         A code is `SP`, four digits and a letter: `I` went well, `W` is to be looked at, `E` is an error. A code never changes \
         its meaning and is never used again. Outcomes and letters are those of the\n\
         [examples](../recordings-schema/examples/events). Fields with `?` may be absent.\n\n\
         | code | kind | seen as | OCSF 1.9 | fields of `body` |\n|---|---|---|---|---|\n",
    );
    for (number, row) in rows() {
        let seen = format!(
            "{} ({})",
            row.letters.chars().map(String::from).collect::<Vec<_>>().join(" "),
            row.outcomes.join(", ")
        );
        text += &format!("| {number} | `{}` | {seen} | {} | {} |\n", row.kind, row.class, fields(&schema, row.kind));
    }
    if std::fs::read_to_string(root().join("docs/EVENTS.md")).unwrap_or_default() != text {
        let left = root().join("target/golden/docs/EVENTS.md");
        std::fs::create_dir_all(left.parent().unwrap()).unwrap();
        std::fs::write(&left, text).unwrap();
        panic!("docs/EVENTS.md differs from {}", left.display());
    }
}

#[test]
fn no_code_that_was_ever_published_is_gone_or_means_something_else() {
    let published = std::fs::read_to_string(root().join("tests/golden/codes.txt")).unwrap();
    let now: Vec<String> = rows().iter().map(|(number, row)| format!("{number} {}", row.kind)).collect();
    for line in published.lines() {
        assert!(now.iter().any(|one| one == line), "{line} was published, and is not in the table any more");
    }
    for line in &now {
        assert!(published.lines().any(|one| one == line), "{line} is new: add it to tests/golden/codes.txt");
    }
}
