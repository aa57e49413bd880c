//! Recordings from their begin to their end, and after a crash, over a store in memory.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::timeout;

use super::asciicast::tests::header;
use super::*;
use crate::domain::Digest;
use crate::domain::session::{Stream, TerminalSize};
use crate::merkle;
use crate::store::memory::{Fault, Memory};

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

/// A recording on a disk in memory.
struct Rig {
    memory: Memory,
    sink: Sink,
    writer: Writer,
}

fn rig(settings: &Settings) -> Rig {
    let memory = Memory::new();
    let (sink, writer) = start(memory.blobs(), settings, header()).unwrap();
    Rig { memory, sink, writer }
}

fn recording() -> RecordingId {
    header().about.recording
}

fn reader(memory: &Memory) -> Reader {
    Reader::open(memory.blobs(), recording())
}

fn out(bytes: &[u8]) -> Event {
    Event::Output(Stream::Stdout, Bytes::copy_from_slice(bytes))
}

fn err(bytes: &[u8]) -> Event {
    Event::Output(Stream::Stderr, Bytes::copy_from_slice(bytes))
}

/// Drives the writer to its end.
pub(crate) async fn finish(writer: &mut Writer) -> Result<(Vec<Extent>, Sealed), Failed> {
    let mut commits = Vec::new();
    loop {
        match writer.next().await? {
            Progress::Commit(extent) => commits.push(extent),
            Progress::Sealed(sealed) => return Ok((commits, sealed)),
        }
    }
}

/// Records `events` one millisecond apart and ends.
async fn record(rig: &mut Rig, events: &[Event]) -> Result<Sealed, Failed> {
    let sink = &rig.sink;
    let push = async {
        for (event, n) in events.iter().zip(1..) {
            if sink.push(MS * n, event.clone()).await.is_err() {
                return;
            }
        }
        sink.end(MS * (events.len() as u32 + 1));
    };
    tokio::join!(push, finish(&mut rig.writer)).1.map(|(_, sealed)| sealed)
}

async fn read(reader: &Reader) -> Result<Vec<Event>, Error> {
    let mut events = reader.events();
    let mut all = Vec::new();
    while let Some(timed) = events.next().await? {
        all.push(timed.event);
    }
    Ok(all)
}

async fn stdout(reader: &Reader) -> Vec<u8> {
    let stdout = |event| match event {
        Event::Output(Stream::Stdout, bytes) => bytes.to_vec(),
        _ => Vec::new(),
    };
    read(reader).await.unwrap().into_iter().flat_map(stdout).collect()
}

/// The stored frames of a recording of some length.
async fn frames() -> (Vec<Bytes>, Extent) {
    let mut rig = rig(&Settings { frame_bytes: 100, busy_frame_bytes: 100, ..Settings::default() });
    let events: Vec<Event> = (0..20).map(|n| out(format!("{n:040}").as_bytes())).collect();
    let sealed = record(&mut rig, &events).await.unwrap();
    let mut frames = Vec::new();
    let mut stored = reader(&rig.memory).frames();
    while let Some(frame) = stored.next().await.unwrap() {
        frames.push(frame.stored().clone());
    }
    assert!(frames.len() > 6);
    (frames, sealed.extent)
}

/// A disk that holds exactly these frames.
async fn disk(frames: &[Bytes]) -> Memory {
    let memory = Memory::new();
    for (frame, n) in frames.iter().zip(0..) {
        memory.blobs().put(vec![(frame::key(recording(), n), frame.clone())]).await.unwrap();
    }
    memory
}

/// Not random, but nothing compresses it.
fn noise(len: usize, mut seed: u64) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        bytes.extend_from_slice(&seed.wrapping_mul(0x2545_f491_4f6c_dd1d).to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

/// Counts how often it is called.
#[derive(Default)]
struct Calls(AtomicUsize);

impl Wake for Calls {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[tokio::test(start_paused = true)]
async fn a_little_output_does_not_wake_the_writer_and_is_stored_in_time() {
    let Rig { memory, sink, mut writer } = rig(&Settings::default());
    let calls = Arc::new(Calls::default());
    let waker = Waker::from(calls.clone());
    {
        let mut next = pin!(writer.next());
        assert!(next.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        for key in 0..20 {
            sink.push(MS * key, out(b"k")).await.unwrap();
        }
        assert_eq!(calls.0.load(Ordering::SeqCst), 0);
        sink.push(MS * 20, out(&[b'x'; 8192])).await.unwrap();
        assert_eq!(calls.0.load(Ordering::SeqCst), 1);
    }
    // Time stands still while a frame is stored.
    tokio::select! {
        progress = writer.next() => panic!("{progress:?}"),
        () = tokio::time::sleep(Settings::default().queue_age) => {}
    }
    assert!(reader(&memory).frames().next().await.unwrap().is_some());
    drop(sink);
    finish(&mut writer).await.unwrap();
    assert_eq!(stdout(&reader(&memory)).await.len(), 20 + 8192);
}

#[tokio::test]
async fn what_was_pushed_is_read_back() {
    let mut rig = rig(&Settings::default());
    let events = [
        out("größer\n".as_bytes()),
        err(b"\xff\xfe"),
        Event::Input(Bytes::from_static(b"ls\n")),
        Event::Resize(TerminalSize { cols: 100, rows: 30 }),
        Event::Marker("exit 0".into()),
    ];
    let sealed = record(&mut rig, &events).await.unwrap();
    let reader = reader(&rig.memory).expecting(sealed.extent);
    assert_eq!(read(&reader).await.unwrap(), events);
    reader.check().await.unwrap();
    assert_eq!(reader.preamble().await.unwrap().about, Some(header().about));
    assert_eq!(sealed.duration_us, 6000);
    let counts: Vec<_> = sealed.events.into_iter().collect();
    assert_eq!(counts, [("b", 1), ("i", 1), ("m", 1), ("o", 2), ("r", 1), ("s", 1)]);
}

#[tokio::test]
async fn ten_megabytes_of_noise_come_back_with_the_same_digest() {
    let mut rig = rig(&Settings::default());
    let bytes = Bytes::from(noise(10 * 1024 * 1024, 7));
    let events: Vec<Event> =
        (0..bytes.len()).step_by(32_000).map(|n| out(&bytes[n..(n + 32_000).min(bytes.len())])).collect();
    let sealed = record(&mut rig, &events).await.unwrap();
    let reader = reader(&rig.memory).expecting(sealed.extent);
    reader.check().await.unwrap();
    assert_eq!(Digest::of(&stdout(&reader).await), Digest::of(&bytes));
    assert!(sealed.extent.stored_bytes < 11 * 1024 * 1024, "{}", sealed.extent.stored_bytes);
}

#[tokio::test]
async fn a_frame_closes_at_its_length_and_exceeds_it_by_one_line_at_most() {
    let mut rig = rig(&Settings { busy_frame_bytes: 64 * 1024, ..Settings::default() });
    // Each byte takes six: the longest lines there are.
    record(&mut rig, &vec![out(&[1; 100_000]); 5]).await.unwrap();
    let mut frames = reader(&rig.memory).frames();
    let mut lengths = Vec::new();
    while let Some(frame) = frames.next().await.unwrap() {
        lengths.push(frame.text().await.unwrap().len());
    }
    assert!(lengths.len() > 10);
    assert!(lengths.iter().all(|length| *length < (64 + 100) * 1024), "{lengths:?}");
    assert!(lengths[..lengths.len() - 1].iter().all(|length| *length >= 64 * 1024), "{lengths:?}");
}

#[tokio::test(start_paused = true)]
async fn frames_are_stored_in_their_order_also_those_that_waited_for_one_before() {
    let mut rig = rig(&Settings { frame_bytes: 1000, busy_frame_bytes: 1000, ..Settings::default() });
    rig.memory.faults().stall();
    for _ in 0..8 {
        rig.sink.push(MS, out(&[b'x'; 600])).await.unwrap();
    }
    rig.sink.end(2 * MS);
    assert!(timeout(SECOND, rig.writer.next()).await.is_err());
    assert!(!rig.writer.is_complete());
    rig.memory.faults().mend();
    let (_, sealed) = finish(&mut rig.writer).await.unwrap();
    assert!(sealed.extent.frames > 2, "{:?}", sealed.extent);
    let reader = reader(&rig.memory).expecting(sealed.extent);
    reader.check().await.unwrap();
    assert_eq!(stdout(&reader).await, [b'x'; 8 * 600]);
}

#[tokio::test(start_paused = true)]
async fn a_frame_closes_at_its_age() {
    let mut rig = rig(&Settings::default());
    rig.sink.push(MS, out(b"a")).await.unwrap();
    assert!(timeout(699 * MS, rig.writer.next()).await.is_err());
    assert_eq!(reader(&rig.memory).count().await.unwrap(), 0);
    assert!(timeout(100 * MS, rig.writer.next()).await.is_err());
    assert_eq!(reader(&rig.memory).count().await.unwrap(), 1);
    assert_eq!(stdout(&reader(&rig.memory)).await, b"a");
}

#[tokio::test(start_paused = true)]
async fn a_flush_waits_until_all_that_was_pushed_is_durable_half_characters_too() {
    let mut rig = rig(&Settings { frame_age: 60 * SECOND, ..Settings::default() });
    let sink = rig.sink.clone();
    let memory = rig.memory.clone();
    let pump = async {
        sink.flush().await.unwrap();
        assert_eq!(reader(&memory).count().await.unwrap(), 1, "the header");
        sink.flush().await.unwrap();
        for (bytes, so_far) in [(&b"a\xe2"[..], &b"a\xe2"[..]), (b"\x82", b"a\xe2\x82"), (b"b", b"a\xe2\x82b")] {
            sink.push(MS, out(bytes)).await.unwrap();
            sink.flush().await.unwrap();
            assert_eq!(stdout(&reader(&memory)).await, so_far);
        }
        sink.end(MS);
    };
    tokio::join!(pump, finish(&mut rig.writer)).1.unwrap();
    assert_eq!(reader(&rig.memory).count().await.unwrap(), 4);
}

#[tokio::test(start_paused = true)]
async fn half_a_character_waits_for_its_end_in_the_next_frame_but_not_longer() {
    let mut rig = rig(&Settings::default());
    rig.sink.push(MS, out(b"a\xe2")).await.unwrap();
    assert!(timeout(900 * MS, rig.writer.next()).await.is_err());
    assert_eq!(stdout(&reader(&rig.memory)).await, b"a");
    rig.sink.push(900 * MS, out(b"\x82\xac\xe2")).await.unwrap();
    assert!(timeout(600 * MS, rig.writer.next()).await.is_err());
    assert_eq!(stdout(&reader(&rig.memory)).await, "a€".as_bytes());
    assert!(timeout(SECOND, rig.writer.next()).await.is_err());
    assert_eq!(stdout(&reader(&rig.memory)).await, b"a\xe2\x82\xac\xe2");
}

#[tokio::test(start_paused = true)]
async fn a_pump_waits_when_too_many_bytes_are_not_stored() {
    let mut rig = rig(&Settings::default());
    rig.memory.faults().stall();
    let sink = rig.sink.clone();
    let mut pushed = 0;
    let pump = async {
        while timeout(SECOND, sink.push(MS, out(&[b'x'; 1000]))).await.is_ok() {
            pushed += 1000;
        }
        rig.memory.faults().mend();
        sink.push(MS, out(&[b'x'; 1000])).await.unwrap();
        sink.end(MS);
    };
    tokio::join!(pump, finish(&mut rig.writer)).1.unwrap();
    assert!((900_000..=1024 * 1024).contains(&pushed), "{pushed}");
    assert_eq!(stdout(&reader(&rig.memory)).await.len(), pushed + 1000);
}

#[tokio::test(start_paused = true)]
async fn a_pump_waits_when_what_is_not_stored_is_too_old() {
    let mut rig = rig(&Settings { frame_age: 60 * SECOND, ..Settings::default() });
    rig.sink.push(SECOND, out(b"a")).await.unwrap();
    rig.sink.push(2 * SECOND, out(b"b")).await.unwrap();
    assert!(timeout(5 * SECOND, rig.sink.push(2 * SECOND + MS, out(b"c"))).await.is_err());
    // Nobody waits for the frame's age: the pump's waiting closes it.
    let sink = rig.sink.clone();
    let pump = async {
        timeout(SECOND, sink.push(2 * SECOND + MS, out(b"c"))).await.unwrap().unwrap();
        sink.end(3 * SECOND);
    };
    tokio::join!(pump, finish(&mut rig.writer)).1.unwrap();
    assert_eq!(stdout(&reader(&rig.memory)).await, b"abc");
}

#[tokio::test(start_paused = true)]
async fn what_comes_while_a_slow_store_takes_a_frame_goes_into_few_longer_ones() {
    let mut frames = Vec::new();
    for busy_frame_bytes in [1000, 8000] {
        let mut rig = rig(&Settings { frame_bytes: 1000, busy_frame_bytes, ..Settings::default() });
        let (sink, memory) = (rig.sink.clone(), rig.memory.clone());
        memory.faults().stall();
        let pump = async {
            for n in 0..40 {
                sink.push(MS * n, out(&[b'x'; 400])).await.unwrap();
                tokio::time::sleep(MS).await;
            }
            memory.faults().mend();
            sink.end(SECOND);
        };
        let (_, sealed) = tokio::join!(pump, finish(&mut rig.writer)).1.unwrap();
        assert_eq!(stdout(&reader(&rig.memory)).await.len(), 16_000);
        frames.push(sealed.extent.frames);
    }
    // 17,000 bytes of text, one frame of ordinary length among them.
    assert!((10..=17).contains(&frames[0]) && (3..=12).contains(&frames[1]) && frames[1] < frames[0], "{frames:?}");
}

#[tokio::test]
async fn an_event_longer_than_the_queue_passes_alone() {
    let mut rig = rig(&Settings { queue_bytes: 100, ..Settings::default() });
    record(&mut rig, &vec![out(&[b'x'; 50_000]); 3]).await.unwrap();
    assert_eq!(stdout(&reader(&rig.memory)).await.len(), 150_000);
}

async fn check_failure(settings: Settings, fault: Option<Fault>, reason: &str, frames: u64) {
    let mut rig = rig(&Settings { frame_bytes: 1000, busy_frame_bytes: 1000, ..settings });
    if let Some(fault) = fault {
        rig.memory.faults().at(4, fault);
    }
    let failed = record(&mut rig, &vec![out(&noise(700, 3)); 10]).await.unwrap_err();
    assert_eq!(failed.reason, reason);
    assert_eq!(failed.extent.frames, frames);
    reader(&rig.memory).expecting(failed.extent).frames().next().await.unwrap();
    for clone in [rig.sink.clone(), rig.sink.clone()] {
        assert!(matches!(clone.push(MS, out(b"x")).await, Err(Error::Failed(why)) if why == reason));
        assert!(matches!(clone.flush().await, Err(Error::Failed(why)) if why == reason));
    }
    assert_eq!(rig.writer.next().await.unwrap_err().extent, failed.extent);
}

#[tokio::test]
async fn a_store_that_fails_fails_the_recording_with_what_is_stored() {
    for fault in [Fault::Lost, Fault::KeptButReportedLost, Fault::Broken] {
        check_failure(Settings::default(), Some(fault), "store failed", 3).await;
    }
    check_failure(Settings::default(), Some(Fault::Full), "store full", 3).await;
}

#[tokio::test]
async fn a_recording_over_its_quota_fails() {
    check_failure(Settings { max_stored_bytes: 3500, ..Settings::default() }, None, "quota", 3).await;
}

#[tokio::test(start_paused = true)]
async fn a_store_that_hangs_fails_the_recording_after_ten_seconds() {
    let mut rig = rig(&Settings::default());
    rig.memory.faults().stall();
    rig.sink.push(MS, out(b"a")).await.unwrap();
    assert!(timeout(10 * SECOND, rig.writer.next()).await.is_err());
    let failed = timeout(SECOND, rig.writer.next()).await.unwrap().unwrap_err();
    assert_eq!((failed.reason, failed.extent.frames), ("store slow", 0));
    assert_eq!(failed.extent.root, merkle::empty_root());
}

#[tokio::test(start_paused = true)]
async fn what_waits_is_woken_when_the_recording_fails() {
    let mut rig = rig(&Settings { queue_bytes: 100, ..Settings::default() });
    rig.memory.faults().stall();
    rig.sink.push(MS, out(&[b'x'; 100])).await.unwrap();
    let (one, other) = (rig.sink.clone(), rig.sink.clone());
    let (pushed, flushed, driven) = tokio::join!(one.push(MS, out(b"y")), other.flush(), finish(&mut rig.writer));
    assert!(matches!(pushed, Err(Error::Failed("store slow"))));
    assert!(matches!(flushed, Err(Error::Failed("store slow"))));
    assert!(driven.is_err());
}

#[tokio::test(start_paused = true)]
async fn commits_come_at_least_every_ten_seconds_while_frames_are_added_and_before_the_end() {
    let mut rig = rig(&Settings::default());
    let sink = rig.sink.clone();
    let pump = async {
        for n in 0..35 {
            sink.push(SECOND * n, out(b"tick")).await.unwrap();
            tokio::time::sleep(SECOND).await;
        }
        // Nothing is added: nothing to commit to.
        tokio::time::sleep(300 * SECOND).await;
        sink.push(SECOND * 335, out(b"end")).await.unwrap();
        sink.end(SECOND * 336);
    };
    let (commits, sealed) = tokio::join!(pump, finish(&mut rig.writer)).1.unwrap();
    let frames: Vec<u64> = commits.iter().map(|extent| extent.frames).collect();
    assert!((4..=5).contains(&frames.len()), "{frames:?}");
    assert!(frames.is_sorted_by(|one, next| one < next && next - one <= 11), "{frames:?}");
    assert_eq!(commits.last(), Some(&sealed.extent));
    assert_eq!(sealed.duration_us, 336_000_000);
}

#[tokio::test(start_paused = true)]
async fn driving_may_be_interrupted_at_any_point() {
    let mut rig = rig(&Settings { frame_bytes: 2000, ..Settings::default() });
    let sink = rig.sink.clone();
    let pump = async {
        for n in 0..200 {
            sink.push(MS * n, out(&noise(500, u64::from(n) + 1))).await.unwrap();
        }
        sink.end(SECOND);
    };
    let drive = async {
        loop {
            tokio::select! {
                biased;
                progress = rig.writer.next() => {
                    if let Progress::Sealed(sealed) = progress.unwrap() {
                        return sealed;
                    }
                }
                () = tokio::task::yield_now() => {}
            }
            tokio::task::yield_now().await;
        }
    };
    let ((), sealed) = tokio::join!(pump, drive);
    let bytes: Vec<u8> = (0..200).flat_map(|n| noise(500, n + 1)).collect();
    let reader = reader(&rig.memory).expecting(sealed.extent);
    reader.check().await.unwrap();
    assert_eq!(stdout(&reader).await, bytes);
}

#[tokio::test]
async fn a_recording_ends_with_its_last_sink_and_takes_nothing_after_its_end() {
    let mut rig = rig(&Settings::default());
    rig.sink.push(5 * MS, out(b"a")).await.unwrap();
    let Rig { memory, sink, .. } = rig;
    drop(sink);
    let (commits, sealed) = finish(&mut rig.writer).await.unwrap();
    assert_eq!((commits.len(), sealed.duration_us), (1, 5000));
    reader(&memory).expecting(sealed.extent).check().await.unwrap();

    let (sink, mut writer) = start(Memory::new().blobs(), &Settings::default(), header()).unwrap();
    sink.end(MS);
    assert!(matches!(sink.push(MS, out(b"a")).await, Err(Error::Ended)));
    assert_eq!(finish(&mut writer).await.unwrap().1.extent.frames, 1, "the header");
    sink.flush().await.unwrap();
}

#[tokio::test]
async fn sinks_of_a_writer_that_is_gone_fail() {
    let Rig { sink, writer, .. } = rig(&Settings::default());
    drop(writer);
    assert!(matches!(sink.push(MS, out(b"a")).await, Err(Error::Failed("abandoned"))));
    assert!(matches!(sink.flush().await, Err(Error::Failed("abandoned"))));
}

#[tokio::test]
async fn the_header_digest_is_that_of_the_first_line() {
    let mut rig = rig(&Settings::default());
    record(&mut rig, &[]).await.unwrap();
    let text = reader(&rig.memory).frame(0).await.unwrap().unwrap().text().await.unwrap();
    assert_eq!(text, header().line().unwrap());
    assert_eq!(rig.writer.header_digest(), Digest::of(&text));
}

#[tokio::test]
async fn after_a_crash_at_any_frame_all_that_was_acknowledged_is_there() {
    let (frames, whole) = frames().await;
    for n in 1..=whole.frames {
        for (fault, there) in [(Fault::Lost, n - 1), (Fault::KeptButReportedLost, n)] {
            let mut rig = rig(&Settings { frame_bytes: 100, busy_frame_bytes: 100, ..Settings::default() });
            rig.memory.faults().crash_at(n, fault);
            let events: Vec<Event> = (0..20).map(|n| out(format!("{n:040}").as_bytes())).collect();
            let failed = record(&mut rig, &events).await.unwrap_err();
            assert_eq!(failed.extent.frames, n - 1);
            let disk = rig.memory.copy();
            let extent = recover(&disk.blobs(), recording(), Some(&failed.extent)).await.unwrap();
            assert_eq!(extent.frames, there);
            let leaves: Vec<Digest> = frames[..there as usize].iter().map(|frame| merkle::leaf_hash(frame)).collect();
            assert_eq!(extent.root, merkle::root(&leaves));
            if there > 0 {
                reader(&disk).expecting(extent).check().await.unwrap();
                let all: Vec<u8> = (0..20).flat_map(|n| format!("{n:040}").into_bytes()).collect();
                assert!(all.starts_with(&stdout(&reader(&disk)).await));
            }
        }
    }
}

#[tokio::test]
async fn recovery_says_so_when_what_was_committed_is_not_there() {
    let (frames, whole) = frames().await;
    let cut = disk(&frames[..3]).await;
    let recovered = recover(&cut.blobs(), recording(), Some(&whole)).await;
    assert!(matches!(recovered, Err(Error::Missing { frame: 3, .. })));

    let other = Extent { root: Digest::of(b"other"), ..whole };
    let recovered = recover(&disk(&frames).await.blobs(), recording(), Some(&other)).await;
    assert!(matches!(recovered, Err(Error::Root)));

    let gap = disk(&frames[..3]).await;
    gap.blobs().put(vec![(frame::key(recording(), 4), frames[4].clone())]).await.unwrap();
    assert!(matches!(recover(&gap.blobs(), recording(), None).await, Err(Error::Missing { frame: 3, of: 4 })));
}

#[tokio::test]
async fn whatever_is_changed_in_stored_frames_is_noticed() {
    let (frames, whole) = frames().await;
    let check = async |changed: &[Bytes]| reader(&disk(changed).await).expecting(whole).check().await;
    check(&frames).await.unwrap();
    assert!(matches!(check(&frames[..frames.len() - 1]).await, Err(Error::Missing { .. })));

    let mut swapped = frames.clone();
    swapped.swap(1, 2);
    assert!(matches!(check(&swapped).await, Err(Error::Damaged { frame: 1, .. })));

    let mut longer = frames.clone();
    longer.push(frame::Packer::new(recording(), 1).pack(whole.frames, b"").unwrap());
    assert!(matches!(check(&longer).await, Err(Error::Beyond { .. })));

    let mut spliced = frames.clone();
    let other = RecordingId::parse("01JDD5Z2000000000000000000").unwrap();
    spliced[2] = frame::Packer::new(other, 1).pack(2, b"[0.002000, \"o\", \"\"]\n").unwrap();
    assert!(matches!(check(&spliced).await, Err(Error::Damaged { frame: 2, .. })));

    let mut replaced = frames.clone();
    replaced[2] = frame::Packer::new(recording(), 1).pack(2, b"[0.002000, \"o\", \"\"]\n").unwrap();
    assert!(matches!(check(&replaced).await, Err(Error::Root)));

    for at in 0..frames[3].len() {
        let mut edited = frames.clone();
        let mut bytes = edited[3].to_vec();
        bytes[at] ^= 1;
        edited[3] = bytes.into();
        assert!(check(&edited).await.is_err(), "byte {at}");
        assert!(reader(&disk(&edited).await).expecting(whole).export(Format::Raw).drain().await.is_err());
    }
}

#[tokio::test]
async fn a_frame_that_unpacks_to_more_than_a_frame_ever_is_is_refused() {
    let bomb = frame::Packer::new(recording(), 19).pack(0, &vec![b' '; 64 * 1024 * 1024]).unwrap();
    assert!(bomb.len() < 10_000);
    let read = reader(&disk(&[bomb]).await).events().next().await;
    assert!(matches!(read, Err(Error::Damaged { frame: 0, .. })));
}

#[tokio::test]
async fn seeking_gives_the_events_from_that_time_on() {
    let (frames, whole) = frames().await;
    let reader = reader(&disk(&frames).await).expecting(whole);
    // Event n was at n + 1 ms.
    for (at, first) in [(0, 0), (1, 0), (2, 1), (9, 8), (20, 19)] {
        let mut events = reader.seek(MS * at).await.unwrap();
        let timed = events.next().await.unwrap().unwrap();
        assert_eq!(timed.event, out(format!("{first:040}").as_bytes()), "{at} ms");
        let mut rest = 0;
        while events.next().await.unwrap().is_some() {
            rest += 1;
        }
        assert_eq!(rest, 19 - first, "{at} ms");
    }
    assert_eq!(reader.seek(SECOND).await.unwrap().next().await.unwrap(), None);
}
