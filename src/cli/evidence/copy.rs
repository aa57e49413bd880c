//! `evidence verify-copy`: a copy of the whole log, judged with nothing but its folder and keys from another road.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::super::store::Bar;
use super::super::{Error, FAULTS, runtime, terminal};
use super::{read_trust, seconds, spelled};
use crate::ledger::copied::verify::{Verified, verify};
use crate::ledger::verify::Verdict;

/// Which copy, and whom to believe.
#[derive(Args, Debug)]
pub(in crate::cli) struct VerifyCopy {
    /// The folder of the copy.
    dir: PathBuf,
    /// Keys that came on another road: what `ssh BASTION evidence trust` prints.
    #[arg(long, value_name = "FILE")]
    trust: PathBuf,
    /// Answer as JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(asked: &VerifyCopy) -> Result<(), Error> {
    let trust = read_trust(&asked.trust)?;
    let failed = |source| Error::File { path: asked.dir.clone(), source };
    std::fs::read_dir(&asked.dir).map_err(failed)?;
    let mut bar = Bar::new();
    let mut show = |at: u64, of: u64| {
        if at.is_multiple_of(SHOW_EVERY) {
            bar.show("entries", at, of);
        }
    };
    let found = runtime()?.block_on(verify(&asked.dir, &trust, &mut show));
    bar.clear();
    let found = found.map_err(|cause| failed(std::io::Error::other(cause)))?;
    terminal::out(&if asked.json { as_json(&found) } else { said(&found) })?;
    if found.verdict.is_good() { Ok(()) } else { Err(Error::Said(FAULTS)) }
}

const SHOW_EVERY: u64 = 4096;

fn said(found: &Verified) -> String {
    let mut text = format!("{}\n", found.verdict.as_str());
    let mut row = |name: &str, value: &str| text += &format!("  {name:<11} {}\n", terminal::printable(value));
    if let Some((checkpoint, signer)) = &found.checkpoint {
        row("signed by", signer);
        row("records", &format!("all {} of the log, at this checkpoint", checkpoint.size));
    }
    if let Some((first, last)) = found.times {
        row("from, to", &format!("{first}, {last}"));
    }
    for (name, time) in &found.witnesses {
        row("witness", &format!("{name}, {}", seconds(*time)));
    }
    for fault in &found.faults {
        text += &format!("FAULT {}\n", terminal::printable(fault));
    }
    text += match found.verdict {
        Verdict::VerifiedUnwitnessed => {
            "Nobody but the log has signed, and what came after this checkpoint is not here.\n"
        }
        Verdict::NoQuorum => "Fewer witnesses have signed than the trust file asks for.\n",
        Verdict::Verified => "What came after this checkpoint is not here.\n",
        Verdict::SignerNotChecked | Verdict::Incomplete | Verdict::Tampered => "Do not rely on this copy.\n",
    };
    text
}

fn as_json(found: &Verified) -> String {
    let checkpoint = found.checkpoint.as_ref();
    let value = json!({
        "verdict": found.verdict.as_str(),
        "good": found.verdict.is_good(),
        "signer": checkpoint.map(|(_, signer)| signer),
        "origin": checkpoint.map(|(checkpoint, _)| &checkpoint.origin),
        "records": checkpoint.map(|(checkpoint, _)| checkpoint.size),
        "root": checkpoint.map(|(checkpoint, _)| checkpoint.root.to_string()),
        "first_time": found.times.map(|(first, _)| first.to_string()),
        "last_time": found.times.map(|(_, last)| last.to_string()),
        "witnesses": found.witnesses.iter().map(|(name, time)| json!({ "name": name, "time": seconds(*time) })).collect::<Vec<_>>(),
        "faults": found.faults,
    });
    spelled(&format!("{value:#}\n"))
}
