//! Blobs that are long, one after the other in files of their own; sled keeps what lies where.
//!
//! sled writes a value again whenever the page with it grows or splits, several times in all: here each is written once. A record
//! says whose it is and has a sum, so that a file without sled's word tells what it holds. Refuses to show bytes whose sum is
//! another, and to call anything durable after a sync that failed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use crate::store::files::{broken, not_done};
use crate::store::folder::{make_folders, private, sync_parent};
use crate::store::{Error, Key, MAX_BATCH_BYTES, MAX_KEY_BYTES};

/// Where a record lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    file: u32,
    offset: u64,
    len: u32,
}

impl Place {
    /// As sled keeps it.
    pub(super) fn to_bytes(self) -> Vec<u8> {
        [&self.file.to_be_bytes()[..], &self.offset.to_be_bytes(), &self.len.to_be_bytes()].concat()
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (file, rest) = bytes.split_first_chunk()?;
        let (offset, rest) = rest.split_first_chunk()?;
        let len = u32::from_be_bytes(rest.try_into().ok()?);
        Some(Self { file: u32::from_be_bytes(*file), offset: u64::from_be_bytes(*offset), len })
    }
}

/// A record that was written, and is durable once so much is.
#[derive(Debug)]
pub(super) struct Written {
    pub(super) place: Place,
    upto: u64,
}

/// The files. Calls block.
#[derive(Debug)]
pub(super) struct Long {
    folder: PathBuf,
    state: Mutex<State>,
    /// Taken before the state is.
    synced: Mutex<Synced>,
}

#[derive(Debug, Default)]
struct State {
    /// The one that is written, since this start: none that an earlier one wrote goes on.
    current: Option<(u32, Arc<File>)>,
    next: u32,
    end: u64,
    /// Earlier ones that may not be synced.
    full: Vec<Arc<File>>,
    /// How many bytes were written, to all of them.
    written: u64,
    /// Whose record is written, and sled does not know it yet.
    flying: BTreeSet<Key>,
    /// Of which file how many are.
    open: BTreeMap<u32, usize>,
}

#[derive(Debug, Default)]
struct Synced {
    written: u64,
    failed: Option<Arc<io::Error>>,
}

impl Long {
    /// Opens the folder, or makes it, and reads the files from a number on: sled may not know of all that is in them. The next
    /// one has the number behind them.
    pub(super) fn open(folder: &Path, from: u32) -> io::Result<(Self, Vec<(Key, Place)>)> {
        make_folders(folder)?;
        let (mut next, mut found) = (from, Vec::new());
        for entry in std::fs::read_dir(folder)? {
            let name = entry?.file_name();
            let number = name.to_str().and_then(|name| name.parse::<u32>().ok()).filter(|number| *number >= from);
            let Some(number) = number.filter(|number| name == *file_name(*number)) else { continue };
            next = next.max(number.saturating_add(1));
            let file = File::open(folder.join(file_name(number)))?;
            // What is taken into sled must not go away again.
            file.sync_data()?;
            found.extend(scan(number, &mut BufReader::with_capacity(BUFFER_BYTES, file))?);
        }
        // Of one key the first record counts.
        found.sort_by_key(|(_, place): &(Key, Place)| (place.file, place.offset));
        let state = State { next, ..State::default() };
        Ok((Self { folder: folder.to_owned(), state: Mutex::new(state), synced: Mutex::default() }, found))
    }

    /// The first file that sled may not know all of, until something is written.
    pub(super) fn next(&self) -> u32 {
        self.state().next
    }

    /// Writes a record, but not for one who is being written to already.
    pub(super) fn append(&self, key: &Key, bytes: &Bytes) -> Result<Option<Written>, Error> {
        let mut state = self.state();
        if state.flying.contains(key) {
            return Ok(None);
        }
        let head = head(key, bytes).ok_or(Error::TooLarge { bytes: bytes.len(), limit: MAX_BATCH_BYTES })?;
        let len = (head.len() + key.len() + bytes.len()) as u64;
        if state.end + len > FILE_BYTES && state.end > 0 {
            let full = state.current.take();
            state.full.extend(full.map(|(_, file)| file));
        }
        let (number, file) = match &state.current {
            Some(current) => current.clone(),
            None => self.begin(&mut state).map_err(not_done)?,
        };
        let written = file.write_all_at(&[&head[..], &key.0].concat(), state.end);
        let begin = state.end + head.len() as u64 + key.len() as u64;
        if let Err(error) = written.and_then(|()| file.write_all_at(bytes, begin)) {
            // What is left of it must not be read for a record of somebody else's making, behind one that is shorter.
            if file.set_len(state.end).is_err() {
                state.current = None;
                state.full.push(file);
            }
            return Err(not_done(error));
        }
        let place = Place { file: number, offset: state.end, len: u32::try_from(bytes.len()).unwrap_or(u32::MAX) };
        state.end += len;
        state.written += len;
        state.flying.insert(key.clone());
        *state.open.entry(number).or_default() += 1;
        Ok(Some(Written { place, upto: state.written }))
    }

    /// Begins the next file.
    fn begin(&self, state: &mut State) -> io::Result<(u32, Arc<File>)> {
        let number = state.next;
        state.next += 1;
        let path = self.folder.join(file_name(number));
        let file = private().read(true).write(true).create_new(true).open(&path)?;
        // Without its name a file that was synced may be gone.
        sync_parent(&path)?;
        let current = (number, Arc::new(file));
        (state.current, state.end) = (Some(current.clone()), 0);
        state.open.insert(number, 0);
        Ok(current)
    }

    /// Makes a record durable, and all that were written by then: whoever comes meanwhile waits, and mostly finds it done.
    pub(super) fn sync(&self, written: &Written) -> io::Result<()> {
        let mut synced = self.synced.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(error) = &synced.failed {
            return Err(io::Error::new(error.kind(), Arc::clone(error)));
        }
        if synced.written >= written.upto {
            return Ok(());
        }
        let (files, upto) = {
            let mut state = self.state();
            let mut files = std::mem::take(&mut state.full);
            files.extend(state.current.as_ref().map(|(_, file)| Arc::clone(file)));
            (files, state.written)
        };
        for file in files {
            // The kernel tells of a failed write once.
            file.sync_data().inspect_err(|error| synced.failed = Some(Arc::new(io::Error::from(error.kind()))))?;
        }
        synced.written = upto;
        Ok(())
    }

    /// Sled knows of it. From which file on it may not know of all, if that is another one now.
    pub(super) fn landed(&self, key: &Key, place: Place) -> Option<u32> {
        let mut state = self.state();
        let first = |state: &State| state.open.keys().next().copied();
        let before = first(&state);
        state.flying.remove(key);
        if let Some(count) = state.open.get_mut(&place.file) {
            *count = count.saturating_sub(1);
        }
        let current = state.current.as_ref().map(|(number, _)| *number);
        state.open.retain(|number, count| *count > 0 || Some(*number) == current);
        first(&state).filter(|first| Some(*first) != before)
    }

    /// The bytes of a record that lies there.
    pub(super) fn read(&self, key: &Key, place: Place) -> Result<Bytes, Error> {
        let failed = |error: io::Error| match error.kind() {
            io::ErrorKind::NotFound => Error::Damaged(format!("the file with {key} is missing")),
            io::ErrorKind::UnexpectedEof => Error::Damaged(format!("the file with {key} is too short")),
            _ => broken(error),
        };
        let file = File::open(self.folder.join(file_name(place.file))).map_err(failed)?;
        let mut found = vec![0; HEAD_BYTES + key.len()];
        file.read_exact_at(&mut found, place.offset).map_err(failed)?;
        let mut bytes = vec![0; usize::try_from(place.len).unwrap_or(usize::MAX).min(MAX_BATCH_BYTES)];
        file.read_exact_at(&mut bytes, place.offset + found.len() as u64).map_err(failed)?;
        let bytes = Bytes::from(bytes);
        let expected = head(key, &bytes).map(|head| [&head[..], &key.0].concat());
        if expected == Some(found) { Ok(bytes) } else { Err(Error::Damaged(format!("the bytes of {key}"))) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn file_name(number: u32) -> String {
    format!("{number:08}")
}

/// What a record begins with: a mark, how long its key and its bytes are, and a sum over all of them.
fn head(key: &Key, bytes: &[u8]) -> Option<[u8; HEAD_BYTES]> {
    let key_len = u16::try_from(key.len()).ok().filter(|_| key.len() <= MAX_KEY_BYTES)?;
    let len = u32::try_from(bytes.len()).ok().filter(|_| bytes.len() <= MAX_BATCH_BYTES)?;
    let mut sum = crc32fast::Hasher::new();
    sum.update(&key_len.to_be_bytes());
    sum.update(&len.to_be_bytes());
    sum.update(&key.0);
    sum.update(bytes);
    let parts = MARK.into_iter().chain(key_len.to_be_bytes()).chain(len.to_be_bytes());
    let mut head = [0; HEAD_BYTES];
    for (to, from) in head.iter_mut().zip(parts.chain(sum.finalize().to_be_bytes())) {
        *to = from;
    }
    Some(head)
}

/// The records of a file, up to the first that is none: whatever stands behind it was never acknowledged.
fn scan(number: u32, file: &mut impl Read) -> io::Result<Vec<(Key, Place)>> {
    let (mut found, mut offset) = (Vec::new(), 0);
    while let Some((key, len)) = whole(file)? {
        let place = Place { file: number, offset, len };
        offset += (HEAD_BYTES + key.len()) as u64 + u64::from(len);
        found.push((key, place));
    }
    Ok(found)
}

/// The next record, if a whole one stands there.
fn whole(file: &mut impl Read) -> io::Result<Option<(Key, u32)>> {
    let mut read = |len: usize| {
        let mut bytes = Vec::new();
        let count = file.by_ref().take(len as u64).read_to_end(&mut bytes)?;
        Ok::<_, io::Error>(Some(bytes).filter(|_| count == len))
    };
    let Some(found) = read(HEAD_BYTES)? else { return Ok(None) };
    let Some((key_len, len)) = lengths(&found) else { return Ok(None) };
    let (Some(key), Some(bytes)) = (read(key_len.into())?, read(usize::try_from(len).unwrap_or(usize::MAX))?) else {
        return Ok(None);
    };
    let key = Key(key);
    let is_whole = head(&key, &bytes).is_some_and(|head| head[..] == found);
    Ok(is_whole.then_some((key, len)))
}

/// How long key and bytes of a record are, within what is ever written.
fn lengths(head: &[u8]) -> Option<(u16, u32)> {
    let (key_len, rest) = head.strip_prefix(&MARK)?.split_first_chunk()?;
    let (key_len, len) = (u16::from_be_bytes(*key_len), u32::from_be_bytes(*rest.first_chunk()?));
    let fits = usize::from(key_len) <= MAX_KEY_BYTES && usize::try_from(len).is_ok_and(|len| len <= MAX_BATCH_BYTES);
    fits.then_some((key_len, len))
}

const MARK: [u8; 4] = [0xb1, b'S', b'P', 1];
const HEAD_BYTES: usize = MARK.len() + 2 + 4 + 4;

/// A file is about so long before the next one is begun: one start reads about as much.
const FILE_BYTES: u64 = 64 * 1024 * 1024;

const BUFFER_BYTES: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn record(key: &Key, bytes: &[u8]) -> Vec<u8> {
        [&head(key, bytes).unwrap()[..], &key.0, bytes].concat()
    }

    fn records(sizes: &[usize]) -> (Vec<u8>, Vec<(Key, Place)>) {
        let (mut file, mut places) = (Vec::new(), Vec::new());
        for (at, size) in sizes.iter().enumerate() {
            let key = Key::of(&[b"n", &at.to_be_bytes()]);
            places
                .push((key.clone(), Place { file: 7, offset: file.len() as u64, len: u32::try_from(*size).unwrap() }));
            file.extend(record(&key, &vec![u8::try_from(at).unwrap(); *size]));
        }
        (file, places)
    }

    proptest! {
        #[test]
        fn a_file_that_was_cut_or_changed_tells_the_records_before(
            sizes in proptest::collection::vec(0_usize..300, 1..8), at: proptest::sample::Index, is_cut: bool, flip in 1_u8..,
        ) {
            let (mut file, places) = records(&sizes);
            prop_assert_eq!(scan(7, &mut &file[..]).unwrap(), places.clone());
            let at = at.index(file.len());
            if is_cut { file.truncate(at) } else { file[at] ^= flip }
            let before = places.iter().rposition(|(_, place)| place.offset <= at as u64).unwrap();
            prop_assert_eq!(scan(7, &mut &file[..]).unwrap(), &places[..before]);
        }

        #[test]
        fn any_bytes_are_read_without_an_end_in_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(scan(1, &mut &bytes[..]).unwrap().is_empty());
            prop_assert!(scan(1, &mut &[&MARK[..], &bytes].concat()[..]).unwrap().is_empty());
        }
    }

    #[test]
    fn a_place_is_kept_as_it_is() {
        let place = Place { file: 3, offset: 1 << 40, len: 70_000 };
        assert_eq!(Place::from_bytes(&place.to_bytes()), Some(place));
        assert_eq!(Place::from_bytes(b"short"), None);
    }

    #[test]
    fn the_first_file_that_sled_may_not_know_all_of_moves_on_when_all_of_a_full_one_landed() {
        let dir = tempfile::tempdir().unwrap();
        let (long, found) = Long::open(&dir.path().join("long"), 0).unwrap();
        assert!(found.is_empty());
        let bytes = Bytes::from(vec![1; 12 << 20]);
        let keys: Vec<Key> = (0..7_u8).map(|at| Key::of(&[&[at]])).collect();
        let written: Vec<Written> = keys.iter().map(|key| long.append(key, &bytes).unwrap().unwrap()).collect();
        assert_eq!(written.iter().map(|written| written.place.file).collect::<Vec<_>>(), [0, 0, 0, 0, 0, 1, 1]);
        assert!(long.append(&keys[0], &bytes).unwrap().is_none(), "it is being written");
        long.sync(&written[6]).unwrap();
        let landed = [6, 0, 1, 2, 3].map(|at| long.landed(&keys[at], written[at].place));
        assert_eq!(landed, [None; 5]);
        assert_eq!(long.landed(&keys[4], written[4].place), Some(1));
        assert_eq!(long.landed(&keys[5], written[5].place), None);
        assert_eq!(long.read(&keys[5], written[5].place).unwrap(), bytes);
        let other = long.read(&keys[4], written[5].place);
        assert!(matches!(other, Err(Error::Damaged(_))), "{other:?}");
        let (again, found) = Long::open(&dir.path().join("long"), 1).unwrap();
        assert_eq!(found.iter().map(|(key, _)| key).collect::<Vec<_>>(), [&keys[5], &keys[6]]);
        assert_eq!(again.next(), 2);
    }
}
