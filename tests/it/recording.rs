//! What recordings hold, and that nothing is shown before it is safe.

use std::time::Duration;

use sallyport::demo::issuer::Person;

use crate::support::evidence::extent;
use crate::support::{Setup, World, shown};

#[tokio::test(flavor = "multi_thread")]
async fn a_script_that_is_piped_into_bash_is_in_the_recording() {
    let world = World::start().await;
    let bob = world.person(Person::Bob).await;
    let script = b"set -e\necho \"deploying $1\"\nexit 12\n";
    let output = bob.feed("deploy+web1", "bash -s -- shop", script).await;
    assert_eq!(shown(&output), (Some(12), "deploying shop\n".into(), String::new()));
    let replay = world.replay().await;
    assert_eq!(replay.input, script);
    let about = replay.preamble.about.unwrap();
    assert_eq!((about.command.as_deref(), about.action.as_str(), about.pty), (Some("bash -s -- shop"), "exec", false));
    assert_eq!(
        (about.name.as_str(), about.target.as_str(), about.login.as_str()),
        ("bob@corp.example", "web1", "deploy")
    );
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_of_every_kind_are_kept_on_their_stream() {
    let world = World::start().await;
    let bob = world.person(Person::Bob).await;
    let command = "printf 'a\\377\\000'; printf 'e\\200' >&2; printf '\\303'; printf '\\244\\n'; printf 'z' >&2";
    let output = bob.run("deploy+web1", command).await;
    assert_eq!(
        (output.stdout.as_slice(), output.stderr.as_slice()),
        (b"a\xff\0\xc3\xa4\n".as_slice(), b"e\x80z".as_slice())
    );
    let replay = world.replay().await;
    assert_eq!((replay.out, replay.err), (output.stdout, output.stderr));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_ledger_tells_the_order_of_a_session() {
    let world = World::start().await;
    let alice = world.person(Person::Alice).await;
    assert_eq!(alice.run("deploy+db1", "echo hi; exit 3").await.status.code(), Some(3));
    let session = world.ended(1).await[0].session;
    let left = world.stop().await;
    let kinds = left.log.kinds(session);
    let begin = ["authz.decision", "session.start", "channel.exec", "recording.open"];
    assert_eq!(kinds[..4], begin);
    let rest: Vec<_> = kinds[4..].iter().filter(|kind| **kind != "recording.commit").collect();
    assert_eq!(rest, [&"cert.issued", &"upstream.open", &"recording.close", &"session.end"]);
    let decision = left.log.one(session, "authz.decision");
    assert!(left.log.one(session, "session.start").refs().contains(&decision.id()));
    let sign_in = left.log.of("authn.ssh")[0];
    assert!(sign_in.seq() < decision.seq());
    let (commit, close) = (left.log.of("recording.commit").pop().unwrap(), left.log.one(session, "recording.close"));
    assert_eq!(extent(commit), extent(close), "the last commit is over all of it");
    let end = left.log.one(session, "session.end");
    assert_eq!(
        (end.body().text("reason"), end.body().part("exit").unwrap().number("status")),
        (Some("finished"), Some(3))
    );
    assert_eq!(end.target().unwrap().text("host_key").map(|key| key.starts_with("SHA256:")), Some(true));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_must_be_durable_is_not_shown_while_the_disk_hangs() {
    let world = World::start().await;
    let alice = world.person(Person::Alice).await;
    let library = alice.bare("deploy+db1").await;
    let mut talk = library.exec("cat").await;
    talk.write.data_bytes(&b"one\n"[..]).await.unwrap();
    talk.until(|got| got.out == "one\n").await;
    world.memory.faults().stall();
    talk.write.data_bytes(&b"two\n"[..]).await.unwrap();
    assert!(!talk.hears_within(Duration::from_millis(500)).await, "{:?}", talk.got);
    world.memory.faults().mend();
    talk.until(|got| got.out == "one\ntwo\n").await;
    talk.write.eof().await.unwrap();
    assert_eq!(talk.ends().await.status, Some(0));
    drop(library);
    assert_eq!(world.replay().await.out, b"one\ntwo\n");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_over_its_quota_cuts_its_session_and_no_other() {
    let world = Setup { config: "[recording]\nmax_recording = \"1 MiB\"\n", ..Setup::new() }.start().await;
    let bob = world.person(Person::Bob).await;
    let library = bob.bare("deploy+web1").await;
    let mut other = library.exec("echo here; cat").await;
    other.until(|got| got.out == "here\n").await;
    let output = bob.run("deploy+web1", "head -c 8388608 /dev/urandom; echo not reached").await;
    let (code, _, err) = shown(&output);
    assert_eq!(code, Some(255));
    assert_eq!(err, "sallyport: the session was cut: its recording is as long as one may be; go on in a new session\n");
    other.write.eof().await.unwrap();
    assert_eq!(other.ends().await.status, Some(0));
    drop(library);
    let ended = world.ended(2).await;
    let cut = ended.iter().find(|one| one.ended.as_ref().unwrap().end == "limit").unwrap();
    world.web.idle().await;
    let left = world.stop().await;
    let failed = left.log.one(cut.session, "recording.failed");
    assert_eq!((failed.body().text("reason"), failed.code()), (Some("quota"), "SP2104E"));
    assert!(extent(failed).stored_bytes <= 1 << 20);
    let end = left.log.one(cut.session, "session.end").body();
    assert_eq!((end.text("reason"), end.text("detail")), (Some("limit"), Some("max_recording")));
}
