//! How many records the log takes on a real disk, and what one costs: `cargo bench --bench ledger [-- SECONDS]`. Prints
//! figures, judges none.
//!
//! One client that waits for each receipt, beside a bare write and sync of as many bytes to a file in the same folder, in
//! turn, so that both meet the same disk. Then 64 that wait: records alone, and records whose text lies in the store.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a benchmark measures time and says so"
)]

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use sallyport::clock::Clock;
use sallyport::domain::event::{Actor, Decided, Event, Fact, Outcome, TargetRef};
use sallyport::domain::identity::{Flow, Kind};
use sallyport::domain::session::SessionId;
use sallyport::domain::{Digest, RecordId, Text};
use sallyport::drain::Drain;
use sallyport::ledger::{Ledger, Settings};
use sallyport::signer::Signer;
use sallyport::store;
use tokio::sync::oneshot;

const CLIENTS: usize = 64;
/// Appends by one client, each beside a bare sync.
const ALONE: usize = 1000;
/// So long that checkpoints are among it, which are signed every nine seconds.
const SECONDS: u64 = 30;

fn main() {
    let seconds = std::env::args().filter_map(|word| word.parse().ok()).next().unwrap_or(SECONDS);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        alone().await;
        for with_text in [false, true] {
            many(Duration::from_secs(seconds), with_text).await;
        }
    });
}

/// A log in a folder of its own.
struct Place {
    ledger: Ledger,
    stop: oneshot::Sender<bool>,
    done: tokio::task::JoinHandle<Result<(), sallyport::ledger::Error>>,
    dir: tempfile::TempDir,
}

impl Place {
    async fn new() -> Self {
        let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let (blobs, _) = store::sled(&dir.path().join("store"), &store::sled::Settings::default()).unwrap();
        let files = store::disk(&dir.path().join("log")).unwrap();
        let settings = Settings {
            origin: "bastion.example.com/sallyport/7f3a".to_owned(),
            node: "bastion-1".to_owned(),
            version: "bench".to_owned(),
            policy: None,
            config: None,
            last_checkpoint: None,
        };
        let signer = Signer::in_memory().unwrap();
        let (ledger, sequencer) = Ledger::open(settings, files, blobs, signer, Clock::system()).await.unwrap();
        let (stop, stopping) = oneshot::channel();
        let done = Drain::new().spawn(sequencer.run(stopping));
        ledger.answers().await.unwrap();
        Self { ledger, stop, done, dir }
    }

    /// Batches so far: each is one sync.
    fn syncs(&self) -> u64 {
        self.ledger.counters().syncs.count_and_sum().0
    }

    async fn stop(self) {
        self.stop.send(true).unwrap();
        self.done.await.unwrap().unwrap();
    }
}

async fn alone() {
    let place = Place::new().await;
    // As long as the record is in the file.
    let first = place.ledger.append_one(decision(&place.ledger)).await.unwrap();
    let record = place.ledger.entry(first.index).await.unwrap().unwrap();
    let path = place.dir.path().join("bare");
    let bytes = vec![b'x'; record.len()];
    let before = place.syncs();
    let (mut appends, mut bare) = (Vec::new(), Vec::new());
    for _ in 0..ALONE {
        let fact = decision(&place.ledger);
        let began = Instant::now();
        place.ledger.append_one(fact).await.unwrap();
        appends.push(began.elapsed());
        let (path, bytes) = (path.clone(), bytes.clone());
        bare.push(tokio::task::spawn_blocking(move || write_and_sync(&path, &bytes)).await.unwrap());
    }
    let syncs = place.syncs() - before;
    println!("one client, {ALONE} records of {} bytes: {syncs} syncs of the log", record.len());
    let (append, bare) = (Spread::of(appends), Spread::of(bare));
    println!("  receipt after        {append}");
    println!("  bare write and sync  {bare}");
    println!("  ratio of medians     {:.2}", append.median_us / bare.median_us);
    place.stop().await;
}

fn write_and_sync(path: &Path, bytes: &[u8]) -> Duration {
    let mut file: File = OpenOptions::new().append(true).create(true).open(path).unwrap();
    let began = Instant::now();
    file.write_all(bytes).unwrap();
    file.sync_data().unwrap();
    began.elapsed()
}

async fn many(span: Duration, with_text: bool) {
    let place = Place::new().await;
    let before = (place.syncs(), place.ledger.size(), cpu());
    let drain = Drain::new();
    let began = Instant::now();
    let clients: Vec<_> = (0..CLIENTS)
        .map(|client| {
            let ledger = place.ledger.clone();
            drain.spawn(async move {
                let mut took = Vec::new();
                while began.elapsed() < span {
                    let fact = if with_text { command(&ledger, client) } else { decision(&ledger) };
                    let asked = Instant::now();
                    ledger.append_one(fact).await.unwrap();
                    took.push(asked.elapsed());
                }
                took
            })
        })
        .collect();
    let mut took = Vec::new();
    for client in clients {
        took.extend(client.await.unwrap());
    }
    let (elapsed, records) = (began.elapsed().as_secs_f64(), took.len());
    let (syncs, cpu) = (place.syncs() - before.0, cpu() - before.2);
    let what = if with_text { "records with a text in the store" } else { "records" };
    println!("{CLIENTS} clients, {elapsed:.1} s, {what}: {:.0} a second", records as f64 / elapsed);
    println!("  receipt after        {}", Spread::of(took));
    println!("  records a sync       {:.1}", records as f64 / syncs as f64);
    println!("  CPU a record         {:.0} us", cpu.as_micros() as f64 / records as f64);
    println!("  signed so far        {} of {}", place.ledger.checkpoint_size(), place.ledger.size() - before.1);
    place.stop().await;
}

/// A decision as the bastion writes it.
fn decision(ledger: &Ledger) -> Fact {
    let decided = Decided {
        action: "exec",
        rules: vec![("operators-run-commands".to_owned(), "permit")],
        errors: Vec::new(),
        policy: Digest::of(b"policy"),
        schema: Digest::of(b"schema"),
        context: Digest::of(b"context"),
        pass: "initial",
        engine: "cedar-policy 4",
        obligations: vec!["max_session=8h".to_owned()],
        command: None,
        micros: 57,
    };
    in_session(ledger, Outcome::Allow, Event::AuthzDecision(decided))
}

/// A command, whose text lies outside its record.
fn command(ledger: &Ledger, client: usize) -> Fact {
    let text = format!("systemctl status app-{client}.service --no-pager --lines=200");
    let length = text.len() as u64;
    in_session(ledger, Outcome::Success, Event::ChannelExec { command: Text::new(text), length })
}

fn in_session(ledger: &Ledger, outcome: Outcome, event: Event) -> Fact {
    let now = ledger.clock().now();
    let mut fact = Fact::new(RecordId::new(now), outcome, event);
    fact.actor = Some(Actor {
        kind: Some(Kind::Person),
        issuer: "https://login.example.com".to_owned(),
        subject: "00u1abcd".to_owned(),
        name: "alice@example.com".to_owned(),
        groups: vec!["admins".to_owned(), "users".to_owned()],
        serial: Some(4211),
        key_id: Some("01JDD5Z2Q3W4E5R6T7Y8U9I0P1 alice@example.com".to_owned()),
        flow: Some(Flow::Local),
        source: Some(([203, 0, 113, 7], 51122).into()),
        client: Some("SSH-2.0-OpenSSH_10.5".to_owned()),
    });
    fact.session = Some(SessionId::new(now));
    fact.channel = Some(0);
    fact.target = Some(TargetRef {
        name: "db1".to_owned(),
        host: "10.0.3.4:22".to_owned(),
        login: "deploy".to_owned(),
        host_key: None,
        labels: [("env".to_owned(), "production".to_owned())].into(),
    });
    fact.refs.push(RecordId::new(now));
    fact
}

/// How long things took.
struct Spread {
    median_us: f64,
    slow_us: f64,
}

impl Spread {
    fn of(mut took: Vec<Duration>) -> Self {
        took.sort();
        let at = |part: usize| took.get(took.len() * part / 1000).unwrap().as_nanos() as f64 / 1000.0;
        Self { median_us: at(500), slow_us: at(990) }
    }
}

impl std::fmt::Display for Spread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "median {:>8.0} us   99 of 100 {:>8.0} us", self.median_us, self.slow_us)
    }
}

/// CPU time of all threads.
fn cpu() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap())
}
