//! `[ledger] timestamp_url`: who stamps the log's checkpoints.

use std::time::Duration;

use url::Url;

use super::Reader;
use crate::app::file;
use crate::app::timestamps::Settings;

const HOUR: Duration = Duration::from_secs(3600);

impl Reader<'_> {
    pub(super) fn timestamps(&mut self, ledger: Option<&file::Ledger>) -> Option<Settings> {
        let every = ledger.and_then(|ledger| ledger.timestamp_every.as_deref());
        let span = Duration::from_secs(60)..=24 * HOUR;
        let Some(url) = ledger.and_then(|ledger| ledger.timestamp_url.as_deref()) else {
            if every.is_some() {
                self.faults.add(
                    "ledger.timestamp_every",
                    "stands without timestamp_url",
                    "name the authority, or remove it",
                );
            }
            return None;
        };
        let every = self.span("ledger.timestamp_every", every, HOUR, span);
        // Plain HTTP is usual here: a token is signed, and nothing in it is secret.
        let url = Url::parse(url).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        let mend = "write where the authority takes requests: https://tsa.example.com/";
        let url = self.faults.check("ledger.timestamp_url", url.ok_or("is no address of the web"), mend);
        Some(Settings { url: url?, every: every? })
    }
}
