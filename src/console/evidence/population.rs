//! The population of a control, and samples of it.
//!
//! Both follow from the records of the enclosing checkpoints and are made anew by whoever has a bundle of the period.

use clap::Args;

use super::super::line::{Since, since};
use super::{Error, Fault, Range, Visit};
use crate::ledger::entry::Entry;
use crate::ledger::population::{Control, Sample};
use crate::policy::Asked;

/// Of what, and when.
#[derive(Args, Clone, Debug, PartialEq)]
pub(in crate::console) struct Population {
    /// approvals, authentications, break-glass, certificates, decisions, masking, policy-changes or sessions.
    #[arg(long, value_name = "CONTROL", value_parser = control)]
    control: Control,
    /// The period's begin: a date (2026-01-31), a time (2026-01-31T08:00:00Z) or a span (30m, 12h, 7d); the log's begin, if
    /// it is not given.
    #[arg(long, value_name = "WHEN", value_parser = since)]
    from: Option<Since>,
    /// The moment behind its end, in the same forms; now, if it is not given.
    #[arg(long, value_name = "WHEN", value_parser = since)]
    to: Option<Since>,
}

/// Which of them.
#[derive(Args, Clone, Debug, PartialEq)]
pub(in crate::console) struct SampleOf {
    #[command(flatten)]
    of: Population,
    /// How many.
    #[arg(short = 'n', value_name = "N", default_value_t = 25, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    count: u16,
    /// The number that picks: the auditor's, so that nobody else chooses.
    #[arg(long, value_name = "NUMBER")]
    seed: u64,
    /// One tar file with the rows, and for each its record and what belongs to it: other records, each with its proof,
    /// recordings and texts.
    #[arg(long)]
    pack: bool,
}

fn control(name: &str) -> Result<Control, String> {
    let names = Control::ALL.map(Control::as_str).join(", ");
    Control::parse(name).ok_or_else(|| format!("none of {names}"))
}

impl Visit<'_> {
    pub(super) async fn population(&self, asked: &Population) -> Result<(), Error> {
        let decision = self.permitted(Asked::Audit).await?;
        let range = self.enclosing(asked).await?;
        self.leaves(&range, Some(asked.control), None, decision).await?;
        let (mut rows, mut within, mut next) = (0_u64, 0_u64, range.first());
        while let Some(page) = self.rows(&range, asked.control, &mut next).await? {
            rows += page.len() as u64;
            within += page.iter().filter(|row| row.within).count() as u64;
        }
        let head = self.head(&range, asked.control, rows, within);
        self.say.out(&format!("{head}{}", asked.control.head())).await?;
        let mut next = range.first();
        while let Some(page) = self.rows(&range, asked.control, &mut next).await? {
            self.say.out(&page.into_iter().map(|row| row.line).collect::<String>()).await?;
        }
        Ok(())
    }

    pub(super) async fn sample(&self, asked: &SampleOf) -> Result<(), Error> {
        if asked.pack && self.say.terminal().is_some() {
            return Err(Fault::ToTerminal.into());
        }
        let decision = self.permitted(Asked::Audit).await?;
        let (range, control) = (self.enclosing(&asked.of).await?, asked.of.control);
        self.leaves(&range, Some(control), Some((asked.seed, asked.count.into())), decision).await?;
        let (mut rows, mut within, mut next) = (0_u64, 0_u64, range.first());
        let mut sample = Sample::new(asked.seed, asked.count.into());
        while let Some(page) = self.rows(&range, control, &mut next).await? {
            rows += page.len() as u64;
            for row in page.into_iter().filter(|row| row.within) {
                within += 1;
                sample.offer(&row.leaf, (row.seq, row.line));
            }
        }
        let mut picked: Vec<_> = sample.into_items().collect();
        picked.sort();
        let head = self.head(&range, control, rows, within);
        let how = format!(
            "# sample      {} of those in the period, by the seed {}: those with the smallest SHA-256 of SEED:LEAF\n",
            picked.len(),
            asked.seed,
        );
        let indexes: Vec<u64> = picked.iter().map(|(index, _)| *index).collect();
        let lines: String = picked.into_iter().map(|(_, line)| line).collect();
        if asked.pack {
            return self.pack(&range, &indexes, &format!("{head}{how}{}{lines}", control.head())).await;
        }
        self.say.out(&format!("{head}{how}{}{lines}", control.head())).await
    }

    async fn enclosing(&self, asked: &Population) -> Result<Range, Error> {
        let from = match asked.from {
            Some(from) => from,
            // The log has a record at least: that this was asked.
            None => Since::At(self.records_from(0, 1).await?.first().map_or(self.room.clock.now(), Entry::time)),
        };
        self.range(from, asked.to, false).await
    }

    /// What an auditor asks of a population, each line behind a `#`.
    fn head(&self, range: &Range, control: Control, rows: u64, within: u64) -> String {
        let (first, end) = (range.first(), range.end());
        let checkpoint = &range.behind.checkpoint;
        let records = if end > first { format!("{first} to {}", end - 1) } else { "none".to_owned() };
        let lines = [
            ("population", control.as_str().to_owned()),
            ("query", control.query()),
            ("period", format!("{} to {}", range.dates.from, range.dates.to)),
            ("asked", format!("{} by {}", self.room.clock.now(), self.caller.identity.name)),
            ("records", format!("{records}, whose signed states enclose the period")),
            ("rows", format!("{rows}, {within} of them in the period")),
            ("checkpoint", format!("{} size {} root {}", checkpoint.origin, checkpoint.size, checkpoint.root)),
        ];
        let line = |(name, text): (&str, String)| format!("# {name:<11} {}\n", crate::domain::printable(&text, 1000));
        lines.map(line).concat()
    }

    /// The rows among the next records; `None` behind the last one.
    async fn rows(&self, range: &Range, control: Control, next: &mut u64) -> Result<Option<Vec<Row>>, Error> {
        if *next >= range.end() {
            return Ok(None);
        }
        let page = self.records_from(*next, range.end()).await?;
        *next += page.len() as u64;
        let row = |entry: &Entry| {
            let line = control.row(entry, &range.dates)?;
            Some(Row { line, within: range.dates.hold(entry.time()), leaf: entry.leaf(), seq: entry.seq() })
        };
        Ok(Some(page.iter().filter_map(row).collect()))
    }
}

struct Row {
    line: String,
    /// Whether it lies within the dates.
    within: bool,
    leaf: crate::domain::Digest,
    seq: u64,
}
