//! The bastion's own commands, through the stock `ssh`.

use sallyport::demo::issuer::Person;
use sallyport::domain::Digest;
use sallyport::domain::session::SessionId;
use serde_json::Value;

use crate::support::stock::{Client, finish};
use crate::support::{World, shown};

/// What a command says on standard output.
async fn says(client: &Client, command: &str) -> String {
    let (code, out, err) = shown(&client.run("console", command).await);
    assert_eq!((code, err.as_str()), (Some(0), ""), "{command}: {out}");
    out
}

async fn json(client: &Client, command: &str) -> Value {
    serde_json::from_str(&says(client, &format!("{command} --json")).await).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_hears_who_they_are_and_where_they_may_go() {
    let world = World::start().await;
    let (alice, bob, job) =
        (world.person(Person::Alice).await, world.person(Person::Bob).await, world.pipeline().await);
    let text = says(&bob, "whoami").await;
    assert!(text.contains("bob@corp.example") && text.contains("members = [\"corp:00u2b0b\"]"), "{text}");
    let who = json(&bob, "whoami").await;
    assert_eq!((who["subject"].as_str(), who["kind"].as_str()), (Some(Person::Bob.subject()), Some("person")));
    assert!(who["client"].as_str().unwrap().starts_with("SSH-2.0-OpenSSH"), "{who}");
    assert_eq!(json(&job, "whoami").await["kind"], "pipeline");

    let targets = async |client: &Client| {
        let value = json(client, "targets").await;
        value["targets"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["name"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(targets(&alice).await, ["web1", "db1"]);
    assert_eq!(targets(&bob).await, ["web1"]);
    assert_eq!(targets(&job).await, ["db1"]);
    assert!(says(&bob, "targets").await.contains("deploy+web1@"));

    let trust = says(&bob, "trust").await;
    let key = world.keys.signer.target_ca().to_openssh().unwrap();
    assert!(trust.contains(&key) && trust.contains("TrustedUserCAKeys"), "{trust}");
    let certificate = json(&bob, "certificate").await;
    assert_eq!(certificate["serial"].as_str().unwrap(), bob.certificate.serial().to_string());
    for command in ["help", "help sessions show", "sessions --help"] {
        assert!(says(&bob, command).await.len() > 40, "{command}");
    }
    assert!(world.web.attempts().is_empty() && world.db.attempts().is_empty());
    assert_eq!(world.web_wire.dialled() + world.db_wire.dialled(), 0);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_command_has_exit_code_2_and_a_hint() {
    let world = World::start().await;
    let bob = world.person(Person::Bob).await;
    for command in ["reboot", "sessions show", "sessions show nonsense", "export", "whoami; id", "'"] {
        let (code, out, err) = shown(&bob.run("console", command).await);
        assert_eq!((code, out.as_str()), (Some(2), ""), "{command}");
        assert!(err.starts_with("sallyport: ") && err.is_ascii(), "{command}: {err}");
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_listed_shown_played_and_exported_to_whom_it_belongs() {
    let world = World::start().await;
    let bob = world.person(Person::Bob).await;
    let output = bob.feed("deploy+web1", "cat; echo err >&2; exit 7", b"h\xc3\xa4llo\nline two\n").await;
    assert_eq!(output.status.code(), Some(7));
    let session = world.ended(1).await[0].session;

    let listed = json(&bob, "sessions").await;
    let one = &listed["sessions"][0];
    assert_eq!(
        (one["session"].as_str().unwrap(), &one["ended"]["exit"]),
        (session.to_string().as_str(), &Value::from("exit 7"))
    );
    assert!(says(&bob, "sessions list --target web1 --since 1h").await.contains(&session.to_string()));
    assert!(!says(&bob, "sessions --target db1").await.contains(&session.to_string()));

    let text = says(&bob, &format!("sessions show {session}")).await;
    for part in ["cat; echo err >&2; exit 7", "deploy@web1", "recording.close", "session.end", "exit 7"] {
        assert!(text.contains(part), "{part} in {text}");
    }
    let shown_as_json = json(&bob, &format!("sessions show {session}")).await;
    assert_eq!(shown_as_json["login"], "deploy");

    let played = bob.run("console", &format!("play {session}")).await;
    assert_eq!(played.status.code(), Some(0), "{:?}", shown(&played));
    let text = String::from_utf8_lossy(&played.stdout).into_owned() + &String::from_utf8_lossy(&played.stderr);
    assert!(text.contains("hällo") && text.contains("err"), "{text}");

    let raw = bob.run("console", &format!("export {session} --format raw")).await;
    assert_eq!(raw.status.code(), Some(0));
    let text = zstd::decode_all(raw.stdout.as_slice()).unwrap();
    let header = text.split_inclusive(|b| *b == b'\n').next().unwrap();
    let log = world.log().await;
    assert_eq!(log.one(session, "recording.open").body().digest("header"), Some(Digest::of(header)));
    let header: Value = serde_json::from_slice(header).unwrap();
    assert_eq!(
        (&header["version"], &header["sallyport"]["session"]),
        (&Value::from(2), &Value::from(session.to_string()))
    );

    let v2 = bob.run("console", &format!("export {session} --format v2")).await;
    let v2 = String::from_utf8(v2.stdout).unwrap();
    let mut lines = v2.lines();
    let header: asciicast::Header = serde_json::from_str(lines.next().unwrap()).unwrap();
    assert_eq!((header.version, header.title.as_deref()), (2, Some("deploy@web1")));
    let (mut out, mut input) = (String::new(), String::new());
    for line in lines {
        let entry: asciicast::Entry = serde_json::from_str(line).unwrap();
        match entry.event_type {
            asciicast::EventType::Output => out.push_str(&entry.event_data),
            asciicast::EventType::Input => input.push_str(&entry.event_data),
        }
    }
    assert_eq!(input, "hällo\nline two\n");
    assert!(out.contains("hällo\nline two\n") && out.contains("err\n"), "{out:?}");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn other_peoples_sessions_are_invisible_but_to_auditors_and_looking_is_recorded() {
    let world = World::start().await;
    let (alice, bob) = (world.person(Person::Alice).await, world.person(Person::Bob).await);
    let carol = world.person(Person::Carol).await;
    assert_eq!(alice.run("deploy+db1", "echo secret of alice").await.status.code(), Some(0));
    let session = world.ended(1).await[0].session;

    assert_eq!(json(&bob, "sessions").await["sessions"], Value::Array(Vec::new()));
    let nowhere = SessionId::from_parts(world.clock.now(), 7);
    for command in ["sessions show", "play", "export --format raw"] {
        let refused = |id: SessionId| {
            let bob = &bob;
            async move {
                let (code, out, err) = shown(&bob.run("console", &format!("{command} {id}")).await);
                assert_eq!((code, out.as_str()), (Some(4), ""), "{command}");
                err.replace(&id.to_string(), "ID")
            }
        };
        assert_eq!(refused(session).await, refused(nowhere).await, "both read the same");
    }
    let looks = async || {
        let log = world.log().await;
        log.of("evidence.viewed").iter().map(|one| one.body().text("how").unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert!(looks().await.is_empty());
    let played = carol.run("console", &format!("play {session}")).await;
    assert!(String::from_utf8_lossy(&played.stdout).contains("secret of alice"), "{:?}", shown(&played));
    assert_eq!(looks().await, ["play"]);
    says(&carol, &format!("sessions show {session}")).await;
    assert_eq!(looks().await, ["play", "show"]);
    assert_eq!(json(&carol, "sessions").await["sessions"].as_array().unwrap().len(), 1);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_a_recording_is_shown_that_the_ledger_does_not_know_of() {
    let world = World::start().await;
    let bob = world.person(Person::Bob).await;
    assert_eq!(bob.run("deploy+web1", "echo hidden").await.status.code(), Some(0));
    let session = world.ended(1).await[0].session;
    let library = bob.bare("console").await;
    world.memory.faults().writes(sallyport::store::memory::Fault::Broken);
    let got = library.run(format!("play {session}")).await;
    assert_eq!((got.out.as_str(), got.status), ("", Some(1)));
    assert!(got.err.starts_with("sallyport: the ledger does not answer"), "{got:?}");
    world.memory.faults().mend();
    drop(library);
    world.stop_anyhow().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminal_without_a_command_gets_a_prompt() {
    let world = World::start().await;
    let bob = world.person(Person::Bob).await;
    let mut terminal = bob.terminal("console", &[], &[], (100, 30));
    terminal.sees("sallyport> ").await;
    terminal.types("whoamI\x7fi\r").await;
    terminal.sees("bob@corp.example").await;
    terminal.sees("sallyport> ").await;
    terminal.types("nonsense\r").await;
    terminal.sees("sallyport: ").await;
    terminal.sees("sallyport> ").await;
    terminal.types("exit\r").await;
    assert_eq!(terminal.ends().await.0, Some(0));
    let mut terminal = bob.terminal("console", &["-tt"], &[], (100, 30));
    terminal.sees("sallyport> ").await;
    terminal.types("\x04").await;
    assert_eq!(terminal.ends().await.0, Some(0));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_come_line_by_line_from_a_pipe() {
    let world = World::start().await;
    let bob = world.person(Person::Bob).await;
    let output = finish(bob.command("console", &["-T"], &[]), b"targets\nnonsense\nwhoami\n").await;
    let (code, out, err) = shown(&output);
    assert_eq!(code, Some(2));
    assert!(out.contains("web1") && out.contains("bob@corp.example"), "{out}");
    assert!(err.starts_with("sallyport: "), "{err}");
    world.stop().await;
}
