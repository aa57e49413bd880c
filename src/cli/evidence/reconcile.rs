//! `evidence reconcile`: a target's own log of sign-ins against a bundle.

use std::fs;
use std::io::{self, BufRead as _, BufReader, Read as _, Seek as _};
use std::path::{Path, PathBuf};

use clap::Args;

use super::super::{Error, FAULTS, terminal};
use super::read_trust;
use crate::ledger::bundle::ReadError;
use crate::ledger::reconcile::{Reconciler, Report};
use crate::ledger::verify::{Belief, verify};

/// Which log, and what it is held against.
#[derive(Args, Debug)]
pub(in crate::cli) struct Reconcile {
    /// What `ssh BASTION evidence export` gave, of a period that encloses the log.
    file: PathBuf,
    /// The target's log of sshd: a file with its lines, as syslog, journalctl or `sshd -E` write them.
    #[arg(long, value_name = "FILE")]
    sshd_log: PathBuf,
    /// The target's name, as the records have it.
    #[arg(long, value_name = "NAME")]
    target: String,
    /// Keys that came on another road than the bundle.
    #[arg(long, value_name = "FILE", required_unless_present = "trust_bundle")]
    trust: Option<PathBuf>,
    /// Believe the keys that the bundle states itself.
    #[arg(long, conflicts_with = "trust")]
    trust_bundle: bool,
}

/// Longest line of a log that is looked at; what is longer is no sign-in.
const LINE_BYTES: u64 = 8 * 1024;

pub(super) fn run(asked: &Reconcile) -> Result<(), Error> {
    let trust = asked.trust.as_deref().map(read_trust).transpose()?;
    let belief = trust.as_ref().map_or(Belief::Bundle, Belief::Trust);
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| Error::File { path, source }
    };
    let mut file = fs::File::open(&asked.file).map_err(failed(&asked.file))?;
    let judged = verify(&file, belief, &mut |_| {}).map_err(failed(&asked.file))?;
    if !judged.verdict.is_good() {
        terminal::out(&format!("{}\nCheck the bundle first: sallyport evidence verify\n", judged.verdict.as_str()))?;
        return Err(Error::Said(FAULTS));
    }
    file.rewind().map_err(failed(&asked.file))?;
    let mut both = Reconciler::new(&asked.target);
    both.bundle(BufReader::new(&file)).map_err(|error| {
        let source = match error {
            ReadError::Io(source) => source,
            other => io::Error::other(other),
        };
        Error::File { path: asked.file.clone(), source }
    })?;
    if both.withheld() > 0 {
        terminal::out("incomplete\nThe bundle has only hashes of some records: get it without --only-hashes.\n")?;
        return Err(Error::Said(FAULTS));
    }
    lines(&asked.sshd_log, &mut both).map_err(failed(&asked.sshd_log))?;
    let report = both.finish();
    terminal::out(&said(&report))?;
    if report.agrees() { Ok(()) } else { Err(Error::Said(FAULTS)) }
}

fn lines(path: &Path, both: &mut Reconciler) -> Result<(), io::Error> {
    let mut log = BufReader::new(fs::File::open(path)?);
    let mut line = Vec::new();
    let mut is_begin = true;
    loop {
        line.clear();
        if log.by_ref().take(LINE_BYTES).read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        // The rest of a line that is too long begins none of its own.
        if is_begin {
            both.line(String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']));
        }
        is_begin = line.ends_with(b"\n");
    }
}

fn said(report: &Report) -> String {
    let mut text = if report.agrees() { "agreed\n" } else { "differ\n" }.to_owned();
    text += &format!("  sign-ins    {}, {} of them with their record\n", report.logins, report.matched);
    text += &format!("  not judged  {} records before the first or behind the last of them\n", report.outside);
    let lists = [
        ("FAULT sign-in without a record", &report.strangers),
        ("FAULT record of a session, without a sign-in", &report.vanished),
        ("unanswered: record without a sign-in or a session", &report.unanswered),
    ];
    for (what, list) in lists {
        list.iter().for_each(|one| text += &format!("{what}: {}\n", terminal::printable(one)));
    }
    text
}
