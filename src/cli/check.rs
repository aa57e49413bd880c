//! `check`: every fault at once, each with its place and its mend. Opens no store.

use clap::Args;
use serde_json::json;

use super::{Error, USAGE, Which, runtime, terminal};
use crate::app::check::{self, Finding, Report, Severity, counted};
use crate::clock::Clock;

/// What to check, and how to say it.
#[derive(Args, Debug)]
pub(super) struct Check {
    #[command(flatten)]
    which: Which,
    /// Ask no target and no issuer: nothing goes over the network.
    #[arg(long)]
    offline: bool,
    /// Answer as JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(asked: &Check) -> Result<(), Error> {
    let path = asked.which.path();
    let report = runtime()?.block_on(check::run(&path, &Clock::system(), asked.offline));
    let shown = path.display().to_string();
    if asked.json {
        terminal::out(&format!("{:#}\n", as_json(&shown, &report)))?;
    } else {
        for finding in &report.findings {
            terminal::err(&said(finding, &shown, terminal::is_styled()));
        }
        let looked = if report.looked.is_empty() { "nothing".to_owned() } else { report.looked.join(", ") };
        let mut text = format!("{shown}: {}; looked at {looked}\n", verdict(&report));
        for skipped in &report.skipped {
            text += &format!("{shown}: {skipped}\n");
        }
        if report.is_good() { terminal::out(&text)? } else { terminal::err(&text) }
    }
    if report.is_good() { Ok(()) } else { Err(Error::Said(USAGE)) }
}

fn verdict(report: &Report) -> String {
    let (faults, warnings) = (report.count(Severity::Fault), report.count(Severity::Warning));
    let faults = if faults == 0 { "no fault".to_owned() } else { counted(faults, "fault") };
    if warnings == 0 { faults } else { format!("{faults}, {}", counted(warnings, "warning")) }
}

/// One line for programs and logs; on a terminal what to do stands on a line of its own.
fn said(finding: &Finding, config: &str, styled: bool) -> String {
    let Finding { severity, at, what, mend } = finding;
    let at = if at == config { at.clone() } else { format!("{config}: {at}") };
    let (at, what, mend) = (terminal::printable(&at), terminal::printable(what), terminal::printable(mend));
    match (styled, severity) {
        (false, Severity::Fault) => format!("{at}: {what}; {mend}\n"),
        (false, Severity::Warning) => format!("warning: {at}: {what}; {mend}\n"),
        (true, Severity::Fault) => {
            format!("\x1b[31mfault\x1b[0m    \x1b[1m{at}\x1b[0m\n         {what}\n         -> {mend}\n")
        }
        (true, Severity::Warning) => {
            format!("\x1b[33mwarning\x1b[0m  \x1b[1m{at}\x1b[0m\n         {what}\n         -> {mend}\n")
        }
    }
}

fn as_json(config: &str, report: &Report) -> serde_json::Value {
    let of = |severity| {
        let found = report.findings.iter().filter(move |finding| finding.severity == severity);
        found.map(|finding| json!({ "at": finding.at, "what": finding.what, "mend": finding.mend })).collect::<Vec<_>>()
    };
    json!({
        "config": config,
        "good": report.is_good(),
        "faults": of(Severity::Fault),
        "warnings": of(Severity::Warning),
        "looked_at": report.looked,
        "skipped": report.skipped,
    })
}
