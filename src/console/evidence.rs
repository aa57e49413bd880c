//! Evidence for people who do not trust this bastion: a bundle of a period, and the key to check it with.

use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::json;
use thiserror::Error as ThisError;

use super::line::{Form, Since, since};
use super::{Error, Visit};
use crate::domain::RecordId;
use crate::domain::event::exported::Exported;
use crate::domain::event::{Event, Fact, Outcome};
use crate::ledger::population::{Control, Dates};
use crate::ledger::{Kept, bundle};
use crate::policy::Asked;

mod export;
mod pack;
mod population;
mod prove;

use population::{Population, SampleOf};
use prove::Prove;

/// Below `evidence`.
#[derive(Clone, Debug, PartialEq, Subcommand)]
pub(super) enum EvidenceCommand {
    /// Everything of a period in one file that anybody can check: sallyport evidence verify FILE --trust FILE.
    Export(Period),
    /// One record, with the proof that it is in the log; anybody can check it: sallyport evidence verify-record.
    Prove(Prove),
    /// The table of every record of one control, with what an auditor asks of a population: the query, the count, and the
    /// signed state of the log that it follows from.
    Population(Population),
    /// Some of a population, picked by a number that the auditor names: the same number picks the same.
    Sample(SampleOf),
    /// The key of this bastion's log, as a trust file for whoever checks. To be handed over on another road than the
    /// evidence.
    Trust(Form),
}

/// Which period.
#[derive(Args, Clone, Debug, PartialEq)]
pub(super) struct Period {
    /// Its begin: a date (2026-01-31), a time (2026-01-31T08:00:00Z) or a span (30m, 12h, 7d).
    #[arg(long, value_name = "WHEN", value_parser = since)]
    from: Since,
    /// The moment behind its end, in the same forms; now, if it is not given.
    #[arg(long, value_name = "WHEN", value_parser = since)]
    to: Option<Since>,
    /// No record, text or recording, only the hashes of records: shows that none is missing.
    #[arg(long)]
    only_hashes: bool,
}

/// How long a signature is waited for. It follows a record within ten seconds.
const SIGNED_WITHIN: Duration = Duration::from_secs(20);
const ASK_AGAIN: Duration = Duration::from_millis(250);

/// What is exported.
struct Range {
    dates: Dates,
    /// Before the first record, if there is anything.
    before: Option<Kept>,
    /// Behind the last one.
    behind: Kept,
    only_hashes: bool,
}

impl Range {
    fn first(&self) -> u64 {
        self.before.as_ref().map_or(0, |kept| kept.checkpoint.size)
    }

    fn end(&self) -> u64 {
        self.behind.checkpoint.size
    }
}

impl Visit<'_> {
    pub(super) async fn evidence(&self, command: &EvidenceCommand) -> Result<(), Error> {
        match command {
            EvidenceCommand::Export(period) => self.export_period(period).await,
            EvidenceCommand::Prove(asked) => self.prove(asked).await,
            EvidenceCommand::Population(asked) => self.population(asked).await,
            EvidenceCommand::Sample(asked) => self.sample(asked).await,
            EvidenceCommand::Trust(form) => {
                let trust = self.room.sessions.ledger().trust();
                let key = self.room.sessions.ledger().key().to_string();
                self.answer(*form, &trust.text(), &json!({ "log": key })).await
            }
        }
    }

    async fn export_period(&self, period: &Period) -> Result<(), Error> {
        if self.say.terminal().is_some() {
            return Err(Fault::ToTerminal.into());
        }
        let decision = self.permitted(Asked::Audit).await?;
        let range = self.range(period.from, period.to, period.only_hashes).await?;
        self.leaves(&range, None, None, decision).await?;
        self.stream(&range).await
    }

    /// What is about to leave, as a record.
    async fn leaves(
        &self,
        range: &Range,
        control: Option<Control>,
        sample: Option<(u64, u64)>,
        decision: RecordId,
    ) -> Result<(), Error> {
        let exported = Exported {
            from: range.dates.from,
            to: range.dates.to,
            first: range.first(),
            end: range.end(),
            root: range.behind.checkpoint.root,
            only_hashes: range.only_hashes,
            control: control.map(Control::as_str),
            sample,
        };
        let id = RecordId::new(self.room.clock.now());
        let mut fact = Fact::new(id, Outcome::Success, Event::EvidenceExported(exported)).by(self.caller);
        fact.refs.push(decision);
        self.room.sessions.ledger().append_one(fact).await?;
        Ok(())
    }

    /// The signed checkpoints that enclose the period: rounded outward.
    async fn range(&self, from: Since, to: Option<Since>, only_hashes: bool) -> Result<Range, Error> {
        let ledger = self.room.sessions.ledger();
        let now = self.room.clock.now();
        let dates = Dates { from: from.moment(now), to: to.map_or(now, |to| to.moment(now)) };
        if dates.from > dates.to {
            return Err(Fault::Period.into());
        }
        let last = match to {
            Some(_) => self.first_since(dates.to).await?,
            None => ledger.size(),
        };
        let before = ledger.checkpoint_up_to(self.first_since(dates.from).await?.min(last)).await?;
        let behind = self.witnessed_from(last).await?;
        Ok(Range { dates, before, behind, only_hashes })
    }

    /// The oldest checkpoint of at least so many records that enough witnesses have signed; if they do not come to it, one
    /// that the log has signed.
    async fn witnessed_from(&self, size: u64) -> Result<Kept, Error> {
        let ledger = self.room.sessions.ledger();
        let signed = self.signed_from(size).await?;
        if ledger.trust().quorum.is_none() {
            return Ok(signed);
        }
        let mut waited = Duration::ZERO;
        while waited < SIGNED_WITHIN {
            if let Some(found) = ledger.cosigned_from(size).await? {
                return Ok(found);
            }
            tokio::time::sleep(ASK_AGAIN).await;
            waited += ASK_AGAIN;
        }
        self.say.err("the witnesses have not signed this yet: the evidence has the log's own signature only\n").await?;
        Ok(signed)
    }

    /// The oldest checkpoint of at least so many records; waits until it is signed.
    async fn signed_from(&self, size: u64) -> Result<Kept, Error> {
        let mut waited = Duration::ZERO;
        loop {
            if let Some(found) = self.room.sessions.ledger().checkpoint_from(size).await? {
                return Ok(found);
            }
            if waited >= SIGNED_WITHIN {
                return Err(Fault::Unsigned.into());
            }
            tokio::time::sleep(ASK_AGAIN).await;
            waited += ASK_AGAIN;
        }
    }
}

/// Why there is no bundle.
#[derive(Debug, ThisError)]
pub(super) enum Fault {
    /// It is no text.
    #[error("a bundle is for a file: ssh ... evidence export --from WHEN > bundle.tar, without -t")]
    ToTerminal,
    /// It ends before it begins.
    #[error("the period ends before it begins: --from is the earlier one")]
    Period,
    /// There is none.
    #[error("no such record; 'sessions show' lists ids and indexes")]
    NoRecord,
    /// The log does not come to signing.
    #[error("the newest records of the period are not signed yet, and should be by now; tell the operator")]
    Unsigned,
    /// It could not be put together.
    #[error("the bundle is not whole: {0}")]
    Write(#[from] bundle::Error),
}
