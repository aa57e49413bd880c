//! Revocation: at once, for what runs, for what is asked for on an old connection, and for the next sign-in.

use sallyport::demo::issuer::Person;

use crate::support::library::Library;
use crate::support::stock::Client;
use crate::support::{World, shown, until};

async fn says(client: &Client, command: &str) -> String {
    let (code, out, err) = shown(&client.run("console", command).await);
    assert_eq!((code, err.as_str()), (Some(0), ""), "{command}: {out}");
    out
}

const CUT: &str = "sallyport: the session was cut: access was revoked\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_identity_is_cut_and_nothing_opens_on_its_old_connection() {
    let world = World::start().await;
    let (alice, bob) = (world.person(Person::Alice).await, world.person(Person::Bob).await);
    let master = bob.master("deploy+web1").await;
    let mut child = master.start("echo begun; exec sleep 1000");
    let mut line = [0; 6];
    tokio::io::AsyncReadExt::read_exact(child.stdout.as_mut().unwrap(), &mut line).await.unwrap();
    let library: Library = bob.bare("deploy+web1").await;
    // Opened before, asked for something only after.
    let early = library.try_open().await.unwrap();

    let said = says(&alice, "revoke corp:00u2b0b --reason 'left today'").await;
    assert!(said.starts_with("Revoked corp:00u2b0b: serial"), "{said}");

    let output = tokio::time::timeout(std::time::Duration::from_secs(20), child.wait_with_output()).await;
    let (code, _, err) = shown(&output.unwrap().unwrap());
    assert_eq!(code, Some(255));
    assert!(err.starts_with(CUT), "{err}");
    // The stock client finds its old connection closed to it, and a new one too.
    let (code, out, err) = shown(&master.run("echo no").await);
    assert_eq!((code, out.as_str()), (Some(255), ""), "{err}");
    assert!(library.try_open().await.is_err());
    early.write.exec(true, "echo no").await.unwrap();
    let got = early.ends().await;
    assert_eq!((got.out.as_str(), got.err.as_str(), got.status), ("", "sallyport: access was revoked\n", Some(126)));
    assert_eq!(world.web.runs().len(), 1);

    assert!(says(&alice, "revoke --list").await.contains("corp:00u2b0b"));
    assert_eq!(shown(&bob.run("console", "whoami").await).0, Some(255));
    says(&alice, "reinstate corp:00u2b0b --reason 'a mistake'").await;
    assert_eq!(shown(&bob.run("console", "whoami").await).0, Some(255), "what was void stays void");
    let again = world.person(Person::Bob).await;
    assert!(says(&again, "whoami").await.contains("bob@corp.example"));

    drop((library, master));
    let left = world.stop().await;
    let revoked = left.log.of("cert.revoked");
    assert_eq!(revoked.len(), 1);
    let decided = left.log.of("authz.decision");
    let words: Vec<_> = decided.iter().filter_map(|entry| entry.body().text("action")).collect();
    assert_eq!(words.iter().filter(|word| **word == "revoke").count(), 2, "{words:?}");
    assert_eq!(left.log.of("identity.reinstated").len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_certificate_is_revoked_by_serial_or_key_id_and_a_person_by_name() {
    let world = World::start().await;
    let (alice, bob) = (world.person(Person::Alice).await, world.person(Person::Bob).await);
    let other = world.person(Person::Bob).await;
    let mut prompt = bob.terminal("console", &["-tt"], &[], (80, 24));
    prompt.sees("> ").await;
    says(&alice, &format!("revoke {} --reason lost", bob.certificate.serial())).await;
    let (code, seen) = prompt.ends().await;
    assert_eq!(code, Some(255));
    assert!(seen.contains("sallyport: the session was cut: access was revoked"), "{seen}");
    // The other certificate of the same person is as good as before.
    says(&other, "whoami").await;
    let list = says(&alice, "revoke --list").await;
    assert!(list.contains(&format!("serial {}", bob.certificate.serial())), "{list}");
    says(&alice, &format!("revoke {} --reason lost", other.certificate.key_id())).await;
    assert_eq!(shown(&other.run("console", "whoami").await).0, Some(255));
    let third = world.person(Person::Bob).await;
    assert!(says(&alice, "revoke bob@corp.example --reason left").await.contains("corp:00u2b0b"));
    until("the end of the third certificate", async || {
        (shown(&third.run("console", "whoami").await).0 == Some(255)).then_some(())
    })
    .await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_revoke_is_told_so_and_it_is_recorded() {
    let world = World::start().await;
    let (alice, bob) = (world.person(Person::Alice).await, world.person(Person::Bob).await);
    let (code, out, err) = shown(&bob.run("console", "revoke corp:00u1a11ce --reason envy").await);
    assert_eq!((code, out.as_str()), (Some(4), ""));
    assert!(err.starts_with("sallyport: no rule lets you revoke"), "{err}");
    assert_eq!(shown(&bob.run("console", "revoke --list").await).0, Some(4));
    for (line, code) in [
        ("revoke corp:00u2b0b", 2),
        ("revoke corp:00u2b0b --reason ' '", 2),
        ("revoke nobody --reason x", 1),
        ("revoke 999999 --reason x", 1),
        ("reinstate corp:00u2b0b --reason x", 1),
        ("reinstate 1 --reason x", 2),
    ] {
        let (got, _, err) = shown(&alice.run("console", line).await);
        assert_eq!(got, Some(code), "{line}: {err}");
        assert!(err.starts_with("sallyport: ") && err.is_ascii(), "{line}: {err}");
    }
    says(&bob, "whoami").await;
    let left = world.stop().await;
    let denied = left.log.of("authz.decision");
    assert!(denied.iter().any(|entry| entry.body().text("action") == Some("revoke")));
    assert!(left.log.of("cert.revoked").is_empty());
}
