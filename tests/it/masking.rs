//! By which rules a session is masked: a target's label and the permits say so, and nothing takes rules away.

use sallyport::demo::issuer::Person;

use crate::support::{Setup, World, shown};

const PROFILES: &str = "[mask]\nrules = \"secrets\"\n[mask.profile.cards]\nrules = \"pii\"\n\
    [mask.profile.addresses]\nwith = [\"ip-address\"]\n";
const POLICY: &str = r#"
@id("certify") permit (principal, action == Sallyport::Action::"certify", resource);
@id("everything") permit (principal, action in [Sallyport::Action::"shell", Sallyport::Action::"exec"], resource is Sallyport::Target);
"#;
const CARDS: &str = r#"
@id("cards") @mask("cards") permit (principal, action == Sallyport::Action::"exec", resource == Sallyport::Target::"web1");
"#;
const ADDRESSES: &str = r#"
@id("addresses") @mask("addresses")
permit (principal, action == Sallyport::Action::"exec", resource is Sallyport::Target);
"#;
const SHORT: &str = r#"
@id("certify") permit (principal, action == Sallyport::Action::"certify", resource);
@id("short") @record("digest")
permit (principal, action in [Sallyport::Action::"shell", Sallyport::Action::"exec"], resource is Sallyport::Target);
"#;
const GUARDED: &str = r#"
@id("certify") permit (principal, action == Sallyport::Action::"certify", resource);
@id("prompt") @shell("guarded") @mask("cards")
permit (principal, action == Sallyport::Action::"shell", resource is Sallyport::Target);
@id("lines") permit (principal, action == Sallyport::Action::"exec", resource is Sallyport::Target);
"#;
/// Prints a password, a card's number and an address; none of them stands in it.
const PRINTS: &str = "printf 'PGPASSWORD=%s card 4111 1111 %s at %s.2.7 .\\n' hunter2 '1111 1111' 192.0";

async fn world(policy: &'static str) -> World {
    Setup { policy: Some(policy), config: PROFILES, ..Setup::new() }.start().await
}

#[tokio::test(flavor = "multi_thread")]
async fn all_profiles_of_the_permits_and_of_the_target_hide_together() {
    let world = world(POLICY).await;
    let bob = world.person(Person::Bob).await;
    let prints = async || shown(&bob.run("deploy+web1", PRINTS).await).1;
    let plain = "PGPASSWORD=[password-assign] card 4111 1111 1111 1111 at 192.0.2.7 .\n";
    assert_eq!(prints().await, plain);
    world.reload(&world.config, Some(&format!("{POLICY}{CARDS}"))).await.unwrap();
    let cards = plain.replace("4111 1111 1111 1111", "[credit-card]");
    assert_eq!(prints().await, cards);
    world.reload(&world.config, Some(&format!("{POLICY}{CARDS}{ADDRESSES}"))).await.unwrap();
    let both = cards.replace("192.0.2.7", "[ip-address]");
    assert_eq!(prints().await, both);
    let labelled = world.config.replace("env = \"test\"", "env = \"test\", mask_profile = \"addresses\"");
    world.reload(&labelled, Some(&format!("{POLICY}{CARDS}"))).await.unwrap();
    assert_eq!(prints().await, both);
    let last = world.ended(4).await[3].session;
    assert_eq!(world.replay_of(last).await.out(), both, "the recording has what was seen");
    let left = world.stop().await;
    let said: Vec<_> =
        left.log.of("recording.open").iter().map(|one| one.body().text("mask").unwrap().to_owned()).collect();
    assert_eq!(said, ["default", "default+cards", "default+addresses+cards", "default+addresses+cards"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_must_hide_more_now_ends() {
    let world = world(POLICY).await;
    let bob = world.person(Person::Bob).await;
    let library = bob.bare("deploy+web1").await;
    let mut talk = library.exec("echo begun; exec sleep 1000").await;
    talk.until(|got| got.out == "begun\n").await;
    let done = world.reload(&world.config, Some(&format!("{POLICY}{CARDS}"))).await.unwrap();
    assert_eq!(done.ended, 1);
    assert!(talk.ends().await.err.contains("does not allow it any more"));
    let library = bob.bare("deploy+web1").await;
    let mut talk = library.exec("echo begun; exec cat").await;
    talk.until(|got| got.out == "begun\n").await;
    let done = world.reload(&world.config, Some(&format!("{POLICY}{CARDS}\n// No other rule.\n"))).await.unwrap();
    assert_eq!(done.ended, 0, "it hides that much already");
    drop(talk);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guarded_prompt_hands_its_profile_to_each_line() {
    let world = world(GUARDED).await;
    let bob = world.person(Person::Bob).await;
    let mut terminal = bob.terminal("deploy+web1", &[], &[], (160, 40));
    terminal.sees(" (guarded)> ").await;
    terminal.types(&format!("{PRINTS}\r")).await;
    terminal.sees("PGPASSWORD=******* card *******************").await;
    terminal.sees(" at 192.0.2.7 .").await;
    terminal.sees(" (guarded)> ").await;
    terminal.types("exit\r").await;
    assert_eq!(terminal.ends().await.0, Some(0));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_profile_that_does_not_exist_is_a_fault_of_policy_and_of_labels() {
    let world = world(POLICY).await;
    let wrong = CARDS.replace("@mask(\"cards\")", "@mask(\"card\")");
    let faults = world.reload(&world.config, Some(&format!("{POLICY}{wrong}"))).await.unwrap_err();
    assert!(faults[0].contains("10-test.cedar:5") && faults[0].contains("\"card\" is not known"), "{faults:?}");
    assert!(faults[0].contains("did you mean \"cards\"?"), "{faults:?}");
    let labelled = world.config.replace("env = \"test\"", "env = \"test\", mask_profile = \"cards,adresses\"");
    let read = sallyport::app::config::Config::parse(&labelled, world.dir.path());
    let faults = read.unwrap_err().to_string();
    assert!(faults.contains("target[1].labels.mask_profile: \"adresses\" is no mask profile"), "{faults}");
    assert!(faults.contains("did you mean \"addresses\"?"), "{faults}");
    world.stop().await;
}

const UNMASK: &str = r#"
@id("bob-sees") permit (principal in Sallyport::Group::"users", action == Sallyport::Action::"unmask", resource == Sallyport::Target::"web1");
"#;
const HELD: &str = r#"
@id("hold") @require_approval("1")
forbid (principal, action == Sallyport::Action::"exec", resource) unless { context.approval.count >= 1 };
"#;
const ASKS: [&str; 2] = ["-o", "SetEnv=SALLYPORT_UNMASK=1"];
const SHOWN: &str = "PGPASSWORD=hunter2 card 4111 1111 1111 1111 at 192.0.2.7 .\n";

#[tokio::test(flavor = "multi_thread")]
async fn without_a_permit_nothing_is_unmasked_and_nothing_runs() {
    let world = world(POLICY).await;
    let bob = world.person(Person::Bob).await;
    let line =
        "sallyport: no rule lets you see that unmasked; nothing was run. Without SALLYPORT_UNMASK it is masked\n";
    assert_eq!(shown(&bob.with("deploy+web1", &ASKS, &[PRINTS]).await), (Some(126), String::new(), line.into()));
    let held = format!("{POLICY}{UNMASK}{HELD}");
    world.reload(&world.config, Some(&held)).await.unwrap();
    let refused = shown(&bob.with("deploy+web1", &ASKS, &[PRINTS]).await);
    assert!(refused.0 == Some(126) && refused.2.contains("shown masked; nothing was run"), "{refused:?}");
    let always = world.config.replace("env = \"test\"", "env = \"test\", mask = \"mandatory\"");
    world.reload(&always, Some(&format!("{POLICY}{UNMASK}"))).await.unwrap();
    let refused = shown(&bob.with("deploy+web1", &ASKS, &[PRINTS]).await);
    assert!(refused.0 == Some(126) && refused.2.contains("always masked"), "{refused:?}");
    assert!(world.web.runs().is_empty());
    let left = world.stop().await;
    let actions = |one: &sallyport::ledger::entry::Entry| one.body().text("action").unwrap().to_owned();
    let decided: Vec<_> = left.log.of("authz.decision").into_iter().map(actions).collect();
    let decided: Vec<_> = decided.iter().filter(|action| *action != "certify").collect();
    assert_eq!(decided, ["exec", "unmask", "exec", "exec", "unmask"]);
    assert!(left.log.of("session.start").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn under_a_permit_the_client_sees_what_the_recording_has_masked() {
    let policy: &'static str = Box::leak(format!("{POLICY}{UNMASK}").into_boxed_str());
    let world = world(policy).await;
    let bob = world.person(Person::Bob).await;
    let both = format!("{PRINTS}; printf 'password=%s\\n' hunter3 >&2");
    let (code, out, err) = shown(&bob.with("deploy+web1", &ASKS, &[&both]).await);
    assert_eq!((code, out.as_str(), err.as_str()), (Some(0), SHOWN, "password=hunter3\n"));
    let masked = SHOWN.replace("hunter2", "[password-assign]");
    assert_eq!(shown(&bob.run("deploy+web1", PRINTS).await).1, masked, "who does not ask sees nothing");
    let mut terminal = bob.terminal("deploy+web1", &ASKS, &[PRINTS], (100, 40));
    terminal.sees("PGPASSWORD=hunter2 card").await;
    assert_eq!(terminal.ends().await.0, Some(0));
    let ended = world.ended(3).await;
    let replay = world.replay_of(ended[0].session).await;
    assert_eq!(replay.out(), masked);
    let left = world.stop().await;
    let lifted = left.log.of("mask.lifted");
    let seen: Vec<_> =
        lifted.iter().map(|one| serde_json::to_string(one.body().part("seen").unwrap().map()).unwrap()).collect();
    assert_eq!(seen, ["{\"password-assign\":2}", "{\"password-assign\":1}"]);
    assert!(lifted.iter().all(|one| one.actor().text("name").is_some()));
    let kinds = left.log.kinds(ended[0].session);
    assert_eq!(&kinds[..2], ["authz.decision", "authz.decision"], "{kinds:?}");
    assert_eq!(kinds.iter().filter(|kind| **kind == "mask.applied").count(), 2, "{kinds:?}");
    let tells = |entry: &sallyport::ledger::entry::Entry| String::from_utf8_lossy(entry.bytes()).contains("hunter");
    assert!(!left.log.0.iter().any(tells));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_see_it_any_more_is_cut() {
    let policy: &'static str = Box::leak(format!("{POLICY}{UNMASK}").into_boxed_str());
    let world = world(policy).await;
    let bob = world.person(Person::Bob).await;
    let mut ssh = bob.terminal("deploy+web1", &ASKS, &["echo begun; exec sleep 1000"], (80, 24));
    ssh.sees("begun").await;
    let done = world.reload(&world.config, Some(POLICY)).await.unwrap();
    assert_eq!(done.ended, 1);
    ssh.sees("does not allow it any more").await;
    let left = world.stop().await;
    let last = left.log.of("authz.decision").into_iter().next_back().unwrap();
    assert_eq!(last.body().text("action"), Some("unmask"));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_command_whose_content_need_not_be_kept_the_recording_has_digests_of_what_was_shown() {
    let world = world(SHORT).await;
    let bob = world.person(Person::Bob).await;
    let output = bob.feed("deploy+web1", &format!("{PRINTS}; cat >&2"), b"PGPASSWORD=hunter3\n").await;
    let masked = "PGPASSWORD=[password-assign] card 4111 1111 1111 1111 at 192.0.2.7 .\n";
    let echoed = "PGPASSWORD=[password-assign]\n";
    assert_eq!(shown(&output), (Some(0), masked.into(), echoed.into()), "it is masked all the same");
    let session = world.ended(1).await[0].session;
    let replay = world.replay_of(session).await;
    assert!(replay.out().is_empty() && replay.input.is_empty());
    let said = |name, text: &str| {
        format!("{name}: {} bytes not kept, SHA-256 {}", text.len(), sallyport::domain::Digest::of(text.as_bytes()))
    };
    for line in [said("stdout", masked), said("stderr", echoed), said("input", echoed)] {
        assert!(replay.markers.contains(&line), "{line} is not in {:?}", replay.markers);
    }
    assert_eq!(replay.preamble.about.unwrap().kept.as_deref(), Some("digest"));
    // What a shell did only its recording says; and one permit that does not say so is enough.
    let library = bob.bare("deploy+web1").await;
    let talk = library.open().await;
    talk.write.request_shell(true).await.unwrap();
    talk.write.data_bytes(&b"echo kept; exit\n"[..]).await.unwrap();
    talk.ends().await;
    let shell = world.ended(2).await[1].session;
    assert!(world.replay_of(shell).await.out().contains("kept"));
    let mut running = library.exec("echo begun; exec sleep 1000").await;
    running.until(|got| got.out == "begun\n").await;
    let done = world.reload(&world.config, Some(&format!("{SHORT}{ADDRESSES}"))).await.unwrap();
    assert_eq!(done.ended, 1, "what it prints must be kept now");
    bob.run("deploy+web1", "echo whole").await;
    let whole = world.ended(4).await[3].session;
    assert_eq!(world.replay_of(whole).await.out(), "whole\n");
    let left = world.stop().await;
    let kept: Vec<_> = left.log.of("recording.open").iter().map(|one| one.body().text("kept").is_some()).collect();
    assert_eq!(kept, [true, false, true, false]);
    assert_eq!(left.log.of("mask.applied").len(), 3);
}
