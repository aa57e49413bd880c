//! The last part of the story: what is hidden from everybody, and what a stranger can check.

use std::path::Path;

use serde_json::Value;

use super::Error;
use super::stage::{self, Stage};
use super::world::{NAME, Visitor, World};

/// Values that stand in a file on the targets, in two halves, so that nobody's scanner takes this file for a leak.
const VALUES: [(&str, &str, &str); 3] = [
    ("aws_access_key_id", "AKIA", "QZ7XK2M4N6P3R3TV"),
    ("DB_PASSWORD", "correct-", "horse-9"),
    ("GITHUB", "ghp_", "16C7e42F292c6912E7710c838347Ae178B4a"),
];

/// The file.
pub(super) fn settings() -> String {
    let lines = VALUES.iter().map(|(name, begin, rest)| format!("{name} = {begin}{rest}\n"));
    std::iter::once("region = eu-1\n".to_owned()).chain(lines).collect()
}

/// A file with credentials is printed.
pub(super) async fn masked(stage: &mut Stage, alice: &Visitor, carol: &Visitor) -> Result<(), Error> {
    stage.step("A command prints a file with credentials: nobody sees the values, nor does the recording")?;
    let hidden = |text: &str| !VALUES.iter().any(|(_, _, rest)| text.contains(rest));
    let came = alice.on(stage, "web1", &["cat settings"], "").await?;
    stage.check("the rest of the file is there, and no value of it", {
        came.out().contains("region = eu-1") && hidden(&came.out()) && came.code == Some(0)
    })?;
    let listed = alice.ssh(&[NAME, "sessions", "list", "--json"], "").await?;
    let listed: Value = serde_json::from_slice(&listed.out).unwrap_or_default();
    let id = listed.pointer("/sessions/0/session").and_then(Value::as_str).unwrap_or("none").to_owned();
    let played = carol.ssh(&[NAME, "play", &id], "").await?;
    stage.check("the auditor's replay has what Alice saw", played.out == came.out)?;
    let shown = carol.ssh(&[NAME, "sessions", "show", &id, "--json"], "").await?;
    let shown: Value = serde_json::from_slice(&shown.out).unwrap_or_default();
    let kinds = shown.pointer("/ended/masked").cloned().unwrap_or_default();
    stage.shows(&format!("masked: {kinds}"))?;
    stage.check("the record says which kinds were masked, never what", {
        kinds.as_object().is_some_and(|kinds| kinds.len() == VALUES.len()) && hidden(&shown.to_string())
    })
}

/// All of it in one file, checked without the bastion; then one bit of it is changed.
pub(super) async fn evidence(world: &World, stage: &mut Stage, carol: &Visitor) -> Result<(), Error> {
    stage.step("Carol takes the evidence out: one file, checked on any machine without asking the bastion")?;
    let (bundle, trust) = (world.file("bundle.tar"), world.file("trust"));
    let (file, keys) = (bundle.display().to_string(), trust.display().to_string());
    let ssh = format!("ssh -F {} {NAME}", carol.config.display());
    stage.typed(&format!("{ssh} evidence trust > {keys}\n{ssh} evidence export --from 1h > {file}"))?;
    keep(&trust, &carol.ssh(&[NAME, "evidence", "trust"], "").await?.out)?;
    let mut bytes = carol.ssh(&[NAME, "evidence", "export", "--from", "1h"], "").await?.out;
    keep(&bundle, &bytes)?;
    let words = ["evidence", "verify", &file, "--trust", &keys];
    stage.typed(&format!("sallyport {}", words.join(" ")))?;
    let came = stage::ourselves(&words).await?;
    stage.came(&came)?;
    stage.check("it is whole, and the log has signed it", came.code == Some(0) && came.out().contains("verified"))?;
    second_way(world, stage, &file, &keys).await?;
    third_way(world, stage, &file, &keys).await?;
    let at = bytes.len() / 2;
    if let Some(byte) = bytes.get_mut(at) {
        *byte ^= 1;
    }
    keep(&bundle, &bytes)?;
    stage.shows(&format!("(now one bit of byte {at} is another)"))?;
    stage.typed(&format!("sallyport {}", words.join(" ")))?;
    let came = stage::ourselves(&words).await?;
    stage.came(&came)?;
    stage
        .check("one changed bit is found, and its place named", came.code == Some(3) && came.out().contains("tampered"))
}

/// Python's standard library.
async fn second_way(world: &World, stage: &mut Stage, bundle: &str, trust: &str) -> Result<(), Error> {
    let program = world.file("verify.py");
    keep(&program, include_bytes!("../ledger/bundle/verify.py"))?;
    let program = program.display().to_string();
    let Some(came) = stage::python(&[&program, bundle, "--trust", trust]).await? else {
        return stage.shows("(no python3 here: the second verifier was not asked)");
    };
    stage.typed(&format!("python3 verify.py {bundle} --trust {trust}"))?;
    stage.came(&came)?;
    stage.check("a second verifier, which shares no code with it, says the same", came.code == Some(0))
}

/// The script of the bundle's README, as it stands there.
async fn third_way(world: &World, stage: &mut Stage, bundle: &str, trust: &str) -> Result<(), Error> {
    let tools = "for tool in tar openssl sha256sum base64; do command -v $tool >&2 || echo $tool; done";
    let missing = stage::shell(tools, &world.file("."), &[]).await?.out();
    if !missing.is_empty() {
        return stage.shows(&format!("(not here: {}. The third way was not gone)", missing.trim().replace('\n', ", ")));
    }
    let readme = include_str!("../ledger/bundle/README.txt");
    let lines = readme.lines().skip_while(|line| !line.starts_with(BY_HAND));
    let script: Vec<&str> = lines.map_while(|line| line.strip_prefix(BY_HAND)).collect();
    let folder = world.file("by-hand");
    std::fs::create_dir(&folder).map_err(|source| Error::Folder { path: folder.clone(), source })?;
    let script = script.join("\n");
    stage.typed(&format!("BUNDLE={bundle} TRUST={trust} sh <<'END'\n{script}\nEND"))?;
    let came = stage::shell(&script, &folder, &[("BUNDLE", bundle), ("TRUST", trust)]).await?;
    stage.came(&came)?;
    stage.check("and so does openssl with sha256sum, by the lines of the bundle's own README", {
        came.code == Some(0) && came.out().ends_with("every file is as it was signed\n")
    })
}

/// How the lines of the script begin in the README.
const BY_HAND: &str = "       ";

fn keep(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    std::fs::write(path, bytes).map_err(|source| Error::Folder { path: path.to_owned(), source })
}
