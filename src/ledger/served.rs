//! What of the log may be shown to anybody: the checkpoint and the tiles of hashes, as C2SP tlog-tiles lays them out.
//!
//! Refuses entries, which leave only to those whom policy lets audit, and every path that is not spelled as the layout does.

use bytes::Bytes;

use super::tiles::{WIDTH, tile_name};
use super::{CHECKPOINT, Error, Ledger};

impl Ledger {
    /// The file at this path, if there is one that may be shown.
    pub async fn served(&self, path: &str) -> Result<Option<Bytes>, Error> {
        if path != CHECKPOINT && !is_tile(path) {
            return Ok(None);
        }
        Ok(self.files.read(path).await?)
    }
}

/// Whether it is the one spelling of a tile of hashes.
fn is_tile(path: &str) -> bool {
    let read = || {
        let (level, rest) = path.strip_prefix("tile/")?.split_once('/')?;
        let (number, width) = match rest.split_once(".p/") {
            Some((number, width)) => (number, width.parse().ok().filter(|width| (1..WIDTH).contains(width))?),
            None => (rest, WIDTH),
        };
        let mut index = 0_u64;
        for part in number.split('/') {
            let digits = part.strip_prefix('x').unwrap_or(part).parse::<u16>().ok()?;
            index = index.checked_mul(1000)?.checked_add(digits.into())?;
        }
        Some(tile_name(level.parse().ok().filter(|level| *level < 64)?, index, width))
    };
    read().is_some_and(|name| name == path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tile_has_one_spelling_and_entries_none() {
        for good in ["tile/0/000", "tile/0/067.p/8", "tile/7/x001/x234/067", "tile/1/x001/000.p/255"] {
            assert!(is_tile(good), "{good}");
        }
        for bad in [
            "tile/entries/000",
            "tile/entries/000.p/8",
            "tile/0/../entries/000",
            "tile/00/000",
            "tile/64/000",
            "tile/+0/000",
            "tile/0/0",
            "tile/0/0000",
            "tile/0/x000/067",
            "tile/0/001/234",
            "tile/0/067.p/0",
            "tile/0/067.p/256",
            "tile/0/067.p/08",
            "tile/0/067.p/8/",
            "tile/0/x999/x999/x999/x999/x999/x999/x999/999",
            "tile/0",
            "tail",
            "checkpoints/000",
            "policies/00",
            "",
        ] {
            assert!(!is_tile(bad), "{bad}");
        }
    }
}
