//! Metrics and health: what they say while the bastion works, fails and stops.

use std::collections::BTreeMap;

use sallyport::demo::issuer::Person;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::{Setup, World};

const OPS: &str = "[ops]\nlisten = \"127.0.0.1:0\"\n[limits]\ndrain = \"1h\"\n";

impl World {
    /// Status and body of an address of the ops listener.
    async fn asks(&self, path: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(self.bastion.ops.unwrap()).await.unwrap();
        stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        if path == "/metrics" {
            assert!(head.contains("text/plain; version=0.0.4"), "{head}");
        }
        (head[9..12].parse().unwrap(), body.to_owned())
    }

    async fn metrics(&self) -> BTreeMap<String, f64> {
        let (status, text) = self.asks("/metrics").await;
        assert_eq!(status, 200);
        read(&text)
    }
}

async fn world() -> World {
    Setup { config: OPS, ..Setup::new() }.start().await
}

/// A reader of the text format that takes nothing on trust.
fn read(text: &str) -> BTreeMap<String, f64> {
    let name = |text: &str| {
        let mut bytes = text.bytes();
        bytes.next().is_some_and(|b| b.is_ascii_alphabetic()) && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_')
    };
    let mut types: BTreeMap<String, String> = BTreeMap::new();
    let mut samples = BTreeMap::new();
    let mut family = String::new();
    assert!(text.ends_with('\n'));
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (of, help) = rest.split_once(' ').unwrap();
            assert!(name(of) && !help.is_empty(), "{line}");
            family = of.to_owned();
            continue;
        }
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (of, kind) = rest.split_once(' ').unwrap();
            assert_eq!(of, family, "HELP comes before TYPE, once");
            assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
            assert!(types.insert(of.to_owned(), kind.to_owned()).is_none(), "{of} is there twice");
            continue;
        }
        let (key, value) = line.rsplit_once(' ').unwrap();
        let bare = key.split('{').next().unwrap();
        let suffixes: &[&str] = match types[&family].as_str() {
            "histogram" => &["_bucket", "_sum", "_count"],
            _ => &[""],
        };
        assert!(suffixes.iter().any(|suffix| bare == format!("{family}{suffix}")), "{line} under {family}");
        if types[&family] == "counter" {
            assert!(family.ends_with("_total"), "{family}");
        }
        if let Some((_, labels)) = key.split_once('{') {
            for label in labels.strip_suffix('}').unwrap().split(',') {
                let (label, value) = label.split_once('=').unwrap();
                assert!(name(label) && value.starts_with('"') && value.ends_with('"') && value.len() > 2, "{line}");
            }
        }
        let value: f64 = value.parse().unwrap();
        assert!(value >= 0.0, "{line}");
        assert!(samples.insert(key.to_owned(), value).is_none(), "{key} is there twice");
    }
    samples
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happens_is_counted() {
    let world = world().await;
    let before = world.metrics().await;
    let bob = world.person(Person::Bob).await;
    assert_eq!(bob.run("deploy+web1", "echo out").await.stdout, b"out\n");
    assert_eq!(bob.run("deploy+db1", "echo no").await.status.code(), Some(126));
    let library = bob.bare("deploy+web1").await;
    let mut talk = library.exec("cat").await;
    talk.write.data(&b"x\n"[..]).await.unwrap();
    talk.until(|got| got.out == "x\n").await;
    world.ended(1).await;
    let now = world.metrics().await;
    let grew = |key: &str| now.get(key).copied().unwrap_or(0.0) - before.get(key).copied().unwrap_or(0.0);
    assert_eq!(grew("sallyport_connections_total"), 3.0);
    assert_eq!(grew("sallyport_authentications_total{result=\"ok\"}"), 3.0);
    assert_eq!(grew("sallyport_decisions_total{outcome=\"deny\"}"), 1.0);
    assert!(grew("sallyport_decisions_total{outcome=\"allow\"}") >= 2.0);
    assert_eq!(grew("sallyport_sessions_total{outcome=\"success\"}"), 2.0);
    assert_eq!(now["sallyport_sessions_open{kind=\"exec\"}"], 1.0);
    assert_eq!(now["sallyport_sessions_open{kind=\"shell\"}"], 0.0);
    assert_eq!(grew("sallyport_id_tokens_total{outcome=\"success\"}"), 1.0);
    assert!(grew("sallyport_certificates_issued_total") >= 3.0);
    assert!(grew("sallyport_ledger_entries") >= 12.0);
    assert!(now["sallyport_tasks"] >= 3.0, "a session, and what accepts others");
    assert!(grew("sallyport_ledger_sync_seconds_count") >= 3.0);
    assert!(grew("sallyport_recording_stored_bytes_total") > 0.0);
    assert_eq!(now["sallyport_targets"], 2.0);
    assert_eq!(now["sallyport_limit_refused_total{limit=\"memory\"}"], 0.0);
    assert_eq!(now["sallyport_memory_limit_bytes"], 512.0 * 1024.0 * 1024.0);
    assert_eq!(now[&format!("sallyport_build_info{{version=\"{}\"}}", env!("CARGO_PKG_VERSION"))], 1.0);
    assert_eq!(world.asks("/elsewhere").await.0, 404);
    drop((talk, library));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bastion_that_stops_lives_and_is_not_ready() {
    let world = world().await;
    assert_eq!(world.asks("/health/live").await, (200, "ok\n".to_owned()));
    assert_eq!(world.asks("/health/ready").await, (200, "ok\n".to_owned()));
    world.bastion.drain().stop();
    assert_eq!(world.asks("/health/live").await.0, 200);
    assert_eq!(world.asks("/health/ready").await, (503, "stopping\n".to_owned()));
    assert_eq!(world.metrics().await["sallyport_stopping"], 1.0);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_hangs_is_neither_live_nor_ready() {
    let world = world().await;
    world.memory.faults().stall();
    // Something must be on its way to the disk.
    let sessions = world.bastion.sessions();
    sessions.failures().note(([127, 0, 0, 1], 1).into(), "revoked", None);
    let asked = tokio::select! {
        // It is on its way before anybody asks.
        biased;
        () = sessions.write_failures_now() => panic!("it does not hang"),
        asked = world.asks("/health/live") => asked,
    };
    assert_eq!(asked, (503, "the log does not answer\n".to_owned()));
    world.memory.faults().mend();
    assert_eq!(world.asks("/health/live").await.0, 200);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_below_its_reserve_is_not_ready() {
    let world = world().await;
    world.memory.faults().space(1024 * 1024, 100 << 30);
    crate::support::until("a short disk", async || (world.asks("/health/ready").await.0 == 503).then_some(())).await;
    let now = world.metrics().await;
    assert_eq!((now["sallyport_disk_low"], now["sallyport_disk_free_bytes"]), (1.0, 1024.0 * 1024.0));
    assert_eq!(world.asks("/health/live").await.0, 200);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_docs_name_every_number_and_no_other() {
    let config = "[ledger]\ncopy_dir = \"copy\"\n[ops]\nlisten = \"127.0.0.1:0\"\n\
        [[siem]]\nname = \"archive\"\nkind = \"file\"\nfile = \"events.jsonl\"\n";
    let world = Setup { config, ..Setup::new() }.start().await;
    let config = sallyport::app::config::Config::parse(&world.config, world.dir.path()).unwrap();
    world.bastion.reload(config).await.unwrap();
    let _ = world.person(Person::Bob).await.run("deploy+web1", "true").await;
    let (_, text) = world.asks("/metrics").await;
    let names = text.lines().filter_map(|line| line.strip_prefix("# HELP ")?.split(' ').next());
    let names: std::collections::BTreeSet<&str> = names.collect();
    let docs = include_str!("../../docs/OPERATIONS.md");
    let words = docs.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let told: std::collections::BTreeSet<&str> = words
        .filter(|word| word.starts_with("sallyport_") && *word != "sallyport_ca")
        .map(|word| word.strip_suffix("_bucket").unwrap_or(word))
        .collect();
    assert_eq!(told, names);
    world.stop().await;
}
