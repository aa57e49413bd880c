//! Holds the house to its plan: which room may import which, how files begin, how long they grow.
//!
//! Reads the source as text: it knows no Rust beyond paths that begin with `crate`, comments and the line at
//! which a file's tests begin. Tests may import any room.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a failing test may end at once")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Every room, its floor, and what it may import. `docs/ARCHITECTURE.md` shows the same table, held equal below.
const ROOMS: &[(&str, u8, &[&str])] = &[
    ("cli", 9, &["demo", "client", "app", "recording", "ledger", "mask", "policy", "domain", "clock"]),
    ("demo", 8, &["client", "app", "domain", "drain", "clock"]),
    (
        "app",
        7,
        &[
            "gateway",
            "http",
            "client",
            "console",
            "session",
            "identity",
            "approval",
            "policy",
            "ledger",
            "recording",
            "domain",
            "wire",
            "merkle",
            "mask",
            "store",
            "signer",
            "clock",
            "drain",
        ],
    ),
    ("gateway", 6, &["console", "session", "identity", "domain", "drain", "clock"]),
    ("http", 6, &["session", "identity", "ledger", "wire", "domain", "drain", "clock"]),
    ("client", 6, &["wire", "domain", "clock"]),
    ("console", 5, &["session", "identity", "approval", "policy", "ledger", "recording", "domain", "clock"]),
    ("session", 4, &["approval", "policy", "ledger", "recording", "mask", "domain", "clock"]),
    ("identity", 3, &["policy", "ledger", "store", "signer", "domain", "clock"]),
    ("approval", 3, &["policy", "ledger", "store", "domain", "clock"]),
    ("ledger", 2, &["store", "signer", "merkle", "mask", "domain", "clock"]),
    ("recording", 2, &["store", "merkle", "domain"]),
    ("policy", 2, &["domain"]),
    ("wire", 1, &[]),
    ("merkle", 1, &["domain"]),
    ("mask", 1, &[]),
    ("store", 1, &[]),
    ("signer", 1, &[]),
    ("clock", 1, &["domain"]),
    ("drain", 1, &[]),
    ("domain", 0, &[]),
];

/// Files (or folders) that cannot wait and cannot fail for outside reasons, and what they therefore never name.
const PURE: &[&str] = &[
    "domain",
    "policy",
    "mask",
    "merkle.rs",
    "wire.rs",
    "approval/request.rs",
    "ledger/entry",
    "ledger/body.rs",
    "ledger/tail.rs",
    "ledger/tiles.rs",
    "ledger/checkpoint.rs",
    "ledger/bundle.rs",
    "ledger/trust.rs",
    "ledger/proof.rs",
    "ledger/stamp.rs",
    "ledger/verify.rs",
    "ledger/verify/",
    "ledger/ocsf.rs",
    "identity/certificate.rs",
    "recording/asciicast.rs",
];
const IMPURE: &[&str] = &[
    "tokio::",
    "async fn",
    "crate::clock",
    "crate::drain",
    "crate::store",
    "std::fs",
    "std::thread",
    "process::Command",
    "TcpStream",
    "SystemTime",
    "Instant::now",
];

/// What only some places may name: the needle, where it is at home, and why.
const HOMES: &[(&str, &[&str], &str)] = &[
    (
        "toml::",
        &["app/file.rs", "app/file/", "mask/file.rs"],
        "TOML is parsed only in app::file, rules of mask in mask::file",
    ),
    ("tokio::spawn", &["drain.rs"], "tasks come from drain"),
    ("spawn_blocking", &["store", "recording", "signer", "drain.rs"], "blocking work stays inside these three rooms"),
    ("SystemTime::now", &["clock.rs"], "time comes from clock"),
    // A deadline of the runtime is no time that anybody reads.
    ("Instant::now", &["clock.rs", "gateway/ssh/pump.rs"], "time comes from clock"),
    ("env::var", &["cli", "main.rs"], "no room below cli knows environment variables"),
    ("env::args", &["cli", "main.rs"], "no room below cli knows arguments"),
    ("unbounded_channel", &[], "every queue has a bound"),
];

/// Longest a file may grow, tests at its foot not counted.
const MAX_LINES: usize = 500;

struct File {
    /// Below `src`.
    path: String,
    text: String,
    /// Comments and string contents blanked, tests at the foot cut off; empty for a file that only tests have.
    code: String,
}

impl File {
    fn room(&self) -> &str {
        let first = self.path.split('/').next().unwrap();
        first.strip_suffix(".rs").unwrap_or(first)
    }

    fn is_in(&self, place: &str) -> bool {
        self.path == place
            || self.path.strip_prefix(place).is_some_and(|rest| place.ends_with('/') || rest.starts_with('/'))
            || self.path.strip_suffix(".rs") == Some(place)
    }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let Ok(entries) = fs::read_dir(folder) else { return found };
    for entry in entries {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            if !matches!(name.as_str(), "target" | "node_modules" | ".git") {
                found.extend(files_below(&path));
            }
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn relative(path: &Path, to: &Path) -> String {
    path.strip_prefix(to).unwrap().to_string_lossy().replace('\\', "/")
}

fn source() -> Vec<File> {
    let src = root().join("src");
    let mut files: Vec<File> = files_below(&src)
        .into_iter()
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .map(|path| {
            let text = fs::read_to_string(&path).unwrap();
            let code = before_tests(&blanked(&text)).to_owned();
            File { path: relative(&path, &src), text, code }
        })
        .collect();
    assert!(!files.is_empty());
    let tests: Vec<String> = files.iter().flat_map(files_of_tests).collect();
    for file in &mut files {
        if tests.iter().any(|place| file.is_in(place)) {
            file.code.clear();
        }
    }
    files
}

/// Where the modules lie that a file declares for tests only.
fn files_of_tests(file: &File) -> Vec<String> {
    let folder = file.path.trim_end_matches(".rs").trim_end_matches("mod").trim_end_matches('/');
    let folder = if matches!(folder, "lib" | "main") { "" } else { folder };
    let declared = test_modules(&file.code).into_iter().filter(|(_, after)| after.starts_with(';'));
    declared.map(|(name, _)| format!("{folder}/{name}").trim_start_matches('/').to_owned()).collect()
}

/// The text with comments and the contents of string literals replaced by spaces; line breaks stay.
fn blanked(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let at = |i: usize| chars.get(i).copied().unwrap_or('\0');
    let mut out = String::with_capacity(text.len());
    let blank = |c: char| if c == '\n' { '\n' } else { ' ' };
    let mut i = 0;
    while i < chars.len() {
        let raw_hashes = (at(i) == 'r' && (i == 0 || !is_word(at(i - 1)) || at(i - 1) == 'b'))
            .then(|| (1..).take_while(|n| at(i + n) == '#').count())
            .filter(|hashes| at(i + 1 + hashes) == '"');
        if at(i) == '/' && at(i + 1) == '/' {
            while i < chars.len() && at(i) != '\n' {
                i += 1;
            }
        } else if at(i) == '/' && at(i + 1) == '*' {
            let mut depth = 0;
            loop {
                match (at(i), at(i + 1)) {
                    ('/', '*') => (depth, i) = (depth + 1, i + 2),
                    ('*', '/') => (depth, i) = (depth - 1, i + 2),
                    (c, _) => {
                        out.push(blank(c));
                        i += 1;
                    }
                }
                if depth == 0 || i >= chars.len() {
                    break;
                }
            }
        } else if let Some(hashes) = raw_hashes {
            i += 2 + hashes;
            while i < chars.len() && !(at(i) == '"' && (1..=hashes).all(|n| at(i + n) == '#')) {
                out.push(blank(at(i)));
                i += 1;
            }
            i += 1 + hashes;
        } else if at(i) == '"' {
            i += 1;
            while i < chars.len() && at(i) != '"' {
                let width = if at(i) == '\\' { 2 } else { 1 };
                (0..width).for_each(|n| out.push(blank(at(i + n))));
                i += width;
            }
            i += 1;
        } else if at(i) == '\'' && (at(i + 2) == '\'' || at(i + 1) == '\\') {
            // A character literal, not a lifetime.
            i += if at(i + 1) == '\\' { 3 } else { 2 };
            while i < chars.len() && at(i) != '\'' {
                i += 1;
            }
            i += 1;
        } else {
            out.push(at(i));
            i += 1;
        }
    }
    out
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// What stands before the tests at a file's foot.
fn before_tests(text: &str) -> &str {
    let found = test_modules(text).into_iter().find(|(_, after)| after.trim_start().starts_with('{'));
    found.map_or(text, |(_, after)| {
        let end = text.len() - after.len();
        &text[..text[..end].rfind("#[cfg(test)]").unwrap()]
    })
}

/// The modules that exist only in tests: their names, and the text from behind each name.
fn test_modules(text: &str) -> Vec<(&str, &str)> {
    let parts = text.match_indices("#[cfg(test)]").map(|(at, attribute)| text[at + attribute.len()..].trim_start());
    parts
        .filter_map(|rest| {
            let rest = rest.strip_prefix("pub(crate) ").or_else(|| rest.strip_prefix("pub(super) ")).unwrap_or(rest);
            let rest = rest.strip_prefix("mod ")?;
            Some(rest.split_at(rest.find(|c| !is_word(c))?))
        })
        .collect()
}

/// The first segments of every path that begins with `crate::`, groups (`crate::{a, b::c}`) taken apart.
fn paths_from(prefix: &str, code: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (at, _) in code.match_indices(prefix) {
        if code[..at].chars().next_back().is_some_and(is_word) {
            continue;
        }
        let rest = code[at + prefix.len()..].trim_start();
        match rest.strip_prefix('{') {
            None => {
                found.extend(first_word(rest));
            }
            Some(group) => {
                let mut depth = 0;
                let mut wanted = true;
                for (at, c) in group.char_indices() {
                    match c {
                        '{' => depth += 1,
                        '}' if depth == 0 => break,
                        '}' => depth -= 1,
                        ',' if depth == 0 => wanted = true,
                        c if depth == 0 && wanted && is_word(c) => {
                            found.extend(first_word(&group[at..]));
                            wanted = false;
                        }
                        _ => {}
                    }
                }
            }
        }
    }
    found
}

fn first_word(text: &str) -> Option<String> {
    let word: String = text.chars().take_while(|c| is_word(*c)).collect();
    (!word.is_empty()).then_some(word)
}

/// Which rooms a file imports: by `crate::` and by `super::` paths that climb to the crate's root.
fn imports(file: &File) -> BTreeSet<String> {
    let mut found = paths_from("crate::", &file.code);
    let depth = file.path.split('/').count() - usize::from(file.path.ends_with("/mod.rs"));
    let climb = "super::".repeat(depth);
    found.extend(paths_from(&climb, &file.code).into_iter().filter(|word| word != "super"));
    found.remove(file.room());
    found
}
fn all_held(faults: Vec<String>) {
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

#[test]
fn every_arrow_between_rooms_is_permitted() {
    let files = source();
    let rooms: BTreeSet<String> = files.iter().map(|file| file.room().to_owned()).collect();
    let mut faults = Vec::new();
    for file in files.iter().filter(|file| !matches!(file.path.as_str(), "lib.rs" | "main.rs")) {
        let Some((_, _, permitted)) = ROOMS.iter().find(|(room, ..)| *room == file.room()) else {
            faults.push(format!("src/{}: the plan has no room `{}`", file.path, file.room()));
            continue;
        };
        for import in imports(file) {
            if !rooms.contains(&import) {
                faults.push(format!("src/{}: `crate::{import}` names no room: name where it lives", file.path));
            } else if !permitted.contains(&import.as_str()) {
                faults.push(format!("src/{}: `{}` may not import `{import}`", file.path, file.room()));
            }
        }
    }
    all_held(faults);
}

#[test]
fn the_binary_reaches_the_library_through_cli_alone() {
    let files = source();
    let main = files.iter().find(|file| file.path == "main.rs").unwrap();
    let reached = paths_from("sallyport::", &main.code);
    assert!(reached.iter().all(|room| room == "cli"), "src/main.rs reaches {reached:?}");
}

#[test]
fn no_arrow_points_upward_so_there_is_no_circle() {
    let floors: BTreeMap<&str, u8> = ROOMS.iter().map(|(room, floor, _)| (*room, *floor)).collect();
    let mut faults = Vec::new();
    for (room, floor, permitted) in ROOMS {
        for import in *permitted {
            if floors[import] >= *floor {
                faults.push(format!("`{room}` on floor {floor} may import `{import}` on floor {}", floors[import]));
            }
        }
    }
    all_held(faults);
}

#[test]
fn an_arrow_on_the_ground_floor_is_permitted_only_while_it_is_used() {
    let files = source();
    let mut faults = Vec::new();
    for (room, floor, permitted) in ROOMS.iter().filter(|(_, floor, _)| *floor <= 1) {
        let of_room: Vec<&File> = files.iter().filter(|file| file.room() == *room).collect();
        for import in permitted.iter().filter(|_| !of_room.is_empty()) {
            if !of_room.iter().any(|file| imports(file).contains(*import)) {
                faults.push(format!("`{room}` (floor {floor}) no longer imports `{import}`: strike it"));
            }
        }
    }
    all_held(faults);
}

#[test]
fn the_architecture_shows_the_same_arrows() {
    let text = fs::read_to_string(root().join("docs/ARCHITECTURE.md")).unwrap();
    let everything_below = |room: &str| format!("| `{room}` | every room below it |");
    let mut faults = Vec::new();
    for (room, floor, permitted) in ROOMS {
        let row = if *room == "app" {
            let below = ROOMS.iter().filter(|(_, other, _)| other < floor).count();
            assert_eq!(below, permitted.len(), "`app` imports every room below it");
            everything_below(room)
        } else if permitted.is_empty() {
            format!("| `{room}` | nothing |")
        } else {
            let names: Vec<String> = permitted.iter().map(|name| format!("`{name}`")).collect();
            format!("| `{room}` | {} |", names.join(" "))
        };
        if !text.lines().any(|line| line.trim() == row) {
            faults.push(format!("docs/ARCHITECTURE.md lacks the row: {row}"));
        }
    }
    if text.lines().count() > 250 {
        faults.push("docs/ARCHITECTURE.md is longer than 250 lines".to_owned());
    }
    all_held(faults);
}

#[test]
fn pure_places_name_nothing_that_waits_or_fails_for_outside_reasons() {
    let mut faults = Vec::new();
    for file in source().iter().filter(|file| PURE.iter().any(|place| file.is_in(place))) {
        for needle in IMPURE.iter().filter(|needle| file.code.contains(**needle)) {
            faults.push(format!("src/{}: pure, yet names `{needle}`", file.path));
        }
    }
    all_held(faults);
}

#[test]
fn what_has_one_home_is_named_nowhere_else() {
    let mut faults = Vec::new();
    for file in source() {
        for (needle, homes, why) in HOMES {
            if !homes.iter().any(|home| file.is_in(home)) && mentions(&file.code, needle) {
                faults.push(format!("src/{}: names `{needle}`, but {why}", file.path));
            }
        }
    }
    all_held(faults);
}

/// Whether `needle` occurs, not as the end of a longer word.
fn mentions(code: &str, needle: &str) -> bool {
    code.match_indices(needle).any(|(at, _)| !code[..at].chars().next_back().is_some_and(is_word))
}

#[test]
fn every_file_opens_by_saying_what_it_is_for() {
    let mut faults = Vec::new();
    let tests = files_below(&root().join("tests"));
    let tests = tests.iter().filter(|path| path.extension().is_some_and(|extension| extension == "rs"));
    let tests = tests.map(|path| (relative(path, &root()), fs::read_to_string(path).unwrap()));
    for (path, text) in source().into_iter().map(|file| (format!("src/{}", file.path), file.text)).chain(tests) {
        // libFuzzer's entry point forces its attribute to the top.
        let text = text.strip_prefix("#![no_main]\n").unwrap_or(&text);
        if !text.starts_with("//! ") {
            faults.push(format!("{path}: does not open with `//!`"));
        }
    }
    all_held(faults);
}

#[test]
fn no_file_is_named_for_nothing() {
    let mut faults = Vec::new();
    for file in source() {
        for part in file.path.trim_end_matches(".rs").split('/') {
            let name = part.trim_end_matches('s');
            if ["util", "utilitie", "common", "helper", "manager", "type", "misc"].contains(&name) {
                faults.push(format!("src/{}: `{part}` says nothing about what lives there", file.path));
            }
        }
    }
    all_held(faults);
}

#[test]
fn every_file_fits_a_head() {
    let mut faults = Vec::new();
    for file in source() {
        let lines = if file.code.is_empty() { 0 } else { before_tests(&file.text).lines().count() };
        if lines > MAX_LINES {
            faults.push(format!("src/{}: {lines} lines; split it by life span or by floor", file.path));
        }
    }
    all_held(faults);
}

#[test]
fn every_test_file_is_reached() {
    let folder = root().join("tests/it");
    let mut faults = Vec::new();
    for path in files_below(&folder) {
        let name = relative(&path, &folder);
        if !name.ends_with(".rs") || name == "main.rs" {
            continue;
        }
        let module = name.trim_end_matches(".rs").trim_end_matches("/mod");
        let (parent, module) = module.rsplit_once('/').unwrap_or(("", module));
        let owners = [format!("{parent}/mod.rs"), format!("{parent}.rs"), "main.rs".to_owned()];
        let owners = if parent.is_empty() { &owners[2..] } else { &owners[..2] };
        let declared = owners.iter().any(|owner| {
            let text = fs::read_to_string(folder.join(owner)).unwrap_or_default();
            blanked(&text).lines().any(|line| line.trim().trim_start_matches("pub ") == format!("mod {module};"))
        });
        if !declared {
            faults.push(format!("tests/it/{name}: nobody says `mod {module};`"));
        }
    }
    all_held(faults);
}

#[test]
fn no_private_key_lies_among_the_anchors() {
    let keys = root().join("keys");
    let mut faults = Vec::new();
    for path in files_below(&keys) {
        let name = relative(&path, &keys);
        let text = String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned();
        if text.contains("PRIVATE KEY-----") {
            faults.push(format!("keys/{name}: holds a private key"));
        }
        if name.ends_with(".pub") && !text.lines().all(|line| line.contains("throw-away")) {
            faults.push(format!("keys/{name}: only throw-away test keys are kept here, and they say so"));
        }
    }
    all_held(faults);
}

#[test]
fn the_reader_of_this_file_takes_code_apart_as_it_should() {
    let code = "use crate::{a::B, c::{d, e}, f};\nlet x = crate::g::h(); // crate::i\nlet s = \"crate::j\";\n\
        let r = r#\"crate::k\"#; let c = '\"'; crate::l::m(); fn n<'a>() {} macrate::o();";
    let found: Vec<String> = paths_from("crate::", &blanked(code)).into_iter().collect();
    assert_eq!(found, ["a", "c", "f", "g", "l"]);
    assert_eq!(before_tests("a\n#[cfg(test)]\nmod tests {"), "a\n");
    for whole in ["a\n#[cfg(test)]\nfn b() {}", "#[cfg(test)]\nmod tests;\nfn b() {}"] {
        assert_eq!(before_tests(whole), whole);
    }
    let file = |path: &str| File {
        path: path.to_owned(),
        text: String::new(),
        code: "#[cfg(test)]\npub(crate) mod fixture;\nmod real;".to_owned(),
    };
    assert_eq!(files_of_tests(&file("a/mod.rs")), ["a/fixture"]);
    assert_eq!(files_of_tests(&file("a/b.rs")), ["a/b/fixture"]);
    assert_eq!(files_of_tests(&file("lib.rs")), ["fixture"]);
}
