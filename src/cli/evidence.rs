//! `evidence verify`: a bundle, or one record, judged on this machine with nothing but the file and keys from another road.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::store::Bar;
use super::{Error, FAULTS, terminal};
use crate::domain::Timestamp;
use crate::ledger::proof::{self, Proved};
use crate::ledger::trust::{self, Trust};
use crate::ledger::verify::{Belief, Bound, Report, Verdict, verify};

mod copy;
mod reconcile;

#[derive(Subcommand, Debug)]
pub(super) enum Command {
    /// Judge a bundle of evidence: whether anything in its period was changed, removed or added. Asks nobody, opens no store.
    ///
    /// Exit codes: 0 verified, 3 not verified or the signer was not checked, 1 the file could not be read.
    Verify(Verify),
    /// Check one record: that it is in the log at its place, under a checkpoint that the log has signed.
    ///
    /// Exit codes: 0 proved, 3 not, 1 a file could not be read.
    VerifyRecord(VerifyRecord),
    /// Judge a copy of the whole log, as `[ledger] copy_dir` keeps it: each entry, each hash, and the signed checkpoint.
    ///
    /// Exit codes: 0 verified, 3 not verified, 1 the folder could not be read.
    VerifyCopy(copy::VerifyCopy),
    /// Hold a target's own log of sign-ins against the records of a bundle, by the serials of certificates: sign-ins without a
    /// record, and records without a sign-in.
    ///
    /// Exit codes: 0 both tell the same, 3 not, or the bundle is not verified, 1 a file could not be read.
    Reconcile(reconcile::Reconcile),
}

/// Which record, and whom to believe.
#[derive(Args, Debug)]
pub(super) struct VerifyRecord {
    /// What `ssh BASTION evidence prove ID` gave.
    file: PathBuf,
    /// Keys that came on another road: what `ssh BASTION evidence trust` prints.
    #[arg(long, value_name = "FILE")]
    trust: PathBuf,
}

/// Which bundle, and whom to believe.
#[derive(Args, Debug)]
pub(super) struct Verify {
    /// What `ssh BASTION evidence export` gave.
    file: PathBuf,
    /// Keys that came on another road than the bundle: what `ssh BASTION evidence trust` prints, a C2SP tlog-policy.
    #[arg(long, value_name = "FILE")]
    trust: Option<PathBuf>,
    /// Believe the keys that the bundle states itself: shows that it is whole, not who made it.
    #[arg(long, conflicts_with = "trust")]
    trust_bundle: bool,
    /// Answer as JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(command: Command) -> Result<(), Error> {
    match command {
        Command::Verify(asked) => bundle(&asked),
        Command::VerifyRecord(asked) => record(&asked),
        Command::VerifyCopy(asked) => copy::run(&asked),
        Command::Reconcile(asked) => reconcile::run(&asked),
    }
}

fn record(asked: &VerifyRecord) -> Result<(), Error> {
    let trust = read_trust(&asked.trust)?;
    let text = read(&asked.file, proof::MAX_BYTES)?;
    let text = match proof::check(&text, &trust) {
        Err(error) => {
            terminal::out(&format!("tampered\nFAULT {}\n", terminal::printable(&error.to_string())))?;
            return Err(Error::Said(FAULTS));
        }
        Ok(Proved { quorum: Some(false), .. }) => {
            terminal::out("no quorum\nFewer witnesses have signed than the trust file asks for.\n")?;
            return Err(Error::Said(FAULTS));
        }
        Ok(Proved { entry, checkpoint, signer, quorum }) => {
            let verdict = quorum.map_or(Verdict::VerifiedUnwitnessed, |_| Verdict::Verified);
            let mut text = format!("{}\n", verdict.as_str());
            let mut row = |name: &str, value: &str| {
                text += &format!("  {:<11} {}\n", terminal::printable(name), terminal::printable(value));
            };
            row("signed by", &signer);
            row("record", &format!("{} of {}", entry.seq(), checkpoint.size));
            row("time", &entry.time().to_string());
            row("kind", &format!("{} ({})", entry.kind(), entry.code()));
            row("outcome", entry.outcome().as_str());
            row("by", entry.actor().text("name").unwrap_or("the bastion"));
            for (name, value) in entry.body().map() {
                row(name, &value.to_string());
            }
            text
        }
    };
    terminal::out(&text)
}

fn bundle(asked: &Verify) -> Result<(), Error> {
    let trust = asked.trust.as_deref().map(read_trust).transpose()?;
    let belief = match &trust {
        Some(trust) => Belief::Trust(trust),
        None if asked.trust_bundle => Belief::Bundle,
        None => Belief::Nobody,
    };
    let failed = |source| Error::File { path: asked.file.clone(), source };
    let file = fs::File::open(&asked.file).map_err(failed)?;
    let of = file.metadata().map_err(failed)?.len();
    let (mut bar, mut shown) = (Bar::new(), 0);
    let mut progress = |read: u64| {
        if read - shown >= PROGRESS_BYTES {
            shown = read;
            bar.show("bundle", read, of);
        }
    };
    let report = verify(file, belief, &mut progress);
    bar.clear();
    let report = report.map_err(failed)?;
    terminal::out(&if asked.json { as_json(&report, belief) } else { said(&report, belief) })?;
    if report.verdict.is_good() { Ok(()) } else { Err(Error::Said(FAULTS)) }
}

const PROGRESS_BYTES: u64 = 1024 * 1024;

pub(super) fn read_trust(path: &Path) -> Result<Trust, Error> {
    let text = read(path, trust::MAX_BYTES)?;
    let text_of =
        |why: trust::Error| Error::Argument { name: "--trust", text: path.display().to_string(), why: why.to_string() };
    Trust::parse(&text).map_err(text_of)
}

/// A text file; of a longer one just more than `most`, which its reader then refuses.
fn read(path: &Path, most: usize) -> Result<String, Error> {
    let failed = |source| Error::File { path: path.to_owned(), source };
    let mut text = String::new();
    fs::File::open(path).and_then(|file| file.take(most as u64 + 1).read_to_string(&mut text)).map_err(failed)?;
    Ok(text)
}

/// A moment of whole seconds.
fn seconds(seconds: u64) -> String {
    Timestamp::from_secs(i64::try_from(seconds).unwrap_or(i64::MAX)).to_string()
}

fn believed(belief: Belief<'_>) -> &'static str {
    match belief {
        Belief::Nobody => "nobody",
        Belief::Bundle => "the bundle itself",
        Belief::Trust(_) => "the trust file",
    }
}

fn said(report: &Report, belief: Belief<'_>) -> String {
    let signer = report.signer.as_deref().unwrap_or("-");
    let (first, end) = report.range;
    let mut text = match report.verdict {
        Verdict::SignerNotChecked => format!("{}: {}\n", report.verdict.as_str(), terminal::printable(signer)),
        verdict => format!("{}\n", verdict.as_str()),
    };
    let mut row = |name: &str, value: &str| text += &format!("  {name:<11} {}\n", terminal::printable(value));
    row("signed by", signer);
    row("believed", believed(belief));
    if let Some(manifest) = &report.manifest {
        row("period", &format!("{} to {}", manifest.from, manifest.to));
    }
    if end > first {
        row("records", &format!("{first} to {}, {} of them withheld", end - 1, report.withheld));
    } else {
        row("records", "none");
    }
    if let Some((begin, last)) = report.times {
        row("from, to", &format!("{begin}, {last}"));
    }
    for (name, time) in &report.witnesses {
        row("witness", &format!("{name}, {}", seconds(*time)));
    }
    match report.witnesses.iter().map(|(_, time)| *time).min() {
        Some(time) => row("back-dating", &format!("nothing here was written after {}", seconds(time))),
        None => row("back-dating", "no bound: no witness has signed"),
    }
    for line in bounded(&report.bounds) {
        row("", &line);
    }
    row("recordings", &report.recordings.to_string());
    row("texts", &report.texts.to_string());
    row("policies", &report.policies.to_string());
    row("tables", &report.populations.to_string());
    for one in &report.successions {
        let (origin, signed) = (one.key.name(), one.checkpoint.size.max(one.witnessed.unwrap_or(0)));
        let said =
            format!("{origin}: it had signed {signed} records, the first {} are here (record {})", one.kept, one.seq);
        row("succeeds", &said);
    }
    if let (Some(first), Some(last)) = (report.stamps.first(), report.stamps.last()) {
        row(
            "stamps",
            &format!("{}, the last one says {}: {} records were there", report.stamps.len(), last.time, last.size),
        );
        let left = report.stamps.iter().filter(|one| !one.is_compared).count();
        if left > 0 {
            row("", &format!("{left} of them are over entries that are not here to be compared"));
        }
        // Who has signed a token is not for this program to say.
        row("", "not checked: the authorities' signatures, with certificates that you have from them:");
        let (note, token) = &first.files;
        row("", &format!("  tail -c +33 {note} >note; tail -c +33 {token} >token"));
        row("", "  openssl ts -verify -data note -in token -CAfile AUTHORITY.pem");
    }
    for missing in report.manifest.iter().flat_map(|manifest| &manifest.missing) {
        row(&missing.why, &missing.name);
    }
    for fault in &report.faults {
        let (place, what) = (terminal::printable(&fault.place), terminal::printable(&fault.what));
        text += &format!("FAULT {place}: {what}\n");
    }
    text += match report.verdict {
        Verdict::Verified => "",
        Verdict::VerifiedUnwitnessed => {
            "Nobody but the log has signed: the operator could have rewritten this before it was exported.\n"
        }
        Verdict::SignerNotChecked => {
            "Give the key that you got on another road: --trust FILE. This file may be by anybody.\n"
        }
        Verdict::NoQuorum => "Fewer witnesses have signed than the trust file asks for.\n",
        Verdict::Incomplete | Verdict::Tampered => {
            "Do not rely on this file: get it anew, and tell whoever gave it to you.\n"
        }
    };
    text
}

/// How closely the witnesses' signatures say when the records were written.
fn bounded(bounds: &[Bound]) -> Vec<String> {
    let records = |one: &Bound| format!("records {} to {}", one.first, one.end.saturating_sub(1));
    let widest = bounds.iter().filter_map(|one| Some((one.width()?, one))).max_by_key(|(width, _)| *width);
    let mut lines = Vec::new();
    if let Some((width, one)) = widest {
        let count: u64 = bounds.iter().filter(|one| one.width().is_some()).map(|one| one.end - one.first).sum();
        lines.push(format!(
            "{count} records were written between two signatures, at most {width} s apart ({})",
            records(one)
        ));
    }
    lines.extend(
        bounds
            .iter()
            .filter(|one| one.after.is_none())
            .map(|one| format!("{}: how early they were written no signature says", records(one))),
    );
    lines
}

fn as_json(report: &Report, belief: Belief<'_>) -> String {
    let faults = report.faults.iter().map(|one| json!({ "place": one.place, "what": one.what }));
    let manifest = report.manifest.as_ref();
    let value = json!({
        "verdict": report.verdict.as_str(),
        "good": report.verdict.is_good(),
        "signer": report.signer,
        "believed": believed(belief),
        "from": manifest.map(|manifest| &manifest.from),
        "to": manifest.map(|manifest| &manifest.to),
        "first": report.range.0,
        "end": report.range.1,
        "first_time": report.times.map(|(first, _)| first.to_string()),
        "last_time": report.times.map(|(_, last)| last.to_string()),
        "witnesses": report.witnesses.iter().map(|(name, time)| json!({ "name": name, "time": seconds(*time) })).collect::<Vec<_>>(),
        "back_dating_bound": report.witnesses.iter().map(|(_, time)| *time).min().map_or(Value::Null, |time| seconds(time).into()),
        "bounds": report.bounds.iter().map(|one| json!({
            "first": one.first, "end": one.end, "after": one.after.map(seconds), "before": one.before.map(seconds), "seconds": one.width(),
        })).collect::<Vec<_>>(),
        "counts": report.counts,
        "withheld": report.withheld,
        "recordings": report.recordings,
        "texts": report.texts,
        "policies": report.policies,
        "populations": report.populations,
        "successions": report.successions.iter().map(|one| json!({
            "record": one.seq, "origin": one.key.name(), "size": one.checkpoint.size, "kept": one.kept, "lost": one.lost(),
        })).collect::<Vec<_>>(),
        "stamps": report.stamps.iter().map(|one| json!({
            "record": one.seq, "size": one.size, "time": one.time.to_string(), "compared": one.is_compared,
            "checkpoint": one.files.0, "token": one.files.1, "signature": "not checked",
        })).collect::<Vec<_>>(),
        "missing": manifest.map(|manifest| &manifest.missing),
        "faults": faults.collect::<Vec<_>>(),
    });
    spelled(&format!("{value:#}\n"))
}

/// JSON in which nothing can steer a terminal.
fn spelled(json: &str) -> String {
    let mut out = String::new();
    for c in json.chars() {
        match c {
            '\n' | ' '..='~' => out.push(c),
            // Inside strings alone: what could steer a terminal is spelled out.
            _ => c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| out += &format!("\\u{unit:04x}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::verify::Fault;

    #[test]
    fn nothing_of_a_bundle_can_steer_a_terminal() {
        let evil = "a\x1b]0;x\x07\u{202e}\u{9b}b".to_owned();
        let report = Report {
            verdict: Verdict::Tampered,
            signer: Some(evil.clone()),
            manifest: None,
            range: (0, 1),
            times: None,
            witnesses: vec![(evil.clone(), 1)],
            bounds: Vec::new(),
            counts: [(evil.clone(), 1)].into(),
            withheld: 0,
            recordings: 0,
            texts: 0,
            policies: 0,
            populations: 0,
            successions: Vec::new(),
            stamps: Vec::new(),
            faults: vec![Fault { place: evil.clone(), what: evil, is_gap: false }],
        };
        for text in [said(&report, Belief::Nobody), as_json(&report, Belief::Nobody)] {
            assert!(text.bytes().all(|byte| byte == b'\n' || (b' '..=b'~').contains(&byte)), "{text:?}");
        }
    }
}
