//! Who may sign in over SSH, until when, and what is counted of those who may not.

use std::collections::BTreeMap;
use std::time::Duration;

use russh::keys::ssh_key::certificate::CertType;
use russh::{ChannelOpenFailure, Error};
use sallyport::clock::Clock;
use sallyport::demo::issuer::Person;
use sallyport::domain::Text;
use sallyport::identity::Revocation;

use crate::support::forge::Forge;
use crate::support::stock::Client;
use crate::support::{Setup, World, shown, until};

#[tokio::test(flavor = "multi_thread")]
async fn each_bad_certificate_is_refused_for_its_own_reason_and_no_target_is_dialled() {
    let world = World::start().await;
    let bob = world.person(Person::Bob).await;
    let ca = &world.keys.user_ca;
    let other = sallyport::client::keys::new_key("other").unwrap();
    type Change = fn(&mut Forge);
    let cases: &[(&str, Change)] = &[
        ("not-a-user-certificate", |forge| forge.kind = CertType::Host),
        ("certificate-validity", |forge| forge.before = u64::MAX),
        ("no-principals", |forge| forge.principals.clear()),
        ("principal", |forge| forge.principals = vec!["root".into()]),
        ("unknown-critical-option", |forge| forge.options.push(("verify-required", ""))),
        ("force-command", |forge| forge.options.push(("force-command", "id"))),
        ("source-address", |forge| forge.options.push(("source-address", "10.0.0.0/8"))),
        ("extension", |forge| forge.extensions.push(("permit-port-forwarding", ""))),
        ("unknown-serial", |forge| forge.serial = 4711),
        ("register-mismatch", |forge| forge.before -= 1),
    ];
    let mut expected = BTreeMap::new();
    for (reason, change) in cases {
        let mut forge = Forge::like(&bob.certificate);
        change(&mut forge);
        let (_, signed_in) = bob.bare_with("deploy+web1", forge.sign(&bob.key, ca)).await;
        assert!(!signed_in, "{reason}");
        expected.insert((*reason).to_owned(), 1);
    }
    let (_, signed_in) = bob.bare_with("deploy+web1", Forge::like(&bob.certificate).sign(&bob.key, &other)).await;
    assert!(!signed_in);
    expected.insert("unknown-authority".to_owned(), 1);
    assert_eq!((world.web_wire.dialled(), world.web.attempts().len()), (0, 0));
    let (library, signed_in) = bob.bare_with("deploy+web1", Forge::like(&bob.certificate).sign(&bob.key, ca)).await;
    assert!(signed_in, "one that differs in nothing");
    drop(library);
    let left = world.stop().await;
    assert_eq!(left.log.failures(), expected);
    assert_eq!(left.log.of("authn.ssh").len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_library_turns_away_is_counted_too() {
    let world = World::start().await;
    let bob = world.person(Person::Bob).await;
    let now = world.clock.now().secs().cast_unsigned();
    // By the wall clock, which the library looks at: expired, and not begun.
    for (after, before) in [(now - 7200, now - 3600), (now + 3600, now + 7200)] {
        let forge = Forge { after, before, ..Forge::like(&bob.certificate) };
        let client = Client::new(&world, bob.key.clone(), forge.sign(&bob.key, &world.keys.user_ca));
        let (code, _, err) = shown(&client.run("deploy+web1", "true").await);
        assert_eq!(code, Some(255));
        assert!(err.contains("Permission denied (publickey"), "{err}");
    }
    // A key that nobody has signed in with, with a certificate that looks like ours.
    let stranger = std::sync::Arc::new(sallyport::client::keys::new_key("stranger").unwrap());
    let certificate = Forge::like(&bob.certificate).sign(&stranger, &world.keys.user_ca);
    let client = Client::new(&world, stranger, certificate);
    assert_eq!(client.run("deploy+web1", "true").await.status.code(), Some(255));
    assert_eq!(world.web_wire.dialled(), 0);
    let left = world.stop().await;
    assert_eq!(left.log.failures(), BTreeMap::from([("no-live-certificate".to_owned(), 3)]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_never_speaks_is_no_failed_sign_in() {
    let world = World::start().await;
    let stream = tokio::net::TcpStream::connect(world.bastion.ssh).await.unwrap();
    drop(stream);
    let left = world.stop().await;
    assert_eq!(left.log.failures(), BTreeMap::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_certificate_ends_what_runs_and_opens_nothing() {
    let world = World::start().await;
    let bob = world.person(Person::Bob).await;
    let library = bob.bare("deploy+web1").await;
    assert_eq!(library.run("exit 3").await.status, Some(3));
    let mut running = library.exec("echo begun; exec sleep 300").await;
    running.until(|got| got.out == "begun\n").await;
    let serial = bob.certificate.serial();
    let reason = Text::new("lost laptop");
    world.bastion.identities().revoke(Revocation::Serial(serial), reason, None).await.unwrap();
    let cut = running.ends().await;
    assert_eq!((cut.status, cut.err), (None, "sallyport: the session was cut: access was revoked\n".into()));
    let refused = library.try_open().await.err().unwrap();
    assert!(
        matches!(refused, Error::ChannelOpenFailure(ChannelOpenFailure::AdministrativelyProhibited)),
        "{refused:?}"
    );
    drop(library);
    let (_, signed_in) = bob.bare_with("deploy+web1", bob.certificate.clone()).await;
    assert!(!signed_in);
    assert_eq!(bob.run("deploy+web1", "true").await.status.code(), Some(255));
    assert_eq!(world.web.runs().len(), 2);
    let again = world.person(Person::Bob).await;
    assert_eq!(again.run("deploy+web1", "exit 2").await.status.code(), Some(2), "a new sign-in is another certificate");
    let left = world.stop().await;
    assert_eq!(left.log.of("cert.revoked").len(), 1);
    let failures = left.log.failures();
    assert_eq!(failures.values().sum::<u64>(), 2, "{failures:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_connection_opens_no_channel_after_its_certificates_end_and_what_runs_goes_on() {
    let clock = Clock::manual(Clock::system().now());
    let config = "[sign_in]\ncertificate = \"1h\"\n";
    let world = Setup { clock: clock.clone(), config, ..Setup::new() }.start().await;
    let bob = world.person(Person::Bob).await;
    let library = bob.bare("deploy+web1").await;
    let mut talk = library.exec("echo here; cat").await;
    talk.until(|got| got.out == "here\n").await;
    clock.advance(Duration::from_secs(3600 - 1));
    library.try_open().await.unwrap();
    clock.advance(Duration::from_secs(2));
    let refused = library.try_open().await.err().unwrap();
    assert!(
        matches!(refused, Error::ChannelOpenFailure(ChannelOpenFailure::AdministrativelyProhibited)),
        "{refused:?}"
    );
    talk.write.data_bytes(&b"still\n"[..]).await.unwrap();
    talk.until(|got| got.out == "here\nstill\n").await;
    talk.write.eof().await.unwrap();
    assert_eq!(talk.ends().await.status, Some(0));
    drop(library);
    let (_, signed_in) = bob.bare_with("deploy+web1", bob.certificate.clone()).await;
    assert!(!signed_in);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plain_key_or_a_password_signs_nobody_in() {
    let world = World::start().await;
    let bob = world.person(Person::Bob).await;
    let options =
        ["-o", "CertificateFile=none", "-o", "PreferredAuthentications=publickey,password,keyboard-interactive"];
    let mut line = bob.line("deploy+web1", &options, &["true"]);
    // Without the certificate beside it the key stands alone.
    let key = line.iter().position(|word| word == "-i").unwrap() + 1;
    let alone = world.dir.path().join("alone");
    std::fs::copy(&line[key], &alone).unwrap();
    line[key] = alone.display().to_string();
    let batch = line.iter().position(|word| word == "BatchMode=yes").unwrap();
    // Whom nobody asks anything is refused; who could be asked is told what is missing, and asked nothing either.
    for (mode, hint) in [("BatchMode=yes", false), ("BatchMode=no", true)] {
        line[batch] = mode.to_owned();
        let mut ssh = tokio::process::Command::new(&line[0]);
        ssh.args(&line[1..]);
        let (code, _, err) = shown(&crate::support::stock::finish(ssh, b"").await);
        assert_eq!(code, Some(255));
        assert!(err.contains("Permission denied (publickey"), "{err}");
        assert_eq!(err.contains("sallyport: no valid certificate was shown"), hint, "{mode}: {err}");
    }

    let mut library = bob.bare("console").await;
    library.0.disconnect(russh::Disconnect::ByApplication, "", "").await.unwrap();
    let config = std::sync::Arc::new(russh::client::Config::default());
    let address = world.bastion.ssh;
    library.0 = russh::client::connect(config, address, crate::support::library::Trusting).await.unwrap();
    // Not offered, but a rude client asks all the same.
    assert!(!library.0.authenticate_password("deploy+web1", "secret").await.is_ok_and(|answer| answer.success()));
    drop(library);
    assert_eq!(world.web_wire.dialled(), 0);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_host_key_is_proved_by_a_certificate_for_exactly_this_name() {
    let world = World::start().await;
    let bob = world.person(Person::Bob).await;
    // Later options do not override: the first one given counts.
    let mut line = bob.line("console", &[], &["whoami"]);
    let alias = line.iter().position(|word| word.starts_with("HostKeyAlias=")).unwrap();
    assert_eq!(shown(&bob.run("console", "whoami").await).0, Some(0));
    line[alias] = "HostKeyAlias=other.test".to_owned();
    let mut ssh = tokio::process::Command::new(&line[0]);
    ssh.args(&line[1..]);
    let (code, _, err) = shown(&crate::support::stock::finish(ssh, b"").await);
    assert_eq!(code, Some(255));
    assert!(err.contains("Host key verification failed"), "{err}");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_sign_in_within_the_grace_is_cut() {
    let world = Setup { config: "[limits]\nlogin_grace = \"1s\"\n", ..Setup::new() }.start().await;
    let bob = world.person(Person::Bob).await;
    let config = std::sync::Arc::new(russh::client::Config::default());
    let handle = russh::client::connect(config, world.bastion.ssh, crate::support::library::Trusting).await.unwrap();
    until("the end of the connection", async || handle.is_closed().then_some(())).await;
    // Who has signed in is not.
    let library = bob.bare("deploy+web1").await;
    let mut talk = library.exec("sleep 1.5; echo on").await;
    talk.until(|got| got.out == "on\n").await;
    drop((talk, library));
    world.stop().await;
}
