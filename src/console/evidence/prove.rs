//! One record and the proof that it is in the log.

use std::time::Duration;

use clap::Args;
use serde_json::json;

use super::super::line::Form;
use super::super::table::{Cell, fields};
use super::{Error, Fault, Visit};
use crate::domain::RecordId;
use crate::domain::event::exported::Exported;
use crate::domain::event::{Event, Fact, Outcome};
use crate::ledger::entry::{Entry, decode};
use crate::ledger::{Kept, proof};
use crate::policy::Asked;

/// Which record.
#[derive(Args, Clone, Debug, PartialEq)]
pub(in crate::console) struct Prove {
    /// Its id or its index, as 'sessions show' lists them.
    #[arg(value_name = "ID", value_parser = which)]
    record: Which,
    #[command(flatten)]
    form: Form,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Which {
    Id(RecordId),
    Index(u64),
}

fn which(text: &str) -> Result<Which, &'static str> {
    let id = RecordId::parse(&text.to_ascii_uppercase()).map(Which::Id);
    let found = id.or_else(|| text.parse().ok().map(Which::Index));
    found.ok_or("neither the id of a record nor its index; 'sessions show' lists both")
}

/// A record is written at most so long after it got its id.
const BEFORE: Duration = Duration::from_secs(1);
/// So many records are looked through for an id.
const LOOK_AT: u64 = 20_000;

impl Visit<'_> {
    pub(super) async fn prove(&self, asked: &Prove) -> Result<(), Error> {
        let decision = self.permitted(Asked::Audit).await?;
        let entry = self.recorded(asked.record).await?.ok_or(Fault::NoRecord)?;
        let index = entry.seq();
        let behind = self.witnessed_from(index + 1).await?;
        let exported = Exported {
            from: entry.time(),
            to: entry.time(),
            first: index,
            end: index + 1,
            root: behind.checkpoint.root,
            only_hashes: false,
            control: None,
            sample: None,
        };
        let id = RecordId::new(self.room.clock.now());
        let mut fact = Fact::new(id, Outcome::Success, Event::EvidenceExported(exported)).by(self.caller);
        fact.refs.push(decision);
        let ledger = self.room.sessions.ledger();
        ledger.append_one(fact).await?;
        let proof = self.proof(index, &behind).await?;
        let record = String::from_utf8_lossy(entry.bytes());
        let head = fields(
            &[
                ("record", Cell::new(index.to_string())),
                ("time", Cell::new(entry.time().to_string())),
                ("kind", Cell::new(format!("{} ({})", entry.kind(), entry.code()))),
                ("outcome", Cell::new(entry.outcome().as_str())),
                ("by", Cell::new(entry.actor().text("name").unwrap_or("this bastion"))),
                ("check", Cell::new("sallyport evidence verify-record FILE --trust FILE")),
            ],
            super::super::table::Look::Plain,
        );
        let head: String = head.lines().map(|line| format!("# {line}\n")).collect();
        let value = json!({ "record": record, "proof": proof });
        self.answer(asked.form, &format!("{head}{record}\n\n{proof}"), &value).await
    }

    /// That record `index` is under this checkpoint.
    pub(super) async fn proof(&self, index: u64, behind: &Kept) -> Result<String, Error> {
        let hashes = self.room.sessions.ledger().inclusion(index, behind.checkpoint.size).await?;
        Ok(proof::encode(index, &hashes, &String::from_utf8_lossy(&behind.note)))
    }

    async fn recorded(&self, which: Which) -> Result<Option<Entry>, Error> {
        let ledger = self.room.sessions.ledger();
        let id = match which {
            Which::Index(index) if index >= ledger.size() => return Ok(None),
            Which::Index(index) => return Ok(ledger.entry(index).await?.as_ref().map(decode).transpose()?),
            Which::Id(id) => id,
        };
        let mut next = self.first_since(id.time().minus(BEFORE)).await?;
        let behind = ledger.size().min(next.saturating_add(LOOK_AT));
        while next < behind {
            for entry in self.records_from(next, behind).await? {
                if entry.id() == id {
                    return Ok(Some(entry));
                }
                next += 1;
            }
        }
        Ok(None)
    }
}
