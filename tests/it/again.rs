//! One session after the other on a client connection goes over one sign-in at the target.

use sallyport::demo::issuer::Person;

use crate::support::{Setup, World, shown, until};

/// Sign-ins that the target has seen.
fn sign_ins(world: &World) -> usize {
    world.web.attempts().len()
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_one_after_the_other_go_over_one_sign_in_and_the_log_says_so() {
    let world = World::start().await;
    let bob = world.person(Person::Bob).await;
    let library = bob.bare("deploy+web1").await;
    for n in 0..4 {
        let got = library.run(format!("cat; echo {n}; echo e{n} >&2; exit {n}")).await;
        assert_eq!((got.out, got.err, got.status), (format!("{n}\n"), format!("e{n}\n"), Some(n)));
    }
    assert_eq!((sign_ins(&world), world.web_wire.dialled()), (1, 1));
    let ended = world.ended(4).await;
    let log = world.log().await;
    let first = log.of("upstream.open");
    assert_eq!(first.len(), 1);
    let again = log.of("upstream.again");
    assert_eq!(again.len(), 3);
    for entry in &again {
        assert_eq!(entry.body().text("serial"), first[0].body().text("serial"));
        assert_eq!(entry.body().text("key_id"), first[0].body().text("key_id"));
    }
    // Each of them is decided and recorded for itself, and has its one way to the target.
    for session in &ended {
        let kinds = log.kinds(session.session);
        let ways = kinds.iter().filter(|kind| ["upstream.open", "upstream.again"].contains(kind)).count();
        let decided = kinds.iter().position(|kind| *kind == "authz.decision").unwrap();
        let goes = kinds.iter().position(|kind| kind.starts_with("upstream.")).unwrap();
        assert!(ways == 1 && decided < goes, "{kinds:?}");
    }
    drop(library);
    until("the end of the connection to the target", async || (world.web_wire.open() == 0).then_some(())).await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_has_gone_meanwhile_is_signed_in_to_again() {
    let world = World::start().await;
    let bob = world.person(Person::Bob).await;
    let library = bob.bare("deploy+web1").await;
    assert_eq!(library.run("echo one").await.out, "one\n");
    world.web_wire.cut();
    until("its end", async || (world.web_wire.open() == 0).then_some(())).await;
    let got = library.run("echo two").await;
    assert_eq!((got.out.as_str(), got.err.as_str(), got.status), ("two\n", "", Some(0)));
    assert_eq!(sign_ins(&world), 2);
    drop(library);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_cut_off_in_the_middle_leaves_nothing_to_the_next() {
    let world = World::start().await;
    let bob = world.person(Person::Bob).await;
    let library = bob.bare("deploy+web1").await;
    let mut talk = library.exec("echo here; exec sleep 1000").await;
    talk.until(|got| got.out == "here\n").await;
    talk.write.close().await.unwrap();
    world.ended(1).await;
    assert_eq!(library.run("echo next").await.out, "next\n");
    assert_eq!(sign_ins(&world), 2);
    drop(library);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_client_connection_signs_in_for_itself() {
    let world = World::start().await;
    let bob = world.person(Person::Bob).await;
    let (one, other) = (bob.bare("deploy+web1").await, bob.bare("deploy+web1").await);
    for library in [&one, &other] {
        assert_eq!(library.run("echo here").await.out, "here\n");
        assert_eq!(library.run("echo again").await.out, "again\n");
    }
    assert_eq!(sign_ins(&world), 2);
    drop((one, other));
    world.stop().await;
}

const HELD: &str = r#"
@id("certify") permit (principal, action == Sallyport::Action::"certify", resource);
@id("everything") permit (principal, action == Sallyport::Action::"exec", resource is Sallyport::Target);
@id("hold") @require_approval("1")
forbid (principal, action == Sallyport::Action::"exec", resource)
when { context.command.simple && context.command.argv like "/bin/echo held *" } unless { context.approval.count >= 1 };
@id("admins-approve") permit (principal in Sallyport::Group::"admins", action == Sallyport::Action::"approve", resource);
"#;

#[tokio::test(flavor = "multi_thread")]
async fn what_people_agreed_to_has_a_sign_in_of_its_own_and_leaves_nothing_behind() {
    let world = Setup { policy: Some(HELD), ..Setup::new() }.start().await;
    let (alice, bob) = (world.person(Person::Alice).await, world.person(Person::Bob).await);
    let library = bob.bare("deploy+web1").await;
    assert_eq!(library.run("echo one").await.out, "one\n");
    let talk = library.exec("/bin/echo held now").await;
    let desk = world.bastion.sessions().desk();
    let held = until("a request", async || desk.open().pop()).await;
    let approve = format!("approve {} --digest {}", held.id, &held.digest.to_string()[..8]);
    let approved = alice.run("console", &approve).await;
    assert_eq!(approved.status.code(), Some(0), "{:?}", shown(&approved));
    assert_eq!(talk.ends().await.out, "held now\n");
    assert_eq!(library.run("echo two").await.out, "two\n");
    // The first command's and the held one's: the third went over the first one's, whose certificate forces no command.
    assert_eq!(sign_ins(&world), 2);
    let log = world.log().await;
    let again = log.of("upstream.again");
    assert_eq!(again.len(), 1);
    assert_eq!(again[0].body().text("serial"), log.of("upstream.open")[0].body().text("serial"));
    drop(library);
    world.stop().await;
}
