//! `revoke` and `reinstate` while the bastion is stopped.

use clap::Args;
use serde_json::json;

use super::{Error, Which, runtime, terminal};
use crate::app::config::Config;
use crate::app::revoke::{self, Ask, Done};
use crate::clock::Clock;

/// Whom to put out.
#[derive(Args, Debug)]
pub(super) struct Revoke {
    #[command(flatten)]
    which: Which,
    /// An identity (corp:00u1abcd), a serial, a key id (sp1:...), or a name that only one goes by.
    #[arg(value_name = "WHOM", required_unless_present = "list")]
    whom: Option<String>,
    /// Why. It goes into the ledger.
    #[arg(long, value_name = "TEXT", required_unless_present = "list", value_parser = reason)]
    reason: Option<String>,
    /// Say what is revoked instead.
    #[arg(long, conflicts_with_all = ["whom", "reason"])]
    list: bool,
    /// Answer as JSON.
    #[arg(long)]
    json: bool,
}

/// Whom to let in again.
#[derive(Args, Debug)]
pub(super) struct Reinstate {
    #[command(flatten)]
    which: Which,
    /// The identity, as `revoke --list` has it.
    whom: String,
    /// Why. It goes into the ledger.
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    reason: String,
    /// Answer as JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn revoke(asked: Revoke) -> Result<(), Error> {
    let ask = match (asked.whom, asked.reason) {
        (Some(whom), Some(reason)) => Ask::Revoke { whom, reason },
        _ => Ask::List,
    };
    run(&asked.which, ask, asked.json)
}

pub(super) fn reinstate(asked: Reinstate) -> Result<(), Error> {
    run(&asked.which, Ask::Reinstate { whom: asked.whom, reason: asked.reason }, asked.json)
}

fn run(which: &Which, ask: Ask, as_json: bool) -> Result<(), Error> {
    let config = Config::load(&which.path()).map_err(Error::Config)?;
    let done = runtime()?.block_on(revoke::run(&config, Clock::system(), ask)).map_err(Error::Revoke)?;
    let (text, value) = shown(&done);
    if as_json { terminal::out(&format!("{value:#}\n")) } else { terminal::out(&text) }
}

fn shown(done: &Done) -> (String, serde_json::Value) {
    let printable = terminal::printable;
    match done {
        Done::Revoked(member, serials) => {
            let serials: Vec<String> = serials.iter().map(u64::to_string).collect();
            let void = match serials.as_slice() {
                [] => "no certificate of it lived".to_owned(),
                [one] => format!("serial {one} is void"),
                all => format!("serials {} are void", all.join(", ")),
            };
            let text = match member {
                Some(member) => {
                    format!("revoked {}: {void}, and no sign-in until it is reinstated\n", printable(member))
                }
                None => format!("revoked: {void}; its holder may sign in again\n"),
            };
            (text, json!({ "identity": member, "serials": serials }))
        }
        Done::Reinstated(member) => {
            let text = format!("{} may sign in again; what was void stays void\n", printable(member));
            (text, json!({ "identity": member }))
        }
        Done::Listed(members, void) => {
            let identities = members.iter().map(|member| format!("identity  {}\n", printable(member)));
            let serials = void
                .iter()
                .map(|one| format!("serial {}  {}  until {}\n", one.serial, printable(&one.name), one.valid_before));
            let text: String = identities.chain(serials).collect();
            let text = if text.is_empty() { "nothing is revoked\n".to_owned() } else { text };
            let listed = members.iter().map(|member| json!({ "identity": member }));
            let void = void.iter().map(|one| {
                json!({
                    "serial": one.serial.to_string(),
                    "key_id": one.key_id,
                    "name": one.name,
                    "valid_before": one.valid_before.to_string(),
                })
            });
            let listed: Vec<_> = listed.chain(void).collect();
            (text, json!({ "revoked": listed }))
        }
    }
}

fn reason(text: &str) -> Result<String, &'static str> {
    let text = text.trim();
    if text.is_empty() { Err("is empty; say why, it goes into the ledger") } else { Ok(text.to_owned()) }
}
