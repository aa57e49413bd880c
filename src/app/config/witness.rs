//! `[ledger] witness_file`: who cosigns the log's checkpoints, where they are asked, and how many must have signed.

use std::io::Read as _;

use super::Reader;
use crate::ledger::trust::{self, Trust};

const KEY: &str = "ledger.witness_file";

impl Reader<'_> {
    pub(super) fn witnesses(&mut self, path: &str) -> Option<Trust> {
        let path = self.path(path);
        let mut text = String::new();
        let read = std::fs::File::open(&path)
            .and_then(|file| file.take(trust::MAX_BYTES as u64 + 1).read_to_string(&mut text))
            .map_err(|error| error.to_string());
        let trust = read.and_then(|_| Trust::parse(&text).map_err(|error| error.to_string()));
        let mend = "write what 'evidence trust' prints, a line 'witness NAME KEY URL' for each witness, and the quorum";
        let trust = self.faults.check(KEY, trust, mend)?;
        if trust.quorum.is_none() {
            self.faults.add(KEY, "asks for no witness", "name a witness or a group in its line 'quorum'");
        }
        for (name, stated) in &trust.witnesses {
            let url = stated.url.as_deref().and_then(|url| url::Url::parse(url).ok());
            if !url.is_some_and(|url| matches!(url.scheme(), "http" | "https") && url.host().is_some()) {
                let mend = "write its submission prefix behind the key: https://witness.example.com/";
                self.faults.add(KEY, format!("witness {name} has no address"), mend);
            }
        }
        Some(trust)
    }
}
