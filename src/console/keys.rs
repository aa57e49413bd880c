//! Plain keys that stand for the caller: which, until when, and no longer.

use serde_json::json;

use super::line::{DropKeys, KeysCommand};
use super::table::{Cell, Table, moment};
use super::{Error, Visit};
use crate::domain::Text;
use crate::identity::Revocation;

/// Why a key that its owner drops is void, as its record says it.
const DROPPED: &str = "dropped by its owner";

impl Visit<'_> {
    pub(super) async fn keys(&self, form: super::line::Form, command: Option<&KeysCommand>) -> Result<(), Error> {
        match command {
            None => self.remembered(form).await,
            Some(KeysCommand::List(form)) => self.remembered(*form).await,
            Some(KeysCommand::Drop(asked)) => self.drop_keys(asked).await,
        }
    }

    async fn remembered(&self, form: super::line::Form) -> Result<(), Error> {
        let now = self.room.clock.now();
        let mut table = Table::new(&["KEY", "UNTIL", "SIGNED IN", "FLOW", "SERIAL"], &[0]);
        let mut listed = Vec::new();
        for key in self.room.identities.remembered_keys(self.caller) {
            table.push(vec![
                Cell::new(&key.fingerprint),
                Cell::new(moment(key.valid_before, now)),
                Cell::new(moment(key.sign_in.at, now)),
                Cell::new(key.sign_in.flow.as_str()),
                Cell::new(key.serial.to_string()),
            ]);
            listed.push(json!({
                "fingerprint": key.fingerprint,
                "valid_before": key.valid_before.to_string(),
                "signed_in": key.sign_in.at.to_string(),
                "flow": key.sign_in.flow.as_str(),
                "serial": key.serial.to_string(),
                "record": key.sign_in.record.to_string(),
            }));
        }
        let text = match listed.as_slice() {
            [] => "No key of yours is remembered.\n".to_owned(),
            _ => table.render(self.say.look()),
        };
        self.answer(form, &text, &json!({ "keys": listed })).await
    }

    /// One's own need no permission. What runs under a dropped key ends, this command included where it came by that key.
    async fn drop_keys(&self, asked: &DropKeys) -> Result<(), Error> {
        let identities = &self.room.identities;
        let bare = |key: &str| key.strip_prefix("SHA256:").unwrap_or(key).to_owned();
        let wanted = asked.key.as_deref().map(bare);
        let mut keys = identities.remembered_keys(self.caller);
        keys.retain(|key| asked.all || wanted.as_ref().is_some_and(|wanted| bare(&key.fingerprint) == *wanted));
        if keys.is_empty() {
            return Err(Error::NoSuchKey);
        }
        let mine = self.caller.certificate.serial;
        let why = || Text::new(DROPPED.to_owned());
        for key in keys.iter().filter(|key| key.serial != mine) {
            identities.revoke(Revocation::Serial(key.serial), why(), Some(self.caller)).await?;
        }
        let dropped: Vec<&str> = keys.iter().map(|key| key.fingerprint.as_str()).collect();
        let text = dropped.iter().map(|key| format!("Dropped {key}\n")).collect::<String>();
        self.answer(asked.form, &text, &json!({ "dropped": dropped })).await?;
        // With the one that this connection came by goes the connection, and with it whatever else would be said.
        if keys.iter().any(|key| key.serial == mine) {
            identities.revoke(Revocation::Serial(mine), why(), Some(self.caller)).await?;
        }
        Ok(())
    }
}
