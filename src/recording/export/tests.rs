//! What other programs get, held against the examples in `recordings-schema/` and `tests/golden/`.

use std::io::Read;
use std::path::Path;
use std::time::Duration;

use asciicast::{Entry, EventType};

use super::super::asciicast::tests::header;
use super::super::asciicast::{Decoder, Event, Preamble, Timed};
use super::super::file::File;
use super::super::tests::finish;
use super::super::{About, Header, Reader, Settings, start};
use super::*;
use crate::domain::session::{Stream, TerminalSize};
use crate::store::memory::Memory;

impl Export {
    pub(crate) async fn drain(&mut self) -> Result<Vec<u8>, Error> {
        let mut all = Vec::new();
        while let Some(chunk) = self.next_chunk().await? {
            assert!(!chunk.is_empty());
            all.extend_from_slice(&chunk);
        }
        Ok(all)
    }
}

/// A recording with a header and events, as it comes out.
struct Case {
    raw: Vec<u8>,
    text: String,
    v2: String,
    events: Vec<Timed>,
}

async fn case(header: Header, events: &[(u64, Event)]) -> Case {
    let memory = Memory::new();
    let recording = header.about.recording;
    // Frames of a few lines.
    let hour = Duration::from_secs(3600);
    let settings =
        Settings { frame_bytes: 300, busy_frame_bytes: 300, frame_age: hour, queue_age: hour, ..Settings::default() };
    let (sink, mut writer) = start(memory.blobs(), &settings, header).unwrap();
    let push = async move {
        for (ms, event) in events {
            sink.push(Duration::from_millis(*ms), event.clone()).await.unwrap();
        }
    };
    let ((), (_, sealed)) = tokio::join!(push, async { finish(&mut writer).await.unwrap() });
    let extent = sealed.extent;
    let reader = Reader::open(memory.blobs(), recording).expecting(extent);
    let raw = reader.export(Format::Raw).drain().await.unwrap();
    let mut text = String::new();
    zstd::stream::read::Decoder::new(raw.as_slice()).unwrap().read_to_string(&mut text).unwrap();
    let v2 = String::from_utf8(reader.export(Format::V2).drain().await.unwrap()).unwrap();
    let events = events.iter().map(|(ms, event)| Timed { at: Duration::from_millis(*ms), event: event.clone() });
    Case { raw, text, v2, events: events.collect() }
}

fn out(bytes: &[u8]) -> Event {
    Event::Output(Stream::Stdout, Bytes::copy_from_slice(bytes))
}

fn err(bytes: &[u8]) -> Event {
    Event::Output(Stream::Stderr, Bytes::copy_from_slice(bytes))
}

fn input(bytes: &[u8]) -> Event {
    Event::Input(Bytes::copy_from_slice(bytes))
}

async fn command() -> Case {
    let about = About { command: Some("make deploy".into()), ..header().about };
    let header = Header { title: Some("make deploy on db1".into()), term: None, about, ..header() };
    let header = Header { size: TerminalSize { cols: 0, rows: 0 }, ..header };
    let events = [
        (12, Event::Marker("exec".into())),
        (13, input(b"yes\n")),
        (350, out("Größe: 12 MiB\n".as_bytes())),
        (351, err(b"warning: locale caf\xe9\n")),
        (352, err(b"2 warnings\n")),
        (900, out(&noise())),
        (901, out(b"done\n")),
        (910, Event::Marker("exit 0".into())),
    ];
    case(header, &events).await
}

async fn shell() -> Case {
    let about = About { action: "shell".into(), command: None, pty: true, ..header().about };
    let header = Header { size: TerminalSize { cols: 80, rows: 24 }, about, ..header() };
    let events = [
        (20, Event::Marker("shell".into())),
        (104, out(b"\x1b]0;deploy@db1\x07\x1b[1;32mdeploy@db1\x1b[0m:~$ ")),
        (2150, out(b"ls\r\n")),
        (2161, out("größe.txt  \x1b[34mlogs\x1b[0m  \u{20ac}".as_bytes())),
        (2162, out(b"\xe2\x82")),
        (2163, out(b"\xac\r\n")),
        (4000, Event::Resize(TerminalSize { cols: 120, rows: 40 })),
        (9000, out(b"\x1b[1;32mdeploy@db1\x1b[0m:~$ exit\r\nlogout\r\n")),
        (9001, Event::Marker("exit 0".into())),
    ];
    case(header, &events).await
}

fn noise() -> Vec<u8> {
    (0..=255_u8).rev().collect()
}

/// Compares with a file of the repository; what differs is left under `target/golden` to look at.
#[track_caller]
fn golden(path: &str, is: &str) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    if std::fs::read_to_string(root.join(path)).unwrap_or_default() != is {
        let left = root.join("target/golden").join(path);
        std::fs::create_dir_all(left.parent().unwrap()).unwrap();
        std::fs::write(&left, is).unwrap();
        panic!("{path} differs from {}", left.display());
    }
}

#[tokio::test]
async fn exports_are_as_the_examples_show() {
    let (command, shell) = (command().await, shell().await);
    let files = [
        ("command.cast", &command.text),
        ("command.v2.cast", &command.v2),
        ("shell.cast", &shell.text),
        ("shell.v2.cast", &shell.v2),
    ];
    for (name, text) in files {
        golden(&format!("recordings-schema/examples/{name}"), text);
    }
}

#[tokio::test]
async fn hard_cases_are_written_as_they_always_were() {
    let hard: [(&str, Vec<(u64, Event)>); 4] = [
        ("split", vec![(1, out(b"\xf0\x9f")), (2, out(b"\x98\x80 \xe2")), (3, err(b"\x82\xac")), (4, out(b"\xac"))]),
        (
            "mixed",
            vec![(1, out(b"caf\xe9 et th\xe9.\n")), (2, input(b"\xff")), (3, out(b"\xff\xfe plain \xe2\x82\xac"))],
        ),
        ("binary", vec![(1, out(&noise())), (2, input(&noise())), (3, out(&[0; 70])), (4, out(b"\0"))]),
        ("controls", vec![(1, out("\u{9b}31m\u{7f}\u{1b}[m\u{85}\\\"\u{2028}".as_bytes()))]),
    ];
    for (name, events) in hard {
        golden(&format!("tests/golden/{name}.cast"), &case(header(), &events).await.text);
    }
}

#[tokio::test]
async fn raw_is_zstd_of_text_that_gives_back_every_event() {
    for case in [command().await, shell().await] {
        let mut decoder = Decoder::new();
        let mut events = Vec::new();
        decoder.feed(case.text.as_bytes(), &mut events).unwrap();
        decoder.finish(&mut events).unwrap();
        let bytes = |events: &[Timed], input: bool| -> Vec<u8> {
            let chosen = |timed: &Timed| match &timed.event {
                Event::Input(bytes) if input => bytes.to_vec(),
                Event::Output(_, bytes) if !input => bytes.to_vec(),
                _ => Vec::new(),
            };
            events.iter().flat_map(chosen).collect()
        };
        for input in [false, true] {
            assert_eq!(bytes(&events, input), bytes(&case.events, input));
        }
    }
}

#[tokio::test]
async fn v2_is_what_the_asciicast_crate_reads() {
    let case = command().await;
    let mut lines = case.v2.lines();
    let first: asciicast::Header = serde_json::from_str(lines.next().unwrap()).unwrap();
    assert_eq!((first.version, first.width, first.height), (2, 80, 24));
    assert_eq!(first.timestamp.unwrap().timestamp(), header().time.secs());
    assert!(!case.v2.contains("sallyport"));
    let entries: Vec<Entry> = lines.map(|line| serde_json::from_str(line).unwrap()).collect();
    let text = |wanted| -> String {
        entries.iter().filter(|entry| entry.event_type == wanted).map(|entry| entry.event_data.as_str()).collect()
    };
    assert_eq!(text(EventType::Input), "yes\n");
    assert_eq!(text(EventType::Output), "Größe: 12 MiB\nwarning: locale caf\u{fffd}\n2 warnings\ndone\n");
    assert!(entries.iter().any(|entry| (entry.time - 0.35).abs() < 1e-9));
}

#[tokio::test]
async fn files_of_either_format_are_read_and_others_are_not() {
    let case = shell().await;
    let read = |bytes: &[u8]| {
        let mut file = File::open(bytes).unwrap();
        let preamble: Preamble = file.preamble().unwrap().clone();
        let mut events = Vec::new();
        while let Some(event) = file.next_event().unwrap() {
            events.push(event);
        }
        (preamble, events)
    };
    let (preamble, events) = read(&case.raw);
    assert!(preamble.about.is_some_and(|about| about.pty));
    assert_eq!(events, read(case.text.as_bytes()).1);
    let (preamble, outputs) = read(case.v2.as_bytes());
    assert_eq!((preamble.about, preamble.size), (None, TerminalSize { cols: 80, rows: 24 }));
    assert_eq!(outputs.len(), events.iter().filter(|timed| matches!(timed.event, Event::Output(..))).count());
    for other in [&b"#!/bin/sh\n"[..], b"\x28\xb5\x2f\xfdjunk", b"{\"version\": 1}\n", &case.raw[..case.raw.len() / 2]]
    {
        let read = File::open(other).and_then(|mut file| {
            while file.next_event()?.is_some() {}
            Ok(())
        });
        assert!(read.is_err());
    }
}
