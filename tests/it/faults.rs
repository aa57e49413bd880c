//! Targets that are not what they should be, disks that fail, and bastions that end.

use std::time::Duration;

use sallyport::clock::Clock;
use sallyport::demo::issuer::Person;
use sallyport::store::memory::Fault;

use crate::support::evidence::Replay;
use crate::support::{Setup, World, shown, until};

#[tokio::test(flavor = "multi_thread")]
async fn a_target_with_another_host_key_gets_nothing() {
    let other = sallyport::client::keys::new_key("other").unwrap().public_key().to_openssh().unwrap();
    let world = Setup { host_key: Some(other), ..Setup::new() }.start().await;
    let bob = world.person(Person::Bob).await;
    let output = bob.run("deploy+web1", "echo no").await;
    let line =
        "sallyport: web1 shows another host key than the configured one; nothing was sent to it, tell the operator\n";
    assert_eq!(shown(&output), (Some(255), String::new(), line.into()));
    let session = world.ended(1).await[0].session;
    assert!(world.web.attempts().is_empty());
    let left = world.stop().await;
    assert!(!left.log.kinds(session).contains(&"cert.issued"), "no certificate was made for it");
    let end = left.log.one(session, "session.end");
    assert_eq!((end.body().text("reason"), end.body().text("detail")), (Some("unreachable"), Some("host key")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_is_down_is_said_so() {
    let world = World::start().await;
    let bob = world.person(Person::Bob).await;
    world.web_wire.down();
    until("a closed port", async || {
        tokio::net::TcpStream::connect(world.web_wire.address()).await.is_err().then_some(())
    })
    .await;
    let output = bob.run("deploy+web1", "echo no").await;
    let line = "sallyport: web1 cannot be reached; the operator's log says why\n";
    assert_eq!(shown(&output), (Some(255), String::new(), line.into()));
    let session = world.ended(1).await[0].session;
    let replay = world.replay().await;
    assert_eq!(replay.markers, [line.trim_start_matches("sallyport: ").trim_end(), "unreachable: connect"]);
    let left = world.stop().await;
    let end = left.log.one(session, "session.end");
    assert_eq!((end.body().text("reason"), end.body().text("detail")), (Some("unreachable"), Some("connect")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_refuses_the_sign_in_is_said_so() {
    let other = sallyport::client::keys::new_key("another bastion").unwrap().public_key().clone();
    let world = Setup { web_believes: Some(other), ..Setup::new() }.start().await;
    let bob = world.person(Person::Bob).await;
    let output = bob.run("deploy+web1", "echo no").await;
    let line = "sallyport: web1 refused the sign-in; 'trust' prints what it must be told\n";
    assert_eq!(shown(&output), (Some(255), String::new(), line.into()));
    let attempts = world.web.attempts();
    assert!(attempts.len() == 1 && attempts[0].outcome.is_err() && world.web.runs().is_empty());
    let session = world.ended(1).await[0].session;
    let left = world.stop().await;
    assert_eq!(left.log.one(session, "session.end").body().text("detail"), Some("sign-in refused"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_refused_twice_is_left_alone_for_a_minute() {
    let other = sallyport::client::keys::new_key("another bastion").unwrap().public_key().clone();
    let clock = Clock::manual(Clock::system().now());
    let world = Setup { web_believes: Some(other), clock: clock.clone(), ..Setup::new() }.start().await;
    let (alice, bob) = (world.person(Person::Alice).await, world.person(Person::Bob).await);
    let refused = "sallyport: web1 refused the sign-in; 'trust' prints what it must be told\n";
    for _ in 0..2 {
        assert_eq!(shown(&bob.run("deploy+web1", "echo no").await).2, refused);
    }
    let rests = shown(&alice.run("deploy+web1", "echo no").await);
    assert_eq!(rests.0, Some(255));
    assert!(
        rests.2.contains("refused the last sign-ins as this account, so it is left alone for 60 s more"),
        "{}",
        rests.2
    );
    assert_eq!(world.web.attempts().len(), 2, "whoever it is that asks");
    // Another account of it, and after the minute one more try.
    assert_eq!(shown(&alice.run("root+web1", "echo no").await).2, refused);
    // Not a second more: the library at the target reads the true clock, and a certificate begins a minute before ours.
    clock.advance(std::time::Duration::from_secs(60));
    assert_eq!(shown(&bob.run("deploy+web1", "echo no").await).2, refused);
    assert!(shown(&bob.run("deploy+web1", "echo no").await).2.contains("left alone"));
    assert_eq!(world.web.attempts().len(), 4);
    let sessions = world.ended(6).await;
    let left = world.stop().await;
    let details: Vec<_> =
        sessions.iter().map(|one| left.log.one(one.session, "session.end").body().text("detail")).collect();
    assert_eq!(details.iter().filter(|detail| **detail == Some("left alone")).count(), 2, "{details:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_whose_recording_fails_is_cut_and_the_next_start_seals_it() {
    let world = World::start().await;
    let keys = world.keys.clone();
    let bob = world.person(Person::Bob).await;
    let library = bob.bare("deploy+web1").await;
    let mut talk = library.exec("echo before; cat").await;
    talk.until(|got| got.out == "before\n").await;
    world.memory.faults().writes(Fault::Broken);
    talk.write.data_bytes(&b"after\n"[..]).await.unwrap();
    let got = talk.ends().await;
    assert_eq!((got.status, got.signal), (None, None));
    assert_eq!(got.err, "sallyport: the session was cut: its recording could not go on; tell the operator\n");
    world.web.idle().await;
    drop(library);
    // The ledger could not be told: it takes nothing any more, and no session begins.
    tokio::time::timeout(Duration::from_secs(20), world.bastion.failed()).await.expect("the ledger ends");
    assert_eq!(bob.run("deploy+web1", "echo more").await.stdout, b"");
    assert_eq!(world.web.runs().len(), 1);
    let disk = world.memory.copy();
    drop(world);

    let world = Setup::over(disk, &keys).start().await;
    let log = world.log().await;
    let [session] = log.sessions()[..] else { panic!("one session") };
    let kinds = log.kinds(session);
    assert_eq!(kinds[kinds.len() - 2..], ["recording.recovered", "session.end"]);
    assert_eq!(log.one(session, "session.end").body().text("reason"), Some("crash"));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_dead_ledger_nothing_begins() {
    let world = World::start().await;
    let bob = world.person(Person::Bob).await;
    world.memory.faults().writes(Fault::Full);
    for _ in 0..2 {
        let (code, out, _) = shown(&bob.run("deploy+web1", "echo no").await);
        assert_eq!((code, out.as_str()), (Some(255), ""));
    }
    assert!(world.web.attempts().is_empty());
    assert!(world.web.runs().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_signed_in_when_the_ledger_dies_is_told() {
    let world = World::start().await;
    let bob = world.person(Person::Bob).await;
    let library = bob.bare("deploy+web1").await;
    assert_eq!(library.run("exit 3").await.status, Some(3));
    world.ended(1).await;
    world.memory.faults().writes(Fault::Broken);
    let got = library.run("echo no").await;
    assert_eq!((got.out.as_str(), got.status), ("", None));
    assert_eq!(
        got.err,
        "sallyport: sessions cannot be recorded at the moment (ledger), so none begins; tell the operator\n"
    );
    assert_eq!(world.web.runs().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bastion_that_stops_seals_what_runs_and_says_why() {
    let world = Setup { config: "[limits]\ndrain = \"0s\"\n", ..Setup::new() }.start().await;
    let bob = world.person(Person::Bob).await;
    let mut child = bob.start("deploy+web1", &[], "echo begun; exec sleep 1000");
    let mut line = [0; 6];
    tokio::io::AsyncReadExt::read_exact(child.stdout.as_mut().unwrap(), &mut line).await.unwrap();
    let blobs = world.memory.blobs();
    let left = world.stop().await;
    let output = tokio::time::timeout(Duration::from_secs(20), child.wait_with_output()).await.unwrap().unwrap();
    let (code, _, err) = shown(&output);
    assert_eq!(code, Some(255));
    let why = "sallyport: the session was cut: the bastion is stopping; connect again in a minute\n";
    assert!(err.starts_with(why), "{err}");
    let [session] = left.log.sessions()[..] else { panic!("one session") };
    let close = left.log.one(session, "recording.close");
    assert_eq!(left.log.one(session, "session.end").body().text("reason"), Some("bastion stopped"));
    assert_eq!(left.log.of("log.stop").len(), 1);
    let reader = sallyport::recording::Reader::open(blobs, crate::support::evidence::recording(close));
    let replay = Replay::of(reader.expecting(crate::support::evidence::extent(close))).await;
    assert_eq!((replay.out(), replay.markers.last().map(String::as_str)), ("begun\n".into(), Some("bastion stopped")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bastion_that_stops_lets_a_session_finish() {
    let world = World::start().await;
    let bob = world.person(Person::Bob).await;
    let library = bob.bare("deploy+web1").await;
    let mut talk = library.exec("echo here; cat; exit 4").await;
    talk.until(|got| got.out == "here\n").await;
    let address = world.bastion.ssh;
    let stopping = tokio::time::timeout(Duration::from_secs(60), world.stop());
    let working = async {
        until("a closed door", async || tokio::net::TcpStream::connect(address).await.is_err().then_some(())).await;
        assert!(library.try_open().await.is_err(), "nothing new");
        talk.write.data_bytes(&b"done\n"[..]).await.unwrap();
        talk.write.eof().await.unwrap();
        let got = talk.ends().await;
        drop(library);
        got
    };
    let (left, got) = tokio::join!(stopping, working);
    let told = "sallyport: the bastion is stopping: this session is cut in 30 s; come to an end\n";
    assert_eq!((got.out.as_str(), got.err.as_str(), got.status), ("here\ndone\n", told, Some(4)));
    let left = left.expect("an end");
    assert_eq!(left.log.of("log.stop")[0].body().flag("drained"), Some(true));
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_crash_the_recording_is_sealed_with_all_that_was_stored() {
    let world = World::start().await;
    let alice = world.person(Person::Alice).await;
    let library = alice.bare("deploy+db1").await;
    let mut talk = library.exec("echo stored; cat").await;
    talk.until(|got| got.out == "stored\n").await;
    // What a disk holds at the moment of a power cut.
    let disk = world.memory.copy();
    let again = Setup::over(disk, &world.keys).start().await;
    let log = again.log().await;
    let [session] = log.sessions()[..] else { panic!("one session") };
    let recovered = log.one(session, "recording.recovered");
    let reader = again
        .bastion
        .sessions()
        .recordings()
        .reader(crate::support::evidence::recording(log.one(session, "recording.open")));
    let replay = Replay::of(reader.expecting(crate::support::evidence::extent(recovered))).await;
    assert_eq!(replay.out(), "stored\n", "what was shown of a durable target is there");
    let summary = again.ended(1).await.remove(0);
    assert_eq!((summary.session, summary.ended.unwrap().end.as_str()), (session, "crash"));
    let carol = again.person(Person::Carol).await;
    let played = carol.run("console", &format!("play {session}")).await;
    assert_eq!(shown(&played).1, "stored\n");
    again.stop().await;
    drop((talk, library));
    world.stop().await;
}

/// One session over a disk that meets `fault` at its `step`th durable step and is then gone; afterwards another bastion over
/// what is left of it. Whether the disk got so far.
async fn crash_at(step: u64, fault: Fault) -> bool {
    let world = World::start().await;
    let alice = world.person(Person::Alice).await;
    let faults = world.memory.faults();
    let before = faults.steps();
    faults.crash_at(step, fault);
    let output = alice.run("deploy+web1", "echo shown").await;
    if output.status.code() == Some(0) {
        // Shown to its end: what is written of it is written beside us.
        until("the seal", async || {
            let over = world.bastion.sessions().open_count() == 0 || faults.steps() >= before + step;
            over.then_some(())
        })
        .await;
    }
    let reached = faults.steps() >= before + step;
    let (ran, attempts) = (world.web.runs(), world.web.attempts());
    let disk = world.memory.copy();
    let keys = world.keys.clone();
    drop(world);

    let again = Setup::over(disk, &keys).start().await;
    let log = again.log().await;
    let case = format!("step {step}, {fault:?}, {:?}", shown(&output));
    // Whatever had an effect is in the log, and before it in order.
    for attempt in &attempts {
        let serial = attempt.serial.to_string();
        let issued = log.of("cert.issued").into_iter().find(|one| one.body().text("serial") == Some(&serial));
        let session = issued.unwrap_or_else(|| panic!("{case}: no record of a sign-in")).session().unwrap();
        assert!(log.one(session, "authz.decision").seq() < issued.unwrap().seq(), "{case}");
    }
    assert!(ran.is_empty() || log.sessions().len() == 1, "{case}");
    for session in log.sessions() {
        let kinds = log.kinds(session);
        assert_eq!(kinds.iter().filter(|kind| **kind == "session.end").count(), 1, "{case}: {kinds:?}");
        let kept = log.0.iter().filter(|one| one.session() == Some(session));
        let kept =
            kept.filter(|one| matches!(one.kind(), "recording.close" | "recording.recovered" | "recording.failed"));
        let extent = crate::support::evidence::extent(kept.last().unwrap());
        let recording = crate::support::evidence::recording(log.one(session, "recording.open"));
        let reader = again.bastion.sessions().recordings().reader(recording).expecting(extent);
        if extent.frames > 0 {
            let replay = Replay::of(reader).await;
            assert!(replay.out.starts_with(&output.stdout), "{case}: shown and not kept");
        } else {
            assert_eq!(output.stdout, b"", "{case}: shown and not kept");
        }
    }
    again.stop().await;
    reached
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_at_any_durable_step_loses_nothing_that_had_an_effect() {
    for fault in [Fault::Lost, Fault::KeptButReportedLost, Fault::Torn] {
        let mut step = 1;
        while crash_at(step, fault).await {
            step += 1;
            assert!(step < 60, "it never ends");
        }
        assert!(step > 6, "a session has more durable steps than {step}");
    }
}
