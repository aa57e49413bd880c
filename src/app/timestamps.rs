//! Checkpoints are shown to a timestamping authority (RFC 3161), and what it gives is kept in the log.
//!
//! Never in the way of anything: an authority that is not reached is asked again later, and that is a record too.

use std::time::Duration;

use reqwest::header::CONTENT_TYPE;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};
use url::Url;

use crate::clock::Clock;
use crate::domain::event::anchored::{Anchored, Token};
use crate::domain::event::{Event, Fact, Outcome};
use crate::domain::{Digest, RecordId, random_bits};
use crate::ledger::stamp::{self, Nonce};
use crate::ledger::{Kept, Ledger};

/// Whom to ask, and how often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Where the authority takes requests.
    pub url: Url,
    /// Between two stamps.
    pub every: Duration,
}

/// How often it is looked for the first checkpoint.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// After the first failure; each further one is twice as long, up to the time between two stamps.
const PAUSE: Duration = Duration::from_secs(60);
/// For one request.
const WITHIN: Duration = Duration::from_secs(20);

/// Asks until it is stopped.
pub(super) async fn run(
    settings: Settings,
    ledger: Ledger,
    client: reqwest::Client,
    clock: Clock,
    stop: CancellationToken,
) {
    let asking = async {
        let mut pause = PAUSE.min(settings.every);
        loop {
            let kept = match ledger.newest().await {
                Ok(Some(kept)) => kept,
                Ok(None) => {
                    sleep(LOOK_EVERY).await;
                    continue;
                }
                Err(cause) => {
                    warn!(error = &cause as &dyn std::error::Error, "the checkpoint for the timestamping authority");
                    sleep(pause).await;
                    continue;
                }
            };
            let came = ask(&settings.url, &kept, &client).await;
            let size = kept.checkpoint.size;
            let wait = match &came {
                Ok(token) => {
                    info!(size, time = %token.time, "checkpoint stamped");
                    pause = PAUSE.min(settings.every);
                    settings.every
                }
                Err(reason) => {
                    warn!(size, reason, "the timestamping authority has not stamped the checkpoint");
                    let wait = pause;
                    pause = (pause * 2).min(settings.every);
                    wait
                }
            };
            let outcome = if came.is_ok() { Outcome::Success } else { Outcome::Failure };
            let authority = settings.url.host_str().unwrap_or_default().to_owned();
            let anchored = Anchored { authority, size, root: kept.checkpoint.root, came };
            let fact = Fact::new(RecordId::new(clock.now()), outcome, Event::Anchored(anchored));
            if let Err(cause) = ledger.append_one(fact).await {
                error!(error = &cause as &dyn std::error::Error, "the ledger does not take a timestamp");
            }
            sleep(wait).await;
        }
    };
    stop.run_until_cancelled(asking).await;
}

/// What the authority gives; or why nothing, from a closed set: what it says may hold anything.
async fn ask(url: &Url, kept: &Kept, client: &reqwest::Client) -> Result<Token, &'static str> {
    let digest = Digest::of(&kept.note);
    let nonce = Nonce::of(random_bits() as u64);
    let request = client
        .post(url.clone())
        .timeout(WITHIN)
        .header(CONTENT_TYPE, "application/timestamp-query")
        .body(stamp::request(&digest, nonce));
    let mut response = request.send().await.map_err(|_| "not reached")?;
    if !response.status().is_success() {
        return Err("refused");
    }
    let mut answer = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|_| "not reached")? {
        answer.extend_from_slice(&chunk);
        if answer.len() > stamp::MAX_BYTES {
            return Err(stamp::Error::TooLong.reason());
        }
    }
    let time = stamp::read(&answer, &digest, nonce).map_err(stamp::Error::reason)?;
    Ok(Token { note: kept.note.to_vec(), answer, time })
}
