//! A bundle of many sessions, from the bastion's own rooms on a real disk, and what it takes to find a changed bit in it:
//! `cargo bench --bench evidence -- DIR SESSIONS KIB FLIPS`. Prints figures; stops where a changed bit is not found.
//!
//! Each session is one that was decided, recorded and ended, with KIB of random text put out; only the network is left out.
//! `bundle.tar` and `trust` are left in DIR, for the verifiers that `tests/bench/verifiers.py` runs.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a benchmark measures time and says so"
)]

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, RwLock};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use sallyport::approval::{Desk, Glasses};
use sallyport::clock::Clock;
use sallyport::console::{Console, Io, Reach, Settings, Trial};
use sallyport::domain::RecordId;
use sallyport::domain::identity::{Caller, Flow, Group, Grouping, Identity, IssuerName, Kind, Means, Shown, SignIn};
use sallyport::domain::session::{Action, Command, End, Exit, Stream};
use sallyport::domain::target::{Address, HostTrust, Login, Target, TargetName};
use sallyport::drain::Drain;
use sallyport::ledger::bundle::{FIRST, Reader};
use sallyport::ledger::trust::Trust;
use sallyport::ledger::verify::{Belief, Verdict, verify};
use sallyport::ledger::{self, Ledger};
use sallyport::mask::fingerprint::Fingerprinter;
use sallyport::mask::profile::Profiles;
use sallyport::policy::{Catalogue, Policy, SCHEMA, STARTER};
use sallyport::recording::Recordings;
use sallyport::recording::index::Index;
use sallyport::session::failures::Failures;
use sallyport::session::limits::Limits;
use sallyport::session::registry::Registry;
use sallyport::session::{Ask, Opened, Sessions};
use sallyport::signer::Signer;
use sallyport::store;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

/// Sessions that are open at once.
const AT_ONCE: usize = 64;
const PEOPLE: usize = 100;
/// What one read of a channel brings at most.
const PIECE: usize = 32 * 1024;
const USAGE: &str = "usage: cargo bench --bench evidence -- DIR SESSIONS KIB FLIPS";

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    // `cargo bench` runs every bench, and this one needs to be told where to.
    let [dir, numbers @ ..] = words.as_slice() else { return println!("{USAGE}") };
    let numbers: Vec<usize> = numbers.iter().filter_map(|word| word.parse().ok()).collect();
    let [sessions, kib, flips] = numbers.as_slice() else { return println!("{USAGE}") };
    let dir = PathBuf::from(dir);
    std::fs::create_dir_all(&dir).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(make(&dir, *sessions, *kib));
    let trust = Trust::parse(&std::fs::read_to_string(dir.join("trust")).unwrap()).unwrap();
    let began = Instant::now();
    let report = verify(File::open(dir.join("bundle.tar")).unwrap(), Belief::Trust(&trust), &mut |_| {}).unwrap();
    println!("verified in {:.2} s: {}", began.elapsed().as_secs_f64(), report.verdict.as_str());
    assert_eq!((report.verdict, &report.faults), (Verdict::VerifiedUnwitnessed, &Vec::new()));
    println!(
        "{} records, {} recordings, {} texts, {} policies, {} tables",
        report.range.1 - report.range.0,
        report.recordings,
        report.texts,
        report.policies,
        report.populations
    );
    if *flips > 0 {
        flip(&std::fs::read(dir.join("bundle.tar")).unwrap(), &trust, *flips);
    }
}

/// So many sessions, and the bundle of all of them.
async fn make(dir: &Path, count: usize, kib: usize) {
    let (house, ground) = House::new(dir).await;
    let began = Instant::now();
    let next = Arc::new(AtomicUsize::new(0));
    let drain = Drain::new();
    let workers: Vec<_> = (0..AT_ONCE)
        .map(|_| {
            let (house, next) = (house.clone(), next.clone());
            drain.spawn(async move {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= count {
                        return;
                    }
                    house.session(number, kib).await;
                }
            })
        })
        .collect();
    for worker in workers {
        worker.await.unwrap();
    }
    let ledger = house.sessions.ledger();
    println!("{count} sessions in {:.1} s, {} records", began.elapsed().as_secs_f64(), ledger.size());
    let whole = ledger.size();
    while ledger.checkpoint_size() < whole {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    house.run("evidence trust", &dir.join("trust")).await;
    let began = Instant::now();
    let bytes = house.run("evidence export --from 12h", &dir.join("bundle.tar")).await;
    println!("exported in {:.1} s: {bytes} bytes", began.elapsed().as_secs_f64());
    ground.leave().await;
}

/// Changes one bit at a time, at random places, and asks each time.
fn flip(bundle: &[u8], trust: &Trust, count: usize) {
    let began = Instant::now();
    let spans = spans(bundle);
    let (next, framing) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut changed = bundle.to_vec();
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= count {
                        return;
                    }
                    let random = mix(number as u64);
                    let (at, bit) = (usize::try_from(random >> 8).unwrap() % bundle.len(), 1 << (random % 8));
                    changed[at] ^= bit;
                    let report = verify(changed.as_slice(), Belief::Trust(trust), &mut |_| {}).unwrap();
                    assert!(
                        !report.verdict.is_good() && !report.faults.is_empty(),
                        "byte {at} was changed: {report:?}"
                    );
                    changed[at] ^= bit;
                    let is_content = spans.iter().any(|(from, to)| (*from..*to).contains(&at));
                    framing.fetch_add(usize::from(!is_content), Ordering::Relaxed);
                }
            });
        }
    });
    println!(
        "{count} random bits changed, each found ({} of them in headers and padding), {:.1} s",
        framing.into_inner(),
        began.elapsed().as_secs_f64()
    );
}

/// Where the contents of files lie.
fn spans(bundle: &[u8]) -> Vec<(usize, usize)> {
    let (mut reader, mut spans) = (Reader::new(bundle), Vec::new());
    while let Some((_, size)) = reader.next_file().unwrap() {
        let from = usize::try_from(reader.position()).unwrap();
        spans.push((from, from + usize::try_from(size).unwrap()));
        reader.finish().unwrap();
    }
    assert!(spans.len() > FIRST.len());
    spans
}

/// A number that follows from another and looks as if it did not (splitmix64).
fn mix(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Text of 64 letters, which hardly gets smaller.
fn noise(seed: u64, bytes: usize) -> Bytes {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 \n";
    let (mut out, mut state) = (Vec::with_capacity(bytes + 10), seed);
    while out.len() < bytes {
        state = mix(state);
        out.extend((0..10).map(|part| LETTERS[usize::try_from((state >> (part * 6)) & 63).unwrap()]));
    }
    out.truncate(bytes);
    out.into()
}

/// The rooms of a bastion over a disk.
#[derive(Clone)]
struct House {
    console: Console,
    sessions: Sessions,
    clock: Clock,
    _policy: watch::Sender<Arc<Policy>>,
}

/// What the rooms stand on.
struct Ground {
    stop: oneshot::Sender<bool>,
    sequencer: JoinHandle<Result<(), ledger::Error>>,
    disk: tempfile::TempDir,
}

impl Ground {
    async fn leave(self) {
        self.stop.send(true).unwrap();
        self.sequencer.await.unwrap().unwrap();
        self.disk.close().unwrap();
    }
}

impl House {
    async fn new(dir: &Path) -> (Self, Ground) {
        let disk = tempfile::tempdir_in(dir).unwrap();
        let clock = Clock::system();
        let (blobs, registers) = store::sled(&disk.path().join("store"), &store::sled::Settings::default()).unwrap();
        let files = store::disk(&disk.path().join("log")).unwrap();
        let signer = Signer::in_memory().unwrap();
        let about = ledger::Settings {
            origin: "bastion.example.com/sallyport/7f3a".to_owned(),
            node: "bastion-1".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            policy: None,
            config: None,
            last_checkpoint: None,
        };
        let opened = Ledger::open(about, files, blobs.clone(), signer.clone(), clock.clone()).await;
        let (ledger, sequencer) = opened.unwrap();
        let (stop, stopping) = oneshot::channel();
        let ground = Ground { stop, sequencer: Drain::new().spawn(sequencer.run(stopping)), disk };
        let catalogue = Catalogue {
            groups: Catalogue::BUILT_IN_GROUPS.map(str::to_owned).into(),
            environments: ["production", "staging"].map(str::to_owned).into(),
            targets: ["web".to_owned()].into(),
            issuers: ["corp".to_owned()].into(),
            ..Catalogue::default()
        };
        let starter: Vec<_> = STARTER.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        let (_policy, policy) = watch::channel(Arc::new(Policy::load(&starter, &catalogue).unwrap()));
        let text = policy.borrow().text().to_owned();
        ledger.keep_policy(&text).await.unwrap();
        ledger.keep_policy(SCHEMA).await.unwrap();
        let sessions = Sessions::new(sallyport::session::Inner {
            bastion: "bastion.example.com".to_owned(),
            desk: Desk::new(Default::default(), ledger.clone(), clock.clone(), Default::default()),
            glasses: Glasses::new(registers.clone()),
            recent: Default::default(),
            ledger: ledger.clone(),
            recordings: Recordings::new(blobs, Default::default()),
            index: Index::new(registers.clone()),
            clock: clock.clone(),
            policy,
            masks: watch::channel(Arc::new(Profiles::of_the_program())).1,
            prints: Fingerprinter::new(|_| [0; 32]),
            targets: RwLock::new(Arc::new(vec![target()])),
            groups: Grouping::new(|_, _, _| Vec::new()),
            standing: Default::default(),
            failures: Failures::new(clock.clone()),
            registry: Registry::default(),
            limits: Limits::new(&Default::default(), clock.clone()),
        });
        let identities = sallyport::identity::Identities::open(
            sallyport::identity::Settings::new("bastion.example.com", Vec::new(), Grouping::new(|_, _, _| Vec::new())),
            ledger,
            registers,
            signer,
            clock.clone(),
            _policy.subscribe(),
        );
        let settings = Settings {
            bastion: "bastion.example.com".to_owned(),
            host: "bastion.example.com".to_owned(),
            port: 22,
            user_ca: String::new(),
            target_ca: String::new(),
            host_ca: String::new(),
        };
        let identities = identities.await.unwrap();
        let console = Console::new(settings, sessions.clone(), identities, Arc::new(Nowhere), clock.clone());
        (Self { console, sessions, clock, _policy }, ground)
    }

    /// A session from its decision to its end.
    async fn session(&self, number: usize, kib: usize) {
        let caller = self.caller(&format!("person-{}", number % PEOPLE), "users");
        let command = Command::parse(format!("deploy --release {number}")).unwrap();
        let share = self.sessions.limits().budget.open_reserved();
        let ask = Ask { login: Some("app"), ..Ask::plain(&caller, share, "9c1e", "web", Action::Exec(command)) };
        let opened = self.sessions.open(ask).await;
        let Opened { governed, permit: _, files: _, lending: _, up: _, mut down, keeper } = opened.unwrap();
        let act = async {
            let text = noise(number as u64, kib * 1024);
            for from in (0..text.len()).step_by(PIECE) {
                let piece = text.slice(from..text.len().min(from + PIECE));
                down.output(Stream::Stdout, piece).await.unwrap();
            }
            for stream in [Stream::Stdout, Stream::Stderr] {
                down.finish(stream).await.unwrap();
            }
            governed.close(End::Finished(Exit::Status(0))).await;
        };
        tokio::join!(keeper.run(), act);
    }

    /// A command of the console by somebody who may audit, its output to a file: how many bytes.
    async fn run(&self, line: &str, to: &Path) -> u64 {
        let (out, mut heard) = mpsc::channel(100);
        let (_typed, input) = mpsc::channel(1);
        let mut io = Io { out, input, terminal: None };
        let (caller, console, line) = (self.caller("audrey", "auditors"), self.console.clone(), line.to_owned());
        let running = Drain::new().spawn(async move {
            console.run(&caller, Some(&line), &mut io).await;
        });
        let mut file = std::io::BufWriter::new(File::create(to).unwrap());
        let mut bytes = 0;
        while let Some((stream, piece)) = heard.recv().await {
            match stream {
                Stream::Stdout => {
                    file.write_all(&piece).unwrap();
                    bytes += piece.len() as u64;
                }
                Stream::Stderr => print!("{}", String::from_utf8_lossy(&piece)),
            }
        }
        running.await.unwrap();
        file.flush().unwrap();
        bytes
    }

    fn caller(&self, name: &str, group: &str) -> Arc<Caller> {
        let at = self.clock.now();
        Arc::new(Caller {
            identity: Identity {
                issuer: IssuerName::parse("corp").unwrap(),
                issuer_url: "https://login.example.com".to_owned(),
                subject: format!("00u-{name}"),
                kind: Kind::Person,
                name: format!("{name}@example.com"),
                groups: [Group::configured(group)].into(),
                claims: BTreeMap::new(),
            },
            sign_in: SignIn {
                record: RecordId::from_parts(at, 7),
                at,
                auth_time: Some(at),
                until: at.plus(Duration::from_secs(8 * 3600)),
                flow: Flow::Local,
                amr: vec!["hwk".to_owned()],
            },
            certificate: Shown {
                means: Means::Certificate,
                serial: 42,
                key_id: format!("sp1:x:{name}"),
                valid_before: at.plus(Duration::from_secs(3600)),
            },
            source: ([10, 0, 0, 7], 51234).into(),
            client: "SSH-2.0-OpenSSH_10.5".to_owned(),
        })
    }
}

fn target() -> Arc<Target> {
    Arc::new(Target {
        name: TargetName::parse("web").unwrap(),
        aliases: Vec::new(),
        address: Address::parse("10.0.3.4").unwrap(),
        logins: vec![Login::parse("app").unwrap()],
        default_login: None,
        labels: BTreeMap::from([("env".to_owned(), "staging".to_owned())]),
        posix_shell: true,
        host_trust: HostTrust::Pinned(Vec::new()),
        key_file: None,
        seen_as: None,
        env: Vec::new(),
        allow_loopback: false,
    })
}

/// There is no target to try.
#[derive(Debug)]
struct Nowhere;

impl Reach for Nowhere {
    fn source(&self, _: &Target) -> Option<std::net::IpAddr> {
        None
    }

    fn look(&self, _: Arc<Target>) -> BoxFuture<'static, Trial> {
        Box::pin(async { Trial::good("not looked at".to_owned()) })
    }

    fn sign_in(&self, _: Arc<Caller>, _: Arc<Target>, _: Login, _: bool) -> BoxFuture<'static, Trial> {
        Box::pin(async { Trial::good("not signed in".to_owned()) })
    }
}
