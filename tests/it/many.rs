//! Very many that wait for people: nobody else is slowed down or refused for it, and what they hold stays bounded.

use sallyport::demo::issuer::Person;

use crate::support::{Setup, shown, until};

const HELD: &str = r#"
@id("certify") permit (principal, action == Sallyport::Action::"certify", resource);
@id("everything") permit (principal, action == Sallyport::Action::"exec", resource is Sallyport::Target);
@id("hold-deploy") @require_approval("1")
forbid (principal, action == Sallyport::Action::"exec", resource)
when { context.login == "root" } unless { context.approval.count >= 1 };
@id("admins-approve") permit (principal in Sallyport::Group::"admins", action == Sallyport::Action::"approve", resource);
"#;

const ROOM: &str = "[limits]\nchannels_per_connection = 1024\n[approval]\nper_person = 10000\nper_target = 10000\n";

/// Connections, and what each of them asks for.
const CONNECTIONS: usize = 10;

/// How many in all: 10,000 if it is compiled with `SALLYPORT_TEST_HELD=10000`, for the figure in the docs.
fn count() -> usize {
    option_env!("SALLYPORT_TEST_HELD").and_then(|text| text.parse().ok()).unwrap_or(1000)
}

#[tokio::test(flavor = "multi_thread")]
async fn very_many_that_wait_hinder_nobody() {
    let world = Setup { policy: Some(HELD), config: ROOM, ..Setup::new() }.start().await;
    let (alice, bob) = (world.person(Person::Alice).await, world.person(Person::Bob).await);
    let mut waiting = Vec::new();
    let mut libraries = Vec::new();
    for _ in 0..CONNECTIONS {
        let library = bob.bare("root+web1").await;
        for _ in 0..count() / CONNECTIONS {
            let talk = library.exec("echo held").await;
            talk.write.data(&[b'x'; 1024][..]).await.unwrap();
            talk.write.eof().await.unwrap();
            waiting.push(talk);
        }
        libraries.push(library);
    }
    let desk = world.bastion.sessions().desk();
    until("all of them to wait", async || (desk.open().len() == count()).then_some(())).await;
    let used = world.bastion.sessions().limits().budget.used_bytes();
    println!("{} wait; their relays hold {used} bytes", count());
    assert!(used >= 1024 * count() as u64, "their input counts: {used}");
    assert!(used < 8 * 1024 * count() as u64, "and not much more does: {used}");
    // Somebody else, and the same person on a connection full of them.
    let other = alice.run("deploy+web1", "echo through").await;
    assert_eq!(shown(&other), (Some(0), "through\n".into(), String::new()));
    let same = bob.run("deploy+web1", "echo through").await;
    assert_eq!(shown(&same), (Some(0), "through\n".into(), String::new()));
    // Each can still be answered.
    let one = desk.open().pop().unwrap();
    let digest = &one.digest.to_string()[..8];
    let approved = alice.run("console", &format!("approve {} --digest {digest}", one.id)).await;
    assert_eq!(approved.status.code(), Some(0), "{:?}", shown(&approved));
    until("what was approved", async || (world.web.runs().len() == 3).then_some(())).await;
    drop((waiting, libraries));
    until("all of them to be withdrawn", async || desk.open().is_empty().then_some(())).await;
    until("their memory", async || (world.bastion.sessions().limits().budget.used_bytes() < 64 * 1024).then_some(()))
        .await;
    world.stop().await;
}
