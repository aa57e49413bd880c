//! What is stored of a recording, held against everything that was ever said of it.

use std::collections::BTreeMap;
use std::error::Error as _;

use super::{Error, Reader};
use crate::domain::event::Extent;
use crate::merkle::Frontier;

/// How much was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checked {
    /// Frames.
    pub frames: u64,
    /// Their bytes.
    pub stored_bytes: u64,
}

/// Reads every frame and holds it against each of `commits` and against the last word, each with the number of the entry
/// that says so; `last` also says whether nothing may lie beyond it. The error is what is wrong.
pub(super) async fn check(
    reader: &Reader,
    commits: &[(u64, Extent)],
    last: Option<(u64, &Extent, bool)>,
) -> Result<Checked, String> {
    let said = || commits.iter().map(|(at, extent)| (*at, extent)).chain(last.map(|(at, extent, _)| (at, extent)));
    let (mut tree, mut plain_bytes, mut stored_bytes) = (Frontier::new(), 0, 0);
    let mut roots: BTreeMap<u64, _> = said().map(|(_, extent)| (extent.frames, None)).collect();
    roots.insert(0, Some((tree.root(), 0, 0)));
    let frames = said().map(|(_, extent)| extent.frames).max();
    // Of one that is open, as many as there are.
    while last.is_none() || frames.is_some_and(|frames| tree.size() < frames) {
        let Some(frame) = reader.frame(tree.size()).await.map_err(full)? else { break };
        plain_bytes += frame.text().await.map_err(full)?.len() as u64;
        stored_bytes += frame.stored().len() as u64;
        tree.push(frame.leaf());
        if let Some(root) = roots.get_mut(&tree.size()) {
            *root = Some((tree.root(), plain_bytes, stored_bytes));
        }
    }
    for (at, extent) in said() {
        match roots.get(&extent.frames).copied().flatten() {
            None => {
                let (next, of) = (tree.size(), extent.frames);
                return Err(format!("frame {next} is missing, and entry {at} says that {of} are stored"));
            }
            Some((root, ..)) if root != extent.root => {
                return Err(format!("its first {} frames are not those of entry {at}", extent.frames));
            }
            Some((_, plain, stored)) if (plain, stored) != (extent.plain_bytes, extent.stored_bytes) => {
                return Err(format!("has {plain} bytes of text in {stored} stored, and entry {at} says otherwise"));
            }
            Some(_) => {}
        }
    }
    if let Some((at, extent, true)) = last {
        let count = reader.count().await.map_err(full)?;
        if count > extent.frames {
            return Err(format!("has {count} frames, and entry {at} ends it after {}", extent.frames));
        }
    }
    Ok(Checked { frames: tree.size(), stored_bytes })
}

fn full(error: Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}
