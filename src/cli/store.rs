//! `store check`, `store rebuild` and `store succeed`: what is kept, against the log, while the bastion is stopped.

use std::io::IsTerminal as _;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::json;

use super::{Error, FAULTS, Which, runtime, terminal};
use crate::app::config::Config;
use crate::app::mend::{self, Mended};
use crate::app::store_check::{self, Report};
use crate::app::succeed::{self, Done};
use crate::clock::Clock;

#[derive(Subcommand, Debug)]
pub(super) enum Command {
    /// Hold everything that is kept against the log: registers, index, recordings, texts. Changes nothing.
    ///
    /// Exit codes: 0 all is as the log says, 3 something is not, 1 it could not be looked at.
    Check(How),
    /// Move the store aside and make it anew from the log. Recordings are copied as far as they can be read.
    ///
    /// Exit codes: 0 nothing is lost, 3 something is: it is named here and in the log.
    Rebuild(How),
    /// Go on after an older copy of the log was brought back and the newer one is lost: the entries that are left become the
    /// first ones of a log of another name, which says so. The log before is kept aside.
    ///
    /// Exit codes: 0 done, 1 not. An interrupted call is finished by the next one.
    Succeed(Succeed),
}

/// What else is known of the log before.
#[derive(Args, Debug)]
pub(super) struct Succeed {
    #[command(flatten)]
    how: How,
    /// A checkpoint of it that was kept elsewhere, if it is newer than that in last_checkpoint_file.
    #[arg(long, value_name = "FILE")]
    checkpoint: Option<PathBuf>,
    /// How many entries a witness has signed: the refusal to start says so.
    #[arg(long, value_name = "N")]
    witnessed: Option<u64>,
}

/// Which, and how to say it.
#[derive(Args, Debug)]
pub(super) struct How {
    #[command(flatten)]
    which: Which,
    /// Answer as JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(command: Command) -> Result<(), Error> {
    match command {
        Command::Check(how) => check(&how),
        Command::Rebuild(how) => rebuild(&how),
        Command::Succeed(asked) => succeed(&asked),
    }
}

fn succeed(asked: &Succeed) -> Result<(), Error> {
    let config = Config::load(&asked.how.which.path()).map_err(Error::Config)?;
    let ask = succeed::Ask { checkpoint: asked.checkpoint.clone(), witnessed: asked.witnessed };
    let done = runtime()?.block_on(succeed::succeed(&config, Clock::system(), &ask)).map_err(Error::Succeed)?;
    if asked.how.json {
        return terminal::out(&format!("{:#}\n", json!(done)));
    }
    let Done { before, origin, kept, signed, aside } = &done;
    let lost = signed.saturating_sub(*kept);
    terminal::out(&format!(
        "the log before   {before}: {signed} entries were signed, {kept} are here, {lost} are lost\n\
         the log now      {origin}: it begins with these {kept}\n\
         kept aside       {aside}\n\
         What to do next:\n  \
           revoke again whom the lost entries had revoked: nothing here knows of it\n  \
           start the bastion, and give what 'ssh BASTION evidence trust' prints to auditors and witnesses,\n  \
           on the road on which they got the last one\n",
        aside = config.state.join(aside).display(),
    ))
}

fn check(how: &How) -> Result<(), Error> {
    let config = Config::load(&how.which.path()).map_err(Error::Config)?;
    let mut bar = Bar::new();
    let runtime = runtime()?;
    let mut show = |what, done, of| bar.show(what, done, of);
    let report = runtime.block_on(store_check::check(&config, Clock::system().now(), &mut show)).map_err(Error::Serve);
    bar.clear();
    let report = report?;
    if how.json {
        let faults = report.faults.iter().map(|one| json!({ "at": one.at, "what": one.what, "mend": one.mend }));
        let value = json!({
            "good": report.is_good(), "entries": report.entries, "unsigned": report.unsigned,
            "registers": report.registers, "sessions": report.sessions, "recordings": report.recordings,
            "frames": report.frames, "bytes": report.bytes, "texts": report.texts,
            "faults": faults.collect::<Vec<_>>(), "notes": report.notes,
        });
        terminal::out(&format!("{value:#}\n"))?;
    } else {
        tell(&report)?;
    }
    if report.is_good() { Ok(()) } else { Err(Error::Said(FAULTS)) }
}

fn tell(report: &Report) -> Result<(), Error> {
    let Report { entries, unsigned, registers, sessions, recordings, frames, bytes, texts, .. } = report;
    let mut text = format!(
        "log         {entries} entries, {unsigned} of them not signed yet\n\
         registers   {registers}\n\
         sessions    {sessions}\n\
         recordings  {recordings}, {frames} frames, {bytes} bytes\n\
         texts       {texts}\n"
    );
    for note in &report.notes {
        text += &format!("note: {}\n", terminal::printable(note));
    }
    for fault in &report.faults {
        let (at, what) = (terminal::printable(&fault.at), terminal::printable(&fault.what));
        text += &format!("FAULT {at}: {what}\n      {}\n", fault.mend);
    }
    text += &match report.faults.len() {
        0 => "no fault\n".to_owned(),
        1 => "1 fault\n".to_owned(),
        many => format!("{many} faults\n"),
    };
    terminal::out(&text)
}

fn rebuild(how: &How) -> Result<(), Error> {
    let config = Config::load(&how.which.path()).map_err(Error::Config)?;
    let mended = runtime()?.block_on(mend::rebuild(&config, Clock::system())).map_err(Error::Serve)?;
    let Mended { aside, recordings, lost, texts, texts_lost } = &mended;
    if how.json {
        let lost = lost.iter().map(|(id, said, frames)| json!({ "recording": id, "said": said, "frames": frames }));
        let value = json!({
            "aside": aside, "recordings": recordings, "recordings_lost": lost.collect::<Vec<_>>(),
            "texts": texts, "texts_lost": texts_lost,
        });
        terminal::out(&format!("{value:#}\n"))?;
    } else {
        let mut text = format!(
            "registers and index of sessions: made anew from the log\n\
             recordings: {recordings} whole, {} not\n\
             texts: {texts} there, {texts_lost} not\n\
             open approvals: withdrawn at the next start\n",
            lost.len()
        );
        for (id, said, frames) in lost {
            text += &format!("LOST recording {id}: {frames} of {said} frames are left\n");
        }
        for name in aside {
            let path = config.state.join(name);
            text += &format!("the old store: {}; remove it when nothing of it is missed\n", path.display());
        }
        terminal::out(&text)?;
    }
    if lost.is_empty() && *texts_lost == 0 { Ok(()) } else { Err(Error::Said(FAULTS)) }
}

/// One line on a terminal, written over again and again.
pub(super) struct Bar {
    shown: bool,
    is_terminal: bool,
}

const WIDTH: u64 = 30;

impl Bar {
    pub(super) fn new() -> Self {
        Self { shown: false, is_terminal: std::io::stderr().is_terminal() }
    }

    pub(super) fn show(&mut self, what: &str, done: u64, of: u64) {
        if !self.is_terminal {
            return;
        }
        self.shown = true;
        let of = of.max(done).max(1);
        let filled = usize::try_from(done.saturating_mul(WIDTH) / of).unwrap_or(0);
        let empty = usize::try_from(WIDTH).unwrap_or(0).saturating_sub(filled);
        let (hashes, dots) = ("#".repeat(filled), ".".repeat(empty));
        terminal::err(&format!("\r\x1b[K{what:<10} [{hashes}{dots}] {}%", done.saturating_mul(100) / of));
    }

    pub(super) fn clear(&mut self) {
        if self.shown {
            terminal::err("\r\x1b[K");
        }
    }
}
