//! A copy beside a log on a real folder: what is in it, and what it never does.

use std::fs;

use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::*;
use crate::domain::Timestamp;
use crate::domain::event::Event;
use crate::drain::Drain;
use crate::ledger::check::{Report, verify_log};
use crate::ledger::checkpoint::Key;
use crate::signer::Signer;
use crate::store::memory::Memory;

const ORIGIN: &str = "bastion.example.com/sallyport/7f3a";
/// Longer than a checkpoint and its copy take.
const COPIED: Duration = Duration::from_secs(15);

struct Bed {
    disk: Memory,
    signer: Signer,
    clock: Clock,
    dir: tempfile::TempDir,
}

struct Running {
    ledger: Ledger,
    stop: oneshot::Sender<bool>,
    sequencer: JoinHandle<Result<(), ledger::Error>>,
    drain: Drain,
    progress: Progress,
}

impl Bed {
    fn new() -> Self {
        let clock = Clock::manual(Timestamp::parse("2026-11-23T21:04:49Z").unwrap());
        let (signer, dir) = (Signer::in_memory().unwrap(), tempfile::tempdir().unwrap());
        fs::create_dir(dir.path().join("copy")).unwrap();
        Self { disk: Memory::new(), signer, clock, dir }
    }

    fn copy(&self) -> PathBuf {
        self.dir.path().join("copy")
    }

    fn places(&self) -> Vec<Place> {
        vec![Place::Folder(self.copy())]
    }

    async fn ledger(&self) -> (Ledger, ledger::sequencer::Sequencer) {
        let settings = ledger::Settings::of_tests(ORIGIN);
        let (files, blobs) = (self.disk.files(), self.disk.blobs());
        Ledger::open(settings, files, blobs, self.signer.clone(), self.clock.clone()).await.unwrap()
    }

    /// A log and its copier.
    async fn start(&self) -> Running {
        let (ledger, sequencer) = self.ledger().await;
        agree(&self.places(), &ledger).await.unwrap();
        let (stop, stopping) = oneshot::channel();
        let sequencer = Drain::new().spawn(sequencer.run(stopping));
        let (drain, progress) = (Drain::new(), Progress::of(&self.places()));
        for place in self.places() {
            drain.spawn(run(place, ledger.clone(), progress.clone(), drain.stopping().clone()));
        }
        Running { ledger, stop, sequencer, drain, progress }
    }

    async fn refusal(&self) -> String {
        let (ledger, _sequencer) = self.ledger().await;
        agree(&self.places(), &ledger).await.unwrap_err().to_string()
    }

    fn fact(&self) -> Fact {
        let event = Event::UpstreamClose { reason: "finished" };
        Fact::new(RecordId::new(self.clock.now()), Outcome::Success, event)
    }

    async fn verify(&self) -> Report {
        let key = Key::new(ORIGIN, self.signer.log_key()).unwrap();
        verify_log(&crate::store::look(&self.copy()), &key).await.unwrap()
    }

    /// Every file, with its bytes.
    fn files(&self) -> BTreeMap<String, Vec<u8>> {
        let (mut found, mut folders) = (BTreeMap::new(), vec![self.copy()]);
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    let name = path.strip_prefix(self.copy()).unwrap().to_str().unwrap().to_owned();
                    found.insert(name, fs::read(path).unwrap());
                }
            }
        }
        found
    }
}

impl Running {
    async fn append(&self, bed: &Bed, count: usize) {
        self.ledger.append((0..count).map(|_| bed.fact()).collect()).await.unwrap();
    }

    /// Waits until the copy has the log as it is, or a failure more is counted.
    async fn settled(&self, failures: u64) {
        let done = async {
            loop {
                let came = self.progress.read()["folder"];
                if came.failures > failures || came.entries >= self.ledger.size() {
                    return;
                }
                sleep(Duration::from_millis(100)).await;
            }
        };
        timeout(Duration::from_secs(3600), done).await.unwrap();
    }

    async fn stop(self) {
        let _ = self.stop.send(true);
        self.sequencer.await.unwrap().unwrap();
        assert!(self.drain.finish(AT_END, Duration::ZERO).await);
    }

    async fn copied(&self) -> Vec<(String, String)> {
        let mut found = Vec::new();
        for index in 0..self.ledger.size() {
            let entry = self.ledger.entry(index).await.unwrap().unwrap();
            let entry = ledger::entry::decode(&entry).unwrap();
            if entry.kind() == "log.copied" {
                let reason = entry.body().map().get("reason").map(ToString::to_string).unwrap_or_default();
                found.push((entry.outcome().as_str().to_owned(), reason));
            }
        }
        found
    }
}

#[tokio::test(start_paused = true)]
async fn a_copy_is_a_whole_log_and_its_files_are_never_written_again() {
    let bed = Bed::new();
    let running = bed.start().await;
    let mut before = BTreeMap::<String, Vec<u8>>::new();
    for count in [1, 40, 300, 700, 3] {
        running.append(&bed, count).await;
        sleep(COPIED).await;
        running.settled(0).await;
        let now = bed.files();
        for (name, bytes) in &before {
            let is_part_of_whole = name.contains(".p/") && now.contains_key(name.split(".p/").next().unwrap());
            assert!(name == "checkpoint" || is_part_of_whole || now.get(name) == Some(bytes), "{name}");
        }
        before = now;
    }
    running.stop().await;
    let report = bed.verify().await;
    assert_eq!(report.faults, Vec::<String>::new());
    // The last checkpoint too, which the log's end has made.
    let (ledger, _sequencer) = bed.ledger().await;
    assert_eq!(report.signed, ledger.size());
    let files = bed.files();
    assert!(files.contains_key("tile/entries/003") && files.contains_key("tile/1/000.p/4"));
    assert!(!files.contains_key("tail"), "nothing but the layout");
    assert!(!files.keys().any(|name| name.contains("000.p/") && !name.starts_with("tile/1")), "{:?}", files.keys());
}

#[tokio::test(start_paused = true)]
async fn a_place_that_was_away_catches_up_and_the_log_says_both_once() {
    let bed = Bed::new();
    fs::remove_dir(bed.copy()).unwrap();
    let running = bed.start().await;
    for _ in 0..3 {
        running.append(&bed, 200).await;
        sleep(COPIED * 10).await;
    }
    assert!(!bed.copy().exists(), "it is never made: the disk may not be mounted");
    assert_eq!(running.copied().await, [("failure".to_owned(), "\"not reached\"".to_owned())]);
    fs::create_dir(bed.copy()).unwrap();
    let failures = running.progress.read()["folder"].failures;
    sleep(LONGEST_PAUSE).await;
    running.settled(failures).await;
    sleep(COPIED).await;
    let said = [("failure".to_owned(), "\"not reached\"".to_owned()), ("success".to_owned(), String::new())];
    assert_eq!(running.copied().await, said);
    running.stop().await;
    assert_eq!(bed.verify().await.faults, Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_file_that_is_there_and_is_another_stays_as_it_is() {
    let bed = Bed::new();
    fs::create_dir_all(bed.copy().join("tile/entries")).unwrap();
    fs::write(bed.copy().join("tile/entries/000"), "another").unwrap();
    let running = bed.start().await;
    running.append(&bed, 300).await;
    sleep(COPIED * 10).await;
    assert_eq!(running.copied().await, [("failure".to_owned(), "\"another file is there\"".to_owned())]);
    assert!(!bed.copy().join("checkpoint").exists(), "it would say that all before it is there");
    running.stop().await;
    assert_eq!(fs::read(bed.copy().join("tile/entries/000")).unwrap(), b"another");
}

#[tokio::test(start_paused = true)]
async fn a_log_older_than_its_copy_does_not_start() {
    let mut bed = Bed::new();
    let running = bed.start().await;
    running.append(&bed, 5).await;
    running.stop().await;
    let older = bed.disk.copy();
    let running = bed.start().await;
    running.append(&bed, 300).await;
    sleep(COPIED).await;
    running.settled(0).await;
    running.stop().await;
    let newer = std::mem::replace(&mut bed.disk, older);
    let said = bed.refusal().await;
    assert!(said.contains("restored from an older copy") && said.contains("store succeed"), "{said}");
    // Grown past it, with other entries.
    let (ledger, sequencer) = bed.ledger().await;
    let (stop, stopping) = oneshot::channel();
    let sequencer = Drain::new().spawn(sequencer.run(stopping));
    ledger.append((0..700).map(|_| bed.fact()).collect()).await.unwrap();
    let _ = stop.send(true);
    sequencer.await.unwrap().unwrap();
    drop(ledger);
    let said = bed.refusal().await;
    assert!(said.contains("two histories"), "{said}");
    bed.disk = newer;
    bed.start().await.stop().await;
}

#[tokio::test(start_paused = true)]
async fn another_logs_copy_is_neither_judged_nor_touched() {
    let mut bed = Bed::new();
    let running = bed.start().await;
    running.append(&bed, 5).await;
    sleep(COPIED).await;
    running.settled(0).await;
    running.stop().await;
    let before = bed.files();
    (bed.disk, bed.signer) = (Memory::new(), Signer::in_memory().unwrap());
    let said = bed.refusal().await;
    assert!(said.contains("of another log") && said.contains("empty"), "{said}");
    assert_eq!(bed.files(), before);
}

#[tokio::test(start_paused = true)]
async fn a_copy_that_went_back_itself_catches_up() {
    let bed = Bed::new();
    let running = bed.start().await;
    running.append(&bed, 5).await;
    sleep(COPIED).await;
    running.settled(0).await;
    let old = fs::read(bed.copy().join("checkpoint")).unwrap();
    running.append(&bed, 600).await;
    sleep(COPIED).await;
    running.settled(0).await;
    fs::remove_dir_all(bed.copy().join("tile")).unwrap();
    fs::remove_file(bed.copy().join("checkpoint")).unwrap();
    running.append(&bed, 1).await;
    sleep(COPIED).await;
    running.settled(0).await;
    fs::write(bed.copy().join("checkpoint"), old).unwrap();
    running.append(&bed, 1).await;
    running.stop().await;
    assert_eq!(bed.verify().await.faults, Vec::<String>::new());
}

#[test]
fn a_place_within_the_state_folder_or_around_it_is_none() {
    for (folder, is_refused) in [("/s/log/copy", true), ("/s", true), ("/", true), ("/mnt/copy", false), ("/s2", false)]
    {
        assert_eq!(fault(Path::new(folder), Path::new("/s")).is_some(), is_refused, "{folder}");
    }
}
