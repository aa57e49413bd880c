//! Commands without a terminal: streams, exit codes, signals, input, environment, and what is not carried.

use russh::Sig;
use sallyport::demo::issuer::Person;
use sallyport::domain::Digest;
use sallyport::domain::session::Command;

use crate::support::{Setup, World, shown};

#[tokio::test(flavor = "multi_thread")]
async fn both_streams_and_the_exit_code_come_back() {
    let world = World::start().await;
    let alice = world.person(Person::Alice).await;
    let output = alice.run("deploy+web1", "echo out; echo err >&2; exit 7").await;
    assert_eq!(shown(&output), (Some(7), "out\n".into(), "err\n".into()));
    let replay = world.replay().await;
    assert_eq!((replay.out.as_slice(), replay.err.as_slice()), (b"out\n".as_slice(), b"err\n".as_slice()));
    assert_eq!(replay.markers, ["exit 7"]);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_without_login_means_the_targets_default_and_an_alias_the_target() {
    let world = World::start().await;
    let bob = world.person(Person::Bob).await;
    for user in ["+web1", "deploy+web1.internal", "deploy web1"] {
        let output = bob.run(user, "echo $USER").await;
        assert_eq!(shown(&output), (Some(0), "deploy\n".into(), String::new()), "{user}");
    }
    assert_eq!(world.ended(3).await.iter().filter(|one| one.target == "web1").count(), 3);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_a_signal_ends_ends_ssh_as_it_would_without_a_bastion() {
    let world = World::start().await;
    let bob = world.person(Person::Bob).await;
    let output = bob.run("deploy+web1", "echo before; kill -TERM $$").await;
    assert_eq!(shown(&output), (Some(255), "before\n".into(), String::new()));
    let got = bob.bare("deploy+web1").await.run("kill -USR1 $$").await;
    assert_eq!((got.signal.as_deref(), got.status), (Some("USR1"), None));
    let ended = world.ended(2).await;
    let exit = |at: usize| ended[at].ended.as_ref().unwrap().exit.clone();
    assert_eq!((exit(0).as_deref(), exit(1).as_deref()), (Some("signal TERM"), Some("signal USR1")));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_of_the_client_reaches_the_command() {
    let world = World::start().await;
    let bob = world.person(Person::Bob).await;
    let library = bob.bare("deploy+web1").await;
    let mut talk = library.exec("trap 'echo caught; exit 3' USR1; echo ready; while :; do read line; done").await;
    talk.until(|got| got.out == "ready\n").await;
    talk.write.signal(Sig::USR1).await.unwrap();
    let got = talk.ends().await;
    assert_eq!((got.out.as_str(), got.status), ("ready\ncaught\n", Some(3)));
    drop(library);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_megabytes_of_noise_arrive_and_are_recorded_byte_for_byte() {
    let world = World::start().await;
    let bob = world.person(Person::Bob).await;
    let output = bob.run("deploy+web1", "head -c 10485760 /dev/urandom").await;
    assert_eq!((output.status.code(), output.stdout.len()), (Some(0), 10 << 20));
    let replay = world.replay().await;
    assert_eq!(Digest::of(&replay.out), Digest::of(&output.stdout));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_upload_comes_back_and_is_recorded_both_ways() {
    let world = World::start().await;
    let bob = world.person(Person::Bob).await;
    let mut noise = vec![0; 10 << 20];
    aws_lc_rs::rand::fill(&mut noise).unwrap();
    let output = bob.feed("deploy+web1", "cat", &noise).await;
    assert_eq!(output.status.code(), Some(0), "{:?}", String::from_utf8_lossy(&output.stderr));
    let replay = world.replay().await;
    let digest = Digest::of(&noise);
    assert_eq!((Digest::of(&output.stdout), output.stdout.len()), (digest, noise.len()));
    assert_eq!((Digest::of(&replay.input), Digest::of(&replay.out)), (digest, digest));
    let ended = world.ended(1).await.remove(0).ended.unwrap();
    assert_eq!((ended.bytes_in, ended.bytes_out), (10 << 20, 10 << 20));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_input_is_passed_on_and_output_goes_on_after_it() {
    let world = World::start().await;
    let bob = world.person(Person::Bob).await;
    let output = bob.feed("deploy+web1", "wc -c; echo after; exit 5", b"12345").await;
    assert_eq!(shown(&output), (Some(5), "5\nafter\n".into(), String::new()));
    assert_eq!(world.replay().await.markers, ["exit 5"]);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_ignores_its_input_ends_when_it_is_done() {
    let world = World::start().await;
    let bob = world.person(Person::Bob).await;
    let output = bob.feed("deploy+web1", "echo done; exit 4", &vec![b'x'; 8 << 20]).await;
    assert_eq!(shown(&output), (Some(4), "done\n".into(), String::new()));
    // And with its output closed, before its input is: what it says then is the exit code alone.
    let output = bob.feed("deploy+web1", "exec >&- 2>&-; wc -c", b"x").await;
    assert_eq!(output.stdout, b"");
    assert_ne!(output.status.code(), Some(0));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_exit_code_comes_back_whether_or_not_input_has_ended() {
    let world = World::start().await;
    let bob = world.person(Person::Bob).await;
    let master = bob.master("deploy+web1").await;
    for code in [0, 1, 2, 100, 126, 127, 254, 255] {
        assert_eq!(master.run(&format!("exit {code}")).await.status.code(), Some(code));
    }
    let ended = world.ended(8).await;
    assert!(ended.iter().all(|one| one.ended.as_ref().unwrap().end == "finished"), "{ended:?}");
    drop(master);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_exact_bytes_of_a_command_run_and_are_kept() {
    let world = World::start().await;
    let bob = world.person(Person::Bob).await;
    let command = b"printf '%s' '\xff\xfe \"$HOME\" \\ \xc3\xa4' | od -An -tx1; true #\x1b[31m".to_vec();
    let library = bob.bare("deploy+web1").await;
    let got = library.run(command.clone()).await;
    assert_eq!((got.out.trim(), got.status), ("ff fe 20 22 24 48 4f 4d 45 22 20 5c 20 c3 a4", Some(0)));
    assert_eq!(world.web.runs()[0].asked.as_deref(), Some(command.as_slice()));
    let session = world.ended(1).await[0].session;
    let log = world.log().await;
    let exec = log.one(session, "channel.exec");
    let (hash, length) = exec.body().payload("command").unwrap();
    assert_eq!(length, command.len() as u64);
    let kept = world.bastion.sessions().ledger().payload(&hash).await.unwrap().unwrap();
    assert_eq!(kept, command);
    drop(library);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_with_a_nul_or_over_the_limit_is_refused_and_not_cut() {
    let world = World::start().await;
    let bob = world.person(Person::Bob).await;
    let library = bob.bare("deploy+web1").await;
    let got = library.run("echo one\0; echo two").await;
    assert_eq!((got.err.as_str(), got.status), ("sallyport: the command has a NUL byte\n", Some(126)));
    let got = library.run(format!("true {}", "x".repeat(Command::LIMIT_BYTES))).await;
    assert!(got.err.contains("longer than 32 KiB"), "{got:?}");
    assert_eq!(got.status, Some(126));
    assert!(world.web.runs().is_empty());
    drop(library);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_listed_variables_reach_the_target_and_the_recording_names_the_others() {
    let world = World::start().await;
    let bob = world.person(Person::Bob).await;
    let set = "SetEnv=LANG=C.UTF-8 LC_TIME=C EDITOR=vi LD_PRELOAD=/tmp/evil.so SALLYPORT_REASON=because";
    let output = bob.with("deploy+web1", &["-o", set], &["env"]).await;
    let (code, out, err) = shown(&output);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    for line in ["LANG=C.UTF-8", "LC_TIME=C", "EDITOR=vi"] {
        assert!(out.lines().any(|one| one == line), "{line} in {out}");
    }
    // The target would have taken both.
    assert!(!out.contains("evil") && !out.contains("SALLYPORT"), "{out}");
    let replay = world.replay().await;
    assert_eq!(replay.markers, ["env dropped LD_PRELOAD", "exit 0"]);
    let log = world.log().await;
    assert_eq!(log.of("session.start")[0].body().texts("env_dropped").unwrap(), ["LD_PRELOAD"]);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_sessions_share_a_connection() {
    let world = World::start().await;
    let bob = world.person(Person::Bob).await;
    let master = bob.master("deploy+web1").await;
    let runs = (0..20).map(|n: i32| {
        let master = &master;
        async move { (n, master.feed(&format!("cat; echo {n}; exit {n}"), format!("in {n}\n").as_bytes()).await) }
    });
    for (n, output) in futures_util::future::join_all(runs).await {
        assert_eq!(shown(&output), (Some(n), format!("in {n}\n{n}\n"), String::new()));
    }
    let ended = world.ended(20).await;
    assert_eq!(ended.len(), 20);
    let log = world.log().await;
    let connections: std::collections::BTreeSet<_> =
        log.of("session.start").iter().map(|start| start.body().text("connection").unwrap().to_owned()).collect();
    assert_eq!((connections.len(), log.of("authn.ssh").len()), (1, 1));
    for session in &ended {
        let replay = world.replay_of(session.session).await;
        assert!(replay.input.starts_with(b"in ") && replay.out.starts_with(&replay.input), "{:?}", replay.out());
    }
    drop(master);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn channels_of_a_connection_are_counted_while_they_live_only() {
    let world = Setup { config: "[limits]\nchannels_per_connection = 2\n", ..Setup::new() }.start().await;
    let bob = world.person(Person::Bob).await;
    let library = bob.bare("deploy+web1").await;
    for _ in 0..5 {
        let talk = crate::support::until("a free place", async || library.try_open().await.ok()).await;
        talk.write.exec(true, "exit 3").await.unwrap();
        talk.write.eof().await.unwrap();
        assert_eq!(talk.ends().await.status, Some(3));
    }
    let one = crate::support::until("a free place", async || library.try_open().await.ok()).await;
    let two = crate::support::until("a free place", async || library.try_open().await.ok()).await;
    assert!(library.try_open().await.is_err(), "a third one");
    drop((one, two, library));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_targets_own_log_names_the_human_and_the_session() {
    let world = World::start().await;
    let bob = world.person(Person::Bob).await;
    assert_eq!(bob.run("deploy+web1", "true").await.status.code(), Some(0));
    let session = world.ended(1).await[0].session;
    let attempts = world.web.attempts();
    assert_eq!(attempts.len(), 1);
    assert_eq!(
        (attempts[0].login.as_str(), attempts[0].key_id.as_str()),
        ("deploy", format!("sp1:{session}:bob%40corp.example").as_str())
    );
    let log = world.log().await;
    let issued = log.one(session, "cert.issued");
    assert_eq!(issued.body().text("serial").unwrap(), attempts[0].serial.to_string());
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_went_away_before_the_first_command_is_dialled_again() {
    let world = World::start().await;
    let bob = world.person(Person::Bob).await;
    // The bastion may or may not have noticed by then.
    for _ in 0..8 {
        let library = bob.bare("deploy+web1").await;
        crate::support::until("a connection to the target", async || (world.web_wire.open() == 1).then_some(())).await;
        world.web_wire.cut();
        crate::support::until("its end", async || (world.web_wire.open() == 0).then_some(())).await;
        let got = library.run("echo here").await;
        assert_eq!((got.out.as_str(), got.err.as_str(), got.status), ("here\n", "", Some(0)));
        drop(library);
        crate::support::until("the end of the next one", async || (world.web_wire.open() == 0).then_some(())).await;
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_has_too_many_at_its_door_is_dialled_again() {
    let world = World::start().await;
    let bob = world.person(Person::Bob).await;
    // The one ahead, and two of the session's own.
    world.web_wire.turn_away(3);
    let got = bob.bare("deploy+web1").await.run("echo here").await;
    assert_eq!((got.out.as_str(), got.err.as_str(), got.status), ("here\n", "", Some(0)));
    assert_eq!(world.web_wire.dialled(), 4);
    world.web_wire.turn_away(usize::MAX);
    let got = bob.bare("deploy+web1").await.run("echo here").await;
    let said = "sallyport: web1 hung up at once, several times; many may be signing in there: try again in a moment\n";
    assert_eq!((got.out.as_str(), got.err.as_str()), ("", said));
    assert_eq!(world.web_wire.dialled(), 9);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_goes_away_ends_the_session_without_a_status() {
    let world = World::start().await;
    let bob = world.person(Person::Bob).await;
    let library = bob.bare("deploy+web1").await;
    let mut talk = library.exec("echo here; cat").await;
    talk.until(|got| got.out == "here\n").await;
    world.web_wire.cut();
    let got = talk.ends().await;
    assert_eq!((got.err.as_str(), got.status, got.signal), ("sallyport: web1 closed the connection\n", None, None));
    assert_eq!(world.ended(1).await[0].ended.as_ref().unwrap().end, "target closed");
    drop(library);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_goes_away_ends_what_it_runs() {
    let world = World::start().await;
    let bob = world.person(Person::Bob).await;
    let library = bob.bare("deploy+web1").await;
    let mut talk = library.exec("echo here; exec sleep 1000").await;
    talk.until(|got| got.out == "here\n").await;
    library.0.disconnect(russh::Disconnect::ByApplication, "", "").await.unwrap();
    assert_eq!(world.ended(1).await[0].ended.as_ref().unwrap().end, "client closed");
    world.web.idle().await;
    world.stop().await;
}
