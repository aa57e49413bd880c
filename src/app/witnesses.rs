//! The bastion's side of its witnesses: each new checkpoint is shown to all of them, and kept with what they sign.
//!
//! Never in the way of a session: who is not reached is asked again with the next checkpoint.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::StartError;
use crate::ledger::cosign::Witness;
use crate::ledger::cosigned::checked;
use crate::ledger::trust::Trust;
use crate::ledger::{self, Kept, Ledger};

/// How often it is looked for a new checkpoint.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// After a round in which not enough have signed.
const TRY_AGAIN: Duration = Duration::from_secs(10);
/// For all that is asked of one at the start.
const AT_START: Duration = Duration::from_secs(5);
/// For one request.
const WITHIN: Duration = Duration::from_secs(10);
/// Longest answer that is read.
const ANSWER_BYTES: usize = 16 * 1024;

/// What is known of one witness.
struct Known {
    url: String,
    key: Witness,
    /// The size it has signed last, as far as is known.
    signed: u64,
    /// It has signed more than it says now: it has lost its state, and could be led to sign another history.
    is_lost: bool,
    /// It has signed another root at the size of our checkpoint.
    is_forked: bool,
}

/// Asks every witness, before anything is written, whether it has signed more of this log than is there, or something else:
/// then the store was restored from an older copy, and going on would make a second history. Who is not reached does not
/// keep the bastion from starting.
pub(super) async fn agree(ledger: &Ledger, trust: &Trust, client: &reqwest::Client) -> Result<(), StartError> {
    // What was never signed nobody else has signed.
    let Some(kept) = ledger.newest().await? else { return Ok(()) };
    let mut known = all(ledger, trust).await;
    let asked = known.iter_mut().map(async |(name, witness)| {
        match timeout(AT_START, witness.ask(ledger, &kept, client)).await {
            Ok(Ok(_)) => {}
            Ok(Err(why)) => warn!(witness = name, why, "the witness, asked at the start"),
            Err(_) => warn!(witness = name, "the witness, asked at the start, does not answer"),
        }
    });
    futures_util::future::join_all(asked).await;
    let found = kept.checkpoint.size;
    match known.into_iter().find(|(_, witness)| witness.is_forked || witness.signed > found) {
        Some((witness, Known { signed, .. })) => Err(StartError::Witnessed { witness, signed, found }),
        None => Ok(()),
    }
}

/// All witnesses that have an address.
async fn all(ledger: &Ledger, trust: &Trust) -> BTreeMap<String, Known> {
    let mut known = BTreeMap::new();
    for (name, stated) in &trust.witnesses {
        let Some(url) = &stated.url else { continue };
        let signed = ledger.last_cosigned(&stated.key).await.unwrap_or_default();
        let witness = Known { url: url.clone(), key: stated.key.clone(), signed, is_lost: false, is_forked: false };
        known.insert(name.clone(), witness);
    }
    known
}

/// Shows each new checkpoint to all witnesses that have an address.
pub(super) async fn run(ledger: Ledger, trust: Trust, client: reqwest::Client, stop: CancellationToken) {
    let mut known = all(&ledger, &trust).await;
    let mut done = 0;
    let asking = async {
        loop {
            sleep(LOOK_EVERY).await;
            let kept = match ledger.newest().await {
                Ok(Some(kept)) if kept.checkpoint.size > done => kept,
                Ok(_) => continue,
                Err(cause) => {
                    warn!(error = &cause as &dyn std::error::Error, "the checkpoint for witnesses");
                    continue;
                }
            };
            match round(&ledger, &kept, &mut known, &client).await {
                Ok(true) => {
                    done = kept.checkpoint.size;
                    info!(size = done, "checkpoint cosigned");
                }
                Ok(false) => {
                    warn!(size = kept.checkpoint.size, "not enough witnesses have signed the checkpoint");
                    sleep(TRY_AGAIN).await;
                }
                Err(cause) => {
                    warn!(error = &cause as &dyn std::error::Error, "cosignatures");
                    sleep(TRY_AGAIN).await;
                }
            }
        }
    };
    stop.run_until_cancelled(asking).await;
}

/// Whether enough have signed.
async fn round(
    ledger: &Ledger,
    kept: &Kept,
    known: &mut BTreeMap<String, Known>,
    client: &reqwest::Client,
) -> Result<bool, ledger::Error> {
    let asked = known.iter_mut().map(async |(name, witness)| {
        let lines = witness.ask(ledger, kept, client).await;
        if let Err(why) = &lines {
            warn!(witness = name, why, "the witness has not signed");
        }
        lines.unwrap_or_default()
    });
    let lines = futures_util::future::join_all(asked).await.concat();
    ledger.keep_cosigned(kept, &lines).await
}

impl Known {
    /// The lines of its signature; or why there are none.
    async fn ask(&mut self, ledger: &Ledger, kept: &Kept, client: &reqwest::Client) -> Result<Vec<String>, String> {
        let size = kept.checkpoint.size;
        // Twice: the first answer may say what it has signed last.
        for _ in 0..2 {
            if self.is_lost {
                return Err("it has lost its state, and is not asked any more".to_owned());
            }
            if self.signed > size {
                return Err(format!("it has signed {} entries, and this log has {size}", self.signed));
            }
            let body = ledger.ask_witness(self.signed, kept).await.map_err(|cause| cause.to_string())?;
            let (status, answer) = post(client, &self.url, body).await?;
            match status {
                200 => {
                    let lines = checked(&self.key, kept, &answer).map_err(|cause| cause.to_string())?;
                    self.signed = size;
                    return Ok(lines);
                }
                409 => {
                    let last = answer.trim_end().parse::<u64>().map_err(|_| {
                        self.is_forked = true;
                        error!(size, "a witness has signed another root at this size: this log has two histories");
                        "it has signed another root at this size".to_owned()
                    })?;
                    if last < self.signed {
                        error!(last, signed = self.signed, url = self.url, "a witness has lost its state");
                        self.is_lost = true;
                    } else if last > size {
                        error!(
                            last,
                            size,
                            url = self.url,
                            "a witness knows more entries than this log has: it was restored from an older copy"
                        );
                    }
                    self.signed = self.signed.max(last);
                }
                404 => return Err("it does not know this log: give it the output of 'evidence trust'".to_owned()),
                other => return Err(format!("it answers {other}")),
            }
        }
        Err("it says another size each time".to_owned())
    }
}

async fn post(client: &reqwest::Client, prefix: &str, body: String) -> Result<(u16, String), String> {
    let url = format!("{}/add-checkpoint", prefix.trim_end_matches('/'));
    let said = |error: reqwest::Error| error.without_url().to_string();
    let mut response = client.post(url).timeout(WITHIN).body(body).send().await.map_err(said)?;
    let status = response.status().as_u16();
    let mut answer = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(said)? {
        answer.extend_from_slice(&chunk);
        if answer.len() > ANSWER_BYTES {
            return Err("its answer is too long".to_owned());
        }
    }
    Ok((status, String::from_utf8_lossy(&answer).into_owned()))
}
