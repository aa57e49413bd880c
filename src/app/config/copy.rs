//! `[ledger] copy_dir`: where copies of the log are kept.

use std::path::Path;

use super::Reader;
use crate::app::copies::{self, Place};
use crate::app::file;

impl Reader<'_> {
    pub(super) fn copies(&mut self, ledger: Option<&file::Ledger>, state: Option<&Path>) -> Vec<Place> {
        let Some(folder) = ledger.and_then(|ledger| ledger.copy_dir.as_deref()) else { return Vec::new() };
        let folder = self.path(folder);
        if let Some((what, mend)) = state.and_then(|state| copies::fault(&folder, state)) {
            self.faults.add("ledger.copy_dir", what, mend);
        }
        vec![Place::Folder(folder)]
    }
}
