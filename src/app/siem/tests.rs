//! Sinks against receivers that are down, lose answers or die, without a pause between attempts.

use std::sync::Arc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use url::Url;

use super::sink::{Tls, Way};
use super::*;
use crate::clock::Clock;
use crate::domain::event::{Event, Fact, Outcome};
use crate::domain::target::Address;
use crate::domain::{RecordId, Timestamp};
use crate::drain::Drain;
use crate::http::self_signed::self_signed;
use crate::signer::Signer;
use crate::store::memory::Memory;

/// A log that was used and closed: so many entries, all signed.
async fn used(disk: &Memory, entries: usize) -> Ledger {
    let clock = Clock::manual(Timestamp::parse("2026-11-23T21:04:49Z").unwrap());
    let settings = ledger::Settings::of_tests("bastion.example.com/sallyport/7f3a");
    let signer = Signer::in_memory().unwrap();
    let (ledger, sequencer) = Ledger::open(settings, disk.files(), disk.blobs(), signer, clock.clone()).await.unwrap();
    let (stop, stopping) = oneshot::channel();
    let done = Drain::new().spawn(sequencer.run(stopping));
    let fact = || Fact::new(RecordId::new(clock.now()), Outcome::Success, Event::UpstreamClose { reason: "finished" });
    // `log.start` and `log.stop` are two of them.
    ledger.append((2..entries).map(|_| fact()).collect()).await.unwrap();
    stop.send(true).unwrap();
    done.await.unwrap().unwrap();
    assert_eq!(ledger.checkpoint_size(), entries as u64);
    ledger
}

async fn exporter(disk: &Memory, ledger: &Ledger, way: Way, history: bool) -> Exporter {
    let sink = Sink { name: "soc".to_owned(), way, history };
    let open = Open::new(&sink).unwrap();
    let (ledger, registers) = (ledger.clone(), disk.registers());
    let mut exporter = Exporter { ledger, registers, sink, open, progress: Progress::default(), stored: None, next: 0 };
    exporter.begin().await.unwrap();
    exporter
}

/// Sends until there is nothing more, at once again after each failure. How many attempts failed.
async fn all(exporter: &mut Exporter) -> usize {
    let mut failed = 0;
    for _ in 0..1000 {
        match exporter.batch(100).await {
            Ok(true) => {}
            Ok(false) => return failed,
            Err(_) => failed += 1,
        }
    }
    panic!("no end after 1000 attempts");
}

fn sequence(line: &str) -> u64 {
    serde_json::from_str::<serde_json::Value>(line).unwrap()["metadata"]["sequence"].as_u64().unwrap()
}

/// An OTLP receiver that does so with the first requests, and takes all later ones: a status, or 0 to take and not answer.
async fn otlp(drain: &Drain, first: &'static [u16]) -> (Way, Arc<Mutex<Vec<u64>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v1/logs", listener.local_addr().unwrap());
    let got: Arc<Mutex<Vec<u64>>> = Arc::default();
    let taken = got.clone();
    drain.spawn(async move {
        for status in first.iter().copied().chain(std::iter::repeat(200)) {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut bytes = Vec::new();
            let body = loop {
                let mut piece = [0; 16384];
                let count = stream.read(&mut piece).await.unwrap();
                bytes.extend(&piece[..count]);
                let text = String::from_utf8_lossy(&bytes);
                let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
                let head = head.to_lowercase();
                let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
                if body.len() >= length.parse().unwrap() {
                    break body.to_owned();
                }
            };
            if status == 200 || status == 0 {
                let body: serde_json::Value = serde_json::from_str(&body).unwrap();
                let records = body.pointer("/resourceLogs/0/scopeLogs/0/logRecords").unwrap().as_array().unwrap();
                let lines = records.iter().map(|record| record.pointer("/body/stringValue").unwrap().as_str().unwrap());
                taken.lock().unwrap().extend(lines.map(sequence));
            }
            if status != 0 {
                let answer = format!("HTTP/1.1 {status} x\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{{}}");
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        }
    });
    let way = Way::Otlp { url: Url::parse(&url).unwrap(), tls: Tls::default(), token: None };
    (way, got)
}

#[tokio::test]
async fn a_receiver_that_refuses_and_loses_answers_misses_nothing() {
    let (disk, drain) = (Memory::new(), Drain::new());
    let ledger = used(&disk, 700).await;
    let (way, got) = otlp(&drain, &[503, 200, 0, 400, 0, 200, 429]).await;
    let mut exporter = exporter(&disk, &ledger, way, true).await;
    assert_eq!(all(&mut exporter).await, 5);
    let mut got = got.lock().unwrap().clone();
    assert!(got.len() > 700, "what was not confirmed came again");
    got.sort_unstable();
    got.dedup();
    assert_eq!(got, (0..700).collect::<Vec<_>>());
    assert_eq!(exporter.progress.read()["soc"].next, 700);
}

#[tokio::test]
async fn a_restart_goes_on_behind_what_was_confirmed() {
    let (disk, drain) = (Memory::new(), Drain::new());
    let ledger = used(&disk, 300).await;
    let (way, got) = otlp(&drain, &[]).await;
    let mut first = exporter(&disk, &ledger, way.clone(), true).await;
    assert!(first.batch(100).await.unwrap());
    drop(first);
    let mut second = exporter(&disk, &ledger, way.clone(), true).await;
    assert_eq!(second.next, 100);
    assert_eq!(all(&mut second).await, 0);
    assert_eq!(*got.lock().unwrap(), (0..300).collect::<Vec<_>>());
    let mut third = exporter(&disk, &ledger, way, true).await;
    assert!(!third.batch(100).await.unwrap());
}

#[tokio::test]
async fn without_history_it_begins_with_what_is_new() {
    let (disk, drain) = (Memory::new(), Drain::new());
    let ledger = used(&disk, 20).await;
    let (way, got) = otlp(&drain, &[]).await;
    let mut now = exporter(&disk, &ledger, way, false).await;
    assert_eq!(now.next, 20);
    assert_eq!(all(&mut now).await, 0);
    assert!(got.lock().unwrap().is_empty());
}

#[tokio::test]
async fn another_log_under_the_same_name_is_sent_whole() {
    let (one, other, drain) = (Memory::new(), Memory::new(), Drain::new());
    let ledger = used(&one, 20).await;
    let (way, _) = otlp(&drain, &[]).await;
    assert_eq!(all(&mut exporter(&one, &ledger, way.clone(), true).await).await, 0);
    // As after a restore: other entries, and the register of before.
    let ledger = used(&other, 30).await;
    assert_eq!(exporter(&one, &ledger, way.clone(), true).await.next, 0);
    let shorter = used(&Memory::new(), 10).await;
    assert_eq!(exporter(&one, &shorter, way, true).await.next, 0);
}

#[tokio::test]
async fn a_file_has_each_record_in_a_line_of_its_own() {
    let disk = Memory::new();
    let ledger = used(&disk, 300).await;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("events.jsonl");
    let mut exporter = exporter(&disk, &ledger, Way::File(path.clone()), true).await;
    assert_eq!(all(&mut exporter).await, 0);
    let text = std::fs::read_to_string(path).unwrap();
    assert_eq!(text.lines().map(sequence).collect::<Vec<_>>(), (0..300).collect::<Vec<_>>());
}

/// A syslog receiver over TLS; with whether it says goodbye on each connection, in turn. What it read of each.
async fn syslog(drain: &Drain, polite: &'static [bool], abrupt: bool) -> (Way, Arc<Mutex<Vec<Vec<u8>>>>) {
    let (chain, key, _) = self_signed();
    let config = crate::http::tls(chain.as_bytes(), key.as_bytes()).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = Address { host: "localhost".to_owned(), port: listener.local_addr().unwrap().port() };
    let got: Arc<Mutex<Vec<Vec<u8>>>> = Arc::default();
    let read = got.clone();
    drain.spawn(async move {
        let acceptor = tokio_rustls::TlsAcceptor::from(config);
        for polite in polite {
            let (stream, _) = listener.accept().await.unwrap();
            let mut tls = acceptor.accept(stream).await.unwrap();
            let mut bytes = Vec::new();
            tls.read_to_end(&mut bytes).await.unwrap();
            read.lock().unwrap().push(bytes);
            if *polite {
                tls.shutdown().await.unwrap();
            }
        }
    });
    let tls = Tls { authorities: Some(chain.into_bytes()), own: None };
    (Way::Syslog { address, tls, abrupt }, got)
}

/// Takes octet-counted frames apart.
fn messages(mut bytes: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let space = bytes.iter().position(|byte| *byte == b' ').unwrap();
        let length: usize = std::str::from_utf8(&bytes[..space]).unwrap().parse().unwrap();
        let end = space + 1 + length;
        found.push(String::from_utf8(bytes[space + 1..end].to_vec()).unwrap());
        bytes = &bytes[end..];
    }
    found
}

#[tokio::test]
async fn syslog_counts_once_the_receiver_has_said_goodbye_too() {
    let (disk, drain) = (Memory::new(), Drain::new());
    let ledger = used(&disk, 50).await;
    let (way, got) = syslog(&drain, &[false, true], false).await;
    let mut exporter = exporter(&disk, &ledger, way, true).await;
    assert_eq!(all(&mut exporter).await, 1);
    let got = got.lock().unwrap().clone();
    assert_eq!(got.len(), 2);
    assert_eq!(got[0], got[1], "the same batch again");
    let read = messages(&got[1]);
    let event = |message: &String| sequence(message.split_once(" - ").unwrap().1);
    assert_eq!(read.iter().map(event).collect::<Vec<_>>(), (0..50).collect::<Vec<_>>());
    assert!(read.iter().all(|message| message.starts_with("<110>1 2026-11-23T21:04:49.")), "{}", read[0]);
}

#[tokio::test]
async fn an_abrupt_receiver_is_taken_at_its_end_if_the_config_says_so() {
    let (disk, drain) = (Memory::new(), Drain::new());
    let ledger = used(&disk, 50).await;
    let (way, got) = syslog(&drain, &[false], true).await;
    assert_eq!(all(&mut exporter(&disk, &ledger, way, true).await).await, 0);
    assert_eq!(got.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_receiver_with_a_strangers_certificate_gets_nothing() {
    let (disk, drain) = (Memory::new(), Drain::new());
    let ledger = used(&disk, 10).await;
    let (way, _) = syslog(&drain, &[], false).await;
    let Way::Syslog { address, abrupt, .. } = way else { panic!("not syslog") };
    let (other, _, _) = self_signed();
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = Address { port: listener.local_addr().unwrap().port(), ..address };
    drain.spawn(async move {
        let (chain, key, _) = self_signed();
        let config = crate::http::tls(chain.as_bytes(), key.as_bytes()).unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        assert!(tokio_rustls::TlsAcceptor::from(config).accept(stream).await.is_err());
    });
    let tls = Tls { authorities: Some(other.into_bytes()), own: None };
    let mut exporter = exporter(&disk, &ledger, Way::Syslog { address, tls, abrupt }, true).await;
    assert!(exporter.batch(100).await.is_err());
    assert_eq!(exporter.next, 0);
}
