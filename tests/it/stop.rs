//! A bastion that stops: people are told, get their time, and are cut; what was recorded is sealed.

use sallyport::demo::issuer::Person;

use crate::support::evidence::Replay;
use crate::support::{Setup, World};

const CUT: &str = "sallyport: the session was cut: the bastion is stopping; connect again in a minute\n";

async fn with(config: &'static str) -> World {
    Setup { config, ..Setup::new() }.start().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_told_gets_its_time_and_is_cut() {
    let world = with("[limits]\ndrain = \"2s\"\n").await;
    let bob = world.person(Person::Bob).await;
    let library = bob.bare("deploy+web1").await;
    let talk = {
        let mut talk = library.exec("echo begun; exec sleep 1000").await;
        talk.until(|got| got.out == "begun\n").await;
        talk
    };
    let recordings = world.bastion.sessions().recordings().clone();
    let (left, got) = tokio::join!(world.stop(), talk.ends());
    let told = "sallyport: the bastion is stopping: this session is cut in 2 s; come to an end\n";
    assert_eq!((got.err, got.status), (format!("{told}{CUT}"), None));
    let session = left.log.sessions()[0];
    let close = left.log.one(session, "recording.close");
    let reader = recordings.reader(crate::support::evidence::recording(close));
    let replay = Replay::of(reader.expecting(crate::support::evidence::extent(close))).await;
    assert_eq!(replay.out(), "begun\n");
    let markers: Vec<_> = replay.markers.iter().map(String::as_str).collect();
    let line = |text: &'static str| text.trim_start_matches("sallyport: ").trim_end();
    assert_eq!(markers, [line(told), line(CUT), "bastion stopped"]);
    assert_eq!(left.log.one(session, "session.end").body().text("reason"), Some("bastion stopped"));
    assert_eq!(left.log.of("log.stop")[0].body().flag("drained"), Some(false));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_comes_to_its_own_end_is_let() {
    let world = with("[limits]\ndrain = \"1h\"\n").await;
    let bob = world.person(Person::Bob).await;
    let library = bob.bare("deploy+web1").await;
    let mut talk = library.exec("cat").await;
    talk.write.data(&b"in\n"[..]).await.unwrap();
    talk.until(|got| got.out == "in\n").await;
    let (left, got) = tokio::join!(world.stop(), async {
        talk.until(|got| got.err.contains("is cut in 60 min")).await;
        // Nothing new begins meanwhile.
        assert!(library.try_open().await.is_err());
        talk.write.eof().await.unwrap();
        talk.ends().await
    });
    assert_eq!((got.out.as_str(), got.status), ("in\n", Some(0)));
    assert_eq!(left.log.of("log.stop")[0].body().flag("drained"), Some(true));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_accepted_gets_in_while_the_bastion_begins_to_stop() {
    let world = with("[limits]\ndrain = \"1h\"\n").await;
    let bob = world.person(Person::Bob).await;
    let library = bob.bare("deploy+web1").await;
    let stopping = world.bastion.drain().clone();
    stopping.stop();
    assert_eq!(library.run("echo in time").await.out, "in time\n");
    assert!(library.try_open().await.is_err(), "a second one is new");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_carries_nothing_holds_nobody_up() {
    let world = with("[limits]\ndrain = \"1h\"\n").await;
    let bob = world.person(Person::Bob).await;
    let _idle = bob.bare("deploy+web1").await;
    let _master = bob.master("deploy+web1").await;
    let silent = tokio::net::TcpStream::connect(world.bastion.ssh).await.unwrap();
    let left = world.stop().await;
    assert_eq!(left.log.of("log.stop")[0].body().flag("drained"), Some(true));
    drop(silent);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_word_cuts_at_once() {
    let world = with("[limits]\ndrain = \"1h\"\n").await;
    let bob = world.person(Person::Bob).await;
    let mut shell = bob.terminal("deploy+web1", &[], &[], (80, 24));
    shell.types("echo be''gun\n").await;
    shell.sees("begun\r\n").await;
    let drain = world.bastion.drain().clone();
    let (left, (code, seen)) = tokio::join!(world.stop(), async {
        shell.sees("sallyport: the bastion is stopping: this session is cut in 60 min; come to an end\r\n").await;
        drain.cut();
        shell.ends().await
    });
    assert!(seen.contains("sallyport: the session was cut: the bastion is stopping"), "{seen:?}");
    assert_eq!(code, Some(255));
    assert_eq!(left.log.of("session.end")[0].body().text("reason"), Some("bastion stopped"));
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_at_the_console_is_told_too() {
    let world = with("[limits]\ndrain = \"1h\"\n").await;
    let alice = world.person(Person::Alice).await;
    let mut console = alice.terminal("console", &[], &[], (80, 24));
    console.sees("sallyport> ").await;
    let drain = world.bastion.drain().clone();
    tokio::join!(world.stop(), async {
        console.sees("sallyport: the bastion is stopping").await;
        drain.cut();
        console.ends().await
    });
}
