//! Who is out: revoke, say what is revoked, and let an identity in again.

use serde_json::json;

use super::line::{Reinstate, Revoke};
use super::table::{Cell, Table, moment};
use super::{Error, Visit};
use crate::domain::event::{Event, Fact};
use crate::domain::{RecordId, Text, printable};
use crate::identity::Revocation;
use crate::policy::{Asked, Outcome};

impl Visit<'_> {
    pub(super) async fn revoke(&self, asked: &Revoke) -> Result<(), Error> {
        let (Some(whom), Some(reason)) = (&asked.whom, &asked.reason) else {
            return self.revoked(asked).await;
        };
        self.permitted(Asked::Revoke).await?;
        let identities = &self.room.identities;
        let what = identities.named(whom)?;
        let member = self.member(&what);
        let serials = identities.revoke(what, Text::new(reason.clone()), Some(self.caller)).await?;
        let certificates = match serials.as_slice() {
            [] => "no certificate of it lives".to_owned(),
            [one] => format!("serial {one} is void"),
            all => format!("serials {} are void", all.iter().map(u64::to_string).collect::<Vec<_>>().join(", ")),
        };
        let text = match &member {
            Some(member) => format!(
                "Revoked {member}: {certificates}, what ran under it ends now.\n\
                 No sign-in from now on, until: reinstate '{member}' --reason TEXT\n",
                member = printable(member, 256)
            ),
            None => format!("Revoked: {certificates}, what ran under it ends now. Its holder may sign in again.\n"),
        };
        let serials: Vec<String> = serials.iter().map(u64::to_string).collect();
        self.answer(asked.form, &text, &json!({ "identity": member, "serials": serials })).await
    }

    /// What stands revoked.
    async fn revoked(&self, asked: &Revoke) -> Result<(), Error> {
        let may = |asked| self.may_now(asked);
        if !may(Asked::Revoke) && !may(Asked::Audit) {
            return Err(Error::Denied(Asked::Revoke.as_str()));
        }
        let now = self.room.clock.now();
        let identities = &self.room.identities;
        let (barred, void) = identities.revoked();
        let mut table = Table::new(&["REVOKED", "WHO", "UNTIL"], &[1]);
        let mut listed = Vec::new();
        for (issuer, subject) in &barred {
            let member = identities.member(issuer, subject);
            table.push(vec![Cell::new("identity"), Cell::new(&member), Cell::new("reinstated")]);
            listed.push(json!({ "identity": member, "issuer_url": issuer, "subject": subject }));
        }
        for one in &void {
            let serial = format!("serial {}", one.serial);
            table.push(vec![Cell::new(serial), Cell::new(&one.name), Cell::new(moment(one.valid_before, now))]);
            listed.push(json!({
                "serial": one.serial.to_string(),
                "key_id": one.key_id,
                "name": one.name,
                "valid_before": one.valid_before.to_string(),
            }));
        }
        let text = if listed.is_empty() { "Nothing is revoked.\n".to_owned() } else { table.render(self.say.look()) };
        self.answer(asked.form, &text, &json!({ "revoked": listed })).await
    }

    pub(super) async fn reinstate(&self, asked: &Reinstate) -> Result<(), Error> {
        self.permitted(Asked::Revoke).await?;
        let identities = &self.room.identities;
        let Revocation::Identity { issuer, subject } = identities.named(&asked.whom)? else {
            return Err(Error::VoidStays);
        };
        identities.reinstate(&issuer, &subject, Text::new(asked.reason.clone()), Some(self.caller)).await?;
        let member = identities.member(&issuer, &subject);
        let text = format!("{} may sign in again; what was void stays void.\n", printable(&member, 256));
        self.answer(asked.form, &text, &json!({ "identity": member })).await
    }

    fn member(&self, what: &Revocation) -> Option<String> {
        match what {
            Revocation::Identity { issuer, subject } => Some(self.room.identities.member(issuer, subject)),
            Revocation::Serial(_) | Revocation::KeyId(_) => None,
        }
    }

    fn may_now(&self, asked: Asked<'_>) -> bool {
        matches!(self.room.sessions.judge(self.caller, asked, None, None).outcome, Outcome::Allow(_))
    }

    /// Asks policy, and records what it said before anything follows from it.
    pub(super) async fn permitted(&self, asked: Asked<'_>) -> Result<RecordId, Error> {
        let clock = &self.room.clock;
        let before = clock.elapsed();
        let decision = self.room.sessions.judge(self.caller, asked, None, None);
        let micros = u64::try_from(clock.elapsed().saturating_sub(before).as_micros()).unwrap_or(u64::MAX);
        let event = Event::AuthzDecision(decision.to_decided(asked.as_str(), micros));
        let fact = Fact::new(RecordId::new(clock.now()), decision.recorded(), event).by(self.caller);
        let id = fact.id;
        self.room.sessions.ledger().append_one(fact).await?;
        match decision.outcome {
            Outcome::Allow(_) => Ok(id),
            Outcome::Hold(_) | Outcome::Deny => Err(Error::Denied(asked.as_str())),
        }
    }
}
