//! Limits: who meets one is told, and nobody else is.

use std::time::Duration;

use sallyport::demo::issuer::Person;
use sallyport::session::limits::Limit;
use tokio::io::AsyncWriteExt;
use tokio::process::Child;
use tokio::time::timeout;

use crate::support::{Setup, World, shown, until};

const GIB: u64 = 1024 * 1024 * 1024;

/// Writes until nobody takes it any more.
async fn pour(child: &mut Child) {
    let mut stdin = child.stdin.take().unwrap();
    let zeros = vec![0; 64 * 1024];
    let pouring = async { while stdin.write_all(&zeros).await.is_ok() {} };
    timeout(Duration::from_secs(30), pouring).await.expect("it is cut");
}

impl World {
    fn met(&self, limit: Limit) -> (u64, u64) {
        self.bastion.sessions().limits().met.count(limit)
    }

    async fn room(&self, free: u64, room: &str) {
        self.memory.faults().space(free, 20 * GIB);
        let space = &self.bastion.sessions().limits().space;
        until("a look at the disk", async || (space.now().room.as_str() == room).then_some(())).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_fills_refuses_the_new_then_cuts_the_running_and_the_console_goes_on() {
    let world = World::start().await;
    let bob = world.person(Person::Bob).await;
    let library = bob.bare("deploy+web1").await;
    let mut running = library.exec("echo on; cat").await;
    running.until(|got| got.out == "on\n").await;

    world.room(GIB - 1, "low").await;
    let line = "sallyport: the bastion's disk is nearly full, so no session begins; tell the operator\n";
    assert_eq!(shown(&bob.run("deploy+web1", "true").await), (Some(255), String::new(), line.into()));
    running.write.data_bytes(&b"still\n"[..]).await.unwrap();
    running.until(|got| got.out == "on\nstill\n").await;

    world.room(GIB / 4 - 1, "last").await;
    let got = running.ends().await;
    assert_eq!(got.err, "sallyport: the session was cut: the bastion's disk is nearly full; tell the operator\n");
    assert_eq!((got.status, got.signal), (None, None));
    let listed = bob.run("console", "sessions list").await;
    assert_eq!(listed.status.code(), Some(0), "{}", String::from_utf8_lossy(&listed.stderr));

    world.room(2 * GIB, "ample").await;
    assert_eq!(bob.run("deploy+web1", "true").await.status.code(), Some(0));
    assert_eq!(world.met(Limit::Disk), (1, 1));
    drop(library);
    let cut = world.ended(2).await[0].session;
    let left = world.stop().await;
    let end = left.log.one(cut, "session.end");
    assert_eq!((end.body().text("reason"), end.body().text("detail")), (Some("limit"), Some("disk")));
    let rooms = left.log.of("space.changed");
    let rooms: Vec<_> = rooms.iter().map(|entry| entry.body().text("room").unwrap()).collect();
    assert_eq!(rooms, ["low", "last", "ample"]);
    // The refusal has no record of its own: a full disk is not to be filled with them.
    assert_eq!(left.log.of("limits.refused")[0].body().part("counts").unwrap().number("disk"), Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bastion_that_starts_on_a_full_disk_has_a_console_and_no_sessions() {
    let setup = Setup::new();
    setup.memory.faults().space(1, 20 * GIB);
    let world = setup.start().await;
    let bob = world.person(Person::Bob).await;
    assert_eq!(bob.run("deploy+web1", "true").await.status.code(), Some(255));
    assert_eq!(bob.run("console", "whoami").await.status.code(), Some(0));
    assert!(world.web.runs().is_empty());
    assert_eq!(world.stop().await.log.of("space.changed")[0].body().text("room"), Some("gone"));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_person_who_records_without_end_is_cut_and_the_others_go_on() {
    let config = "[limits]\nrecorded_per_person = \"2 MiB\"\n";
    let setup = Setup { config, ..Setup::new() };
    let (memory, keys) = (setup.memory.clone(), setup.keys.clone());
    let world = setup.start().await;
    let (alice, bob) = (world.person(Person::Alice).await, world.person(Person::Bob).await);
    let output = bob.run("deploy+web1", "cat /dev/urandom").await;
    let line = "sallyport: the session was cut: your sessions of the last 24 hours have recorded as much as one person may; \
                ask the operator\n";
    assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stderr).as_ref()), (Some(255), line));
    assert!(output.stdout.len() > 1 << 20, "{} bytes until then", output.stdout.len());
    let line = "sallyport: your sessions of the last 24 hours have recorded as much as one person may; \
                try again later, or ask the operator\n";
    assert_eq!(shown(&bob.run("deploy+web1", "true").await), (Some(255), String::new(), line.into()));
    assert_eq!(bob.run("console", "whoami").await.status.code(), Some(0));
    assert_eq!(shown(&alice.run("deploy+web1", "echo on").await), (Some(0), "on\n".into(), String::new()));
    assert_eq!(world.met(Limit::RecordedByPerson), (1, 1));
    world.ended(2).await;
    world.stop().await;

    // A start gives nobody a new quota.
    let world = Setup { config, ..Setup::over(memory, &keys) }.start().await;
    let bob = world.person(Person::Bob).await;
    assert_eq!(bob.run("deploy+web1", "true").await.status.code(), Some(255));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_at_its_size_limit_ends_its_session_with_a_clear_line() {
    let setup = Setup { config: "[recording]\nmax_recording = \"1 MiB\"\n", ..Setup::new() };
    let world = setup.start().await;
    let bob = world.person(Person::Bob).await;
    let output = bob.run("deploy+web1", "cat /dev/urandom").await;
    let line = "sallyport: the session was cut: its recording is as long as one may be; go on in a new session\n";
    assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stderr).as_ref()), (Some(255), line));
    assert_eq!(bob.run("deploy+web1", "true").await.status.code(), Some(0));
    assert_eq!(world.met(Limit::Recording), (0, 1));
    let session = world.ended(2).await[0].session;
    let left = world.stop().await;
    assert_eq!(left.log.one(session, "recording.failed").body().text("reason"), Some("quota"));
    assert_eq!(left.log.one(session, "session.end").body().text("detail"), Some("max_recording"));
}

#[tokio::test(flavor = "multi_thread")]
async fn over_the_memory_budget_the_channel_that_holds_the_most_is_cut_and_the_others_go_on() {
    // One upload that is not read holds about as much as its window.
    let world = Setup { config: "[limits]\nmemory = \"1 MiB\"\n", ..Setup::new() }.start().await;
    let (alice, bob) = (world.person(Person::Alice).await, world.person(Person::Bob).await);
    let library = alice.bare("deploy+web1").await;
    let mut small = library.exec("cat").await;
    let mut large = bob.start("deploy+web1", &[], "exec sleep 1000");
    pour(&mut large).await;
    let output = large.wait_with_output().await.unwrap();
    let line = "sallyport: the session was cut: the bastion was short of memory and this session held the most; connect again\n";
    assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stderr).as_ref()), (Some(255), line));
    small.write.data_bytes(&b"on\n"[..]).await.unwrap();
    small.until(|got| got.out == "on\n").await;
    assert_eq!(world.met(Limit::Memory), (0, 1));
    drop((small, library));
    world.ended(2).await;
    let budget = world.bastion.sessions().limits().budget.clone();
    world.stop().await;
    assert_eq!(budget.used_bytes(), 0, "everything was given back");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_that_holds_too_much_is_cut_and_its_connection_goes_on() {
    let world = Setup { config: "[limits]\nmemory_per_channel = \"1 MiB\"\n", ..Setup::new() }.start().await;
    let bob = world.person(Person::Bob).await;
    let master = bob.master("deploy+web1").await;
    let mut child = master.start("exec sleep 1000");
    pour(&mut child).await;
    let output = child.wait_with_output().await.unwrap();
    let line = "sallyport: the session was cut: the target does not read what is sent to it\n";
    assert_eq!(String::from_utf8_lossy(&output.stderr), line);
    assert_eq!(master.run("exit 7").await.status.code(), Some(7));
    assert_eq!(world.met(Limit::Backlog), (0, 1));
    drop(master);
    world.ended(2).await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_the_memory_budget_used_up_no_channel_opens_but_the_consoles() {
    let world = World::start().await;
    let bob = world.person(Person::Bob).await;
    let budget = &world.bastion.sessions().limits().budget;
    let hog = budget.open().unwrap();
    hog.change(512 << 20);
    let (code, out, err) = shown(&bob.run("deploy+web1", "true").await);
    assert_eq!((code, out.as_str()), (Some(255), ""));
    assert!(err.contains("sallyport: the bastion is short of memory; try again in a minute"), "{err}");
    assert_eq!(bob.run("console", "whoami").await.status.code(), Some(0));
    drop(hog);
    assert_eq!(bob.run("deploy+web1", "true").await.status.code(), Some(0));
    assert_eq!(world.met(Limit::Memory), (1, 0));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_persons_connections_are_bounded_and_the_next_one_is_told() {
    let world = Setup { config: "[limits]\nconnections_per_person = 2\n", ..Setup::new() }.start().await;
    let (alice, bob) = (world.person(Person::Alice).await, world.person(Person::Bob).await);
    let (one, two) = (bob.bare("console").await, bob.bare("console").await);
    let (code, out, err) = shown(&bob.run("deploy+web1", "true").await);
    assert_eq!((code, out.as_str()), (Some(255), ""));
    assert!(err.contains("sallyport: 2 connections are open in your name, and more are not taken: end one"), "{err}");
    assert_eq!(alice.run("deploy+web1", "true").await.status.code(), Some(0));
    drop(one);
    until("a place", async || (bob.run("deploy+web1", "true").await.status.code() == Some(0)).then_some(())).await;
    drop(two);
    assert_eq!(world.web.runs().len(), 2);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn channels_of_one_connection_are_bounded_and_the_next_one_is_told() {
    let world = Setup { config: "[limits]\nchannels_per_connection = 2\n", ..Setup::new() }.start().await;
    let bob = world.person(Person::Bob).await;
    let library = bob.bare("deploy+web1").await;
    let (one, two) = (library.open().await, library.open().await);
    assert!(library.try_open().await.is_err());
    assert_eq!(world.met(Limit::Channels), (1, 0));
    one.write.close().await.unwrap();
    let three = until("a place", async || library.try_open().await.ok()).await;
    drop((one, two, three, library));
    world.stop().await;
}
