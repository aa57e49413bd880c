//! The story: what people and a pipeline do at a bastion, step by step, each step checked.
//!
//! Every `ssh` here is the stock client, run as it is printed.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;
use tokio::time::sleep;

use super::issuer::Person;
use super::stage::{self, Came, Stage, word};
use super::world::{LOGIN, NAME, Visitor, World};
use super::{Error, secrets};
use crate::domain::printable;

/// Tells it. What did not hold is on the stage; an error is what kept it from being told.
pub(super) async fn tell(world: &World, stage: &mut Stage) -> Result<(), Error> {
    let alice = sign_in(world, stage).await?;
    let session = command(&alice, stage).await?;
    script(&alice, stage).await?;
    terminal(&alice, stage).await?;
    let job = pipeline(world, stage).await?;
    approval(world, stage, &job, &alice).await?;
    let bob = refused(world, stage).await?;
    targets_log(world, stage, &alice)?;
    let carol = review(world, stage, session.as_deref()).await?;
    let Some(session) = session else { return Ok(()) };
    own_only(&bob, stage, &session).await?;
    replay(&carol, stage, &session).await?;
    export(world, &carol, stage, &session).await?;
    secrets::masked(stage, &alice, &carol).await?;
    secrets::evidence(world, stage, &carol).await
}

/// The bastion stops, and its log is checked from its first entry to its signed end.
pub(super) async fn close(world: World, stage: &mut Stage) -> Result<(), Error> {
    stage.step("The bastion stops; its log is read back, every entry, tile and signature")?;
    let ended = world.end().await?;
    stage.shows(&format!("{} entries under a signed checkpoint, {} behind it", ended.entries, ended.unsigned))?;
    for fault in &ended.faults {
        stage.shows(fault)?;
    }
    stage.check("the log is whole, and what is in it is what was signed", ended.faults.is_empty())?;
    stage.check("it was closed in order: nothing is unsigned", ended.entries > 0 && ended.unsigned == 0)
}

async fn sign_in(world: &World, stage: &mut Stage) -> Result<Visitor, Error> {
    stage.step("Alice signs in with her browser and gets a certificate")?;
    stage.typed(&format!("sallyport login {} --issuer corp --files", world.url))?;
    let alice = world.person(Person::Alice).await?;
    let outcome = &alice.signed_in.outcome;
    let minutes = outcome.until.since(world.clock.now()).as_secs().div_ceil(60);
    stage.shows(&format!(
        "You are {} ({}) at {}, for {} h {} min.\n(The browser answers by itself here. Key, certificate and ssh's config are files of this run.)",
        printable(&outcome.name, 100),
        outcome.principal,
        outcome.bastion,
        minutes / 60,
        minutes % 60,
    ))?;
    stage.check("the certificate is hers, and ends within eight hours", {
        outcome.name.contains("alice") && (1..=8 * 60).contains(&minutes)
    })?;
    Ok(alice)
}

/// The session's id, if there is one.
async fn command(alice: &Visitor, stage: &mut Stage) -> Result<Option<String>, Error> {
    stage.step("She runs a command on web1 with plain ssh")?;
    let came = alice.on(stage, "web1", &["echo out; echo err >&2; exit 7"], "").await?;
    stage.check("standard output, standard error and exit code are the command's own", {
        came.out == b"out\n" && came.err == b"err\n" && came.code == Some(7)
    })?;
    let listed = alice.ssh(&[NAME, "sessions", "list", "--json"], "").await?;
    let listed: Value = serde_json::from_slice(&listed.out).unwrap_or_default();
    let session = listed.pointer("/sessions/0/session").and_then(Value::as_str).map(str::to_owned);
    stage.check("the bastion has a session of it", session.is_some())?;
    Ok(session)
}

async fn script(alice: &Visitor, stage: &mut Stage) -> Result<(), Error> {
    stage.step("A script on standard input: that is the command, so it is recorded too")?;
    let script = "for word in one two three; do\n  echo $word\ndone\n";
    let came = alice.on(stage, "web1", &["bash -s"], script).await?;
    stage.check("it ran", came.out == b"one\ntwo\nthree\n" && came.code == Some(0))?;
    let listed = alice.ssh(&[NAME, "sessions", "list", "--json"], "").await?;
    let listed: Value = serde_json::from_slice(&listed.out).unwrap_or_default();
    let id = listed.pointer("/sessions/0/session").and_then(Value::as_str).unwrap_or("none").to_owned();
    let seen = alice.console(stage, &["play", &id, "--input"]).await?;
    stage.check("the recording has the script", seen.err().contains("for word in one two three; do"))
}

async fn terminal(alice: &Visitor, stage: &mut Stage) -> Result<(), Error> {
    stage.step("A shell with a terminal, in production: recorded to disk before she sees it")?;
    let typed = "tty >/dev/null && echo a terminal: $((6 * 7))\nexit 3\n";
    let place = format!("{LOGIN}+db1@{NAME}");
    stage.typed(&format!("ssh -F {} -tt {place}", alice.config.display()))?;
    let came = alice.ssh(&["-tt", &place], typed).await?;
    stage.came(&came)?;
    stage.check("it was a terminal, and its exit code came back", {
        came.out().contains("a terminal: 42") && came.code == Some(3)
    })
}

async fn pipeline(world: &World, stage: &mut Stage) -> Result<Visitor, Error> {
    stage.step("A pipeline trades its CI token for a certificate")?;
    stage.typed(&format!("sallyport login {} --ci github", world.url))?;
    let job = world.pipeline().await?;
    let outcome = &job.signed_in.outcome;
    let minutes = outcome.until.since(world.clock.now()).as_secs().div_ceil(60);
    stage.shows(&format!("You are {} ({}), for {minutes} min.", printable(&outcome.name, 100), outcome.principal))?;
    stage.check("it lives ten minutes at most, and names the repository", {
        outcome.name.contains("example/shop") && minutes <= 10
    })?;
    let came = job.on(stage, "db1", &["echo deployed"], "").await?;
    stage.check(
        "it runs a command where the target's labels expect it",
        came.out == b"deployed\n" && came.code == Some(0),
    )?;
    let came = job.on(stage, "web1", &["echo deployed"], "").await?;
    stage.check("elsewhere it is refused", came.out.is_empty() && came.code == Some(126))?;
    Ok(job)
}

async fn approval(world: &World, stage: &mut Stage, job: &Visitor, alice: &Visitor) -> Result<(), Error> {
    stage.step("An agent in the pipeline restarts a service in production: held until a person agrees")?;
    let before = world.db.runs().len();
    let restart = "sudo systemctl restart shop";
    let (came, answered) = held(stage, job, restart, alice, async |stage, id, digest| {
        stage.check("nothing has run while it is held", world.db.runs().len() == before)?;
        alice.console(stage, &["approve", id, "--digest", digest]).await
    })
    .await?;
    stage.check("alice agreed to exactly that", answered.code == Some(0))?;
    stage.check("then it ran, and its output went back to the agent", {
        came.out == b"done: systemctl restart shop\n" && came.code == Some(0)
    })?;
    stage.check("it ran once", world.db.runs().len() == before + 1)?;
    stage.step("It tries to stop the service; Alice says no, and why")?;
    let stop = "sudo systemctl stop shop";
    let (came, answered) = held_again(stage, job, stop, alice).await?;
    stage.check("a no is enough", answered.code == Some(0))?;
    stage.check("the agent reads why, in words it can use, and nothing ran", {
        let told = came.err().contains("denied by") && came.err().contains("restart it, or ask the shop team");
        told && came.code == Some(126) && world.db.runs().len() == before + 1
    })
}

async fn held_again(stage: &mut Stage, job: &Visitor, command: &str, alice: &Visitor) -> Result<(Came, Came), Error> {
    held(stage, job, command, alice, async |stage, id, _| {
        // In one word: ssh joins its words with blanks.
        alice.console(stage, &[&format!("deny {id} --reason 'restart it, or ask the shop team'")]).await
    })
    .await
}

/// A command that is held, and what somebody does about it, given its id and the start of its digest.
async fn held(
    stage: &mut Stage,
    job: &Visitor,
    command: &str,
    alice: &Visitor,
    answer: impl AsyncFnOnce(&mut Stage, &str, &str) -> Result<Came, Error>,
) -> Result<(Came, Came), Error> {
    let place = format!("{LOGIN}+db1@{NAME}");
    stage.typed(&format!("ssh -F {} {place} {}", job.config.display(), word(command)))?;
    let answered = async {
        let open = waits_for(alice, command).await?;
        let text = |name: &str| open.get(name).and_then(Value::as_str).unwrap_or("none").to_owned();
        let digest: String = text("digest").chars().take(8).collect();
        alice.console(stage, &["approvals"]).await?;
        answer(stage, &text("id"), &digest).await
    };
    let words = [place.as_str(), command];
    let (came, answered) = tokio::join!(job.ssh(&words, ""), answered);
    let (came, answered) = (came?, answered?);
    stage.came(&came)?;
    Ok((came, answered))
}

/// The open request for this command, once there is one; nothing if it does not come.
async fn waits_for(who: &Visitor, command: &str) -> Result<Value, Error> {
    for _ in 0..LOOKS {
        let listed = who.ssh(&[NAME, "approvals", "--json"], "").await?;
        let listed: Value = serde_json::from_slice(&listed.out).unwrap_or_default();
        let all = listed.get("approvals").and_then(Value::as_array).cloned().unwrap_or_default();
        let is = |one: &Value| one.get("command").and_then(Value::as_str) == Some(command);
        if let Some(one) = all.into_iter().find(is) {
            return Ok(one);
        }
        sleep(LOOK_AGAIN).await;
    }
    Ok(Value::Null)
}

/// How often, and how many times, the story looks for a request: each look is a whole sign-in.
const LOOK_AGAIN: Duration = Duration::from_millis(100);
const LOOKS: usize = 50;

async fn refused(world: &World, stage: &mut Stage) -> Result<Visitor, Error> {
    stage.step("Bob, a developer, works in test and tries production")?;
    let bob = world.person(Person::Bob).await?;
    let came = bob.on(stage, "web1", &["id -un; pwd"], "").await?;
    stage.check("he reaches web1, and commands never run as root", {
        came.code == Some(0) && !came.out().lines().any(|line| line == "root")
    })?;
    let before = world.db.attempts().len();
    let came = bob.on(stage, "db1", &["id"], "").await?;
    stage.check("he does not reach db1, and hears no more than that there is nothing for him", {
        came.out.is_empty() && came.code == Some(126) && came.err().contains("no target 'db1' for you")
    })?;
    stage.check("nobody knocked at db1 for him", world.db.attempts().len() == before)?;
    Ok(bob)
}

fn targets_log(world: &World, stage: &mut Stage, alice: &Visitor) -> Result<(), Error> {
    stage.step("The targets' own logs name the human, not a shared account")?;
    let (web, db) = (world.web.attempts(), world.db.attempts());
    let shown: Vec<String> = web.first().into_iter().chain(db.last()).map(ToString::to_string).collect();
    stage.shows(&shown.join("\n"))?;
    let name = &alice.signed_in.outcome.name;
    let named = web.first().is_some_and(|attempt| attempt.key_id.contains(name.split('@').next().unwrap_or(name)));
    stage.check("alice is in the log of web1", named)?;
    stage.check("each sign-in was by a certificate for one login, and was let in", {
        web.iter().chain(&db).all(|attempt| attempt.login == LOGIN && attempt.outcome.is_ok())
    })
}

async fn review(world: &World, stage: &mut Stage, session: Option<&str>) -> Result<Visitor, Error> {
    stage.step("Carol, an auditor, looks at what was done")?;
    let carol = world.person(Person::Carol).await?;
    let listed = carol.console(stage, &["sessions", "list"]).await?;
    stage.check("she sees the sessions of everybody", {
        ["alice", "bob", "example/shop"].iter().all(|name| listed.out().contains(name))
    })?;
    if let Some(session) = session {
        let shown = carol.console(stage, &["sessions", "show", session]).await?;
        stage.check("and of one: its decision, its recording, its records in the ledger", {
            shown.code == Some(0) && shown.out().contains("users-outside-production")
                || shown.out().contains("admins-everywhere")
        })?;
    }
    let came = carol.on(stage, "web1", &["id"], "").await?;
    stage.check("she reaches no target", came.code == Some(126))?;
    Ok(carol)
}

async fn own_only(bob: &Visitor, stage: &mut Stage, session: &str) -> Result<(), Error> {
    stage.step("Bob may look at his own sessions and at no others")?;
    let came = bob.console(stage, &["play", session]).await?;
    stage.check("alice's session does not exist for him", came.code == Some(4) && came.out.is_empty())
}

async fn replay(carol: &Visitor, stage: &mut Stage, session: &str) -> Result<(), Error> {
    stage.step("Carol replays Alice's command; with ssh -t it would be a player with keys")?;
    let came = carol.console(stage, &["play", session]).await?;
    stage.check("both streams come back, each where it belongs", {
        came.out == b"out\n" && came.err == b"err\n" && came.code == Some(0)
    })
}

async fn export(world: &World, carol: &Visitor, stage: &mut Stage, session: &str) -> Result<(), Error> {
    stage.step("The recording is text in zstd: other programs read it")?;
    let file = world.file("session.cast.zst");
    let line = format!(
        "ssh -F {} {NAME} export {session} --format raw > {f}\nzstd -dc {f}",
        carol.config.display(),
        f = file.display()
    );
    stage.typed(&line)?;
    let came = carol.ssh(&[NAME, "export", session, "--format", "raw"], "").await?;
    let text = zstd::stream::decode_all(came.out.as_slice()).unwrap_or_default();
    std::fs::write(&file, &came.out).map_err(|source| Error::Folder { path: file, source })?;
    stage.shows(&String::from_utf8_lossy(&text))?;
    let said = streams(&text);
    stage.check("what is stored is what was said, stream by stream", {
        let of = |stream: &str| said.get(stream).map(String::as_str);
        of("stdout") == Some("out\n") && of("stderr") == Some("err\n")
    })
}

/// What a recording says of each stream, read as any reader of asciicast would.
fn streams(text: &[u8]) -> BTreeMap<String, String> {
    let mut said: BTreeMap<String, String> = BTreeMap::new();
    let mut stream = "stdout".to_owned();
    for line in String::from_utf8_lossy(text).lines().skip(1) {
        let Ok((_, code, data)) = serde_json::from_str::<(f64, String, String)>(line) else { continue };
        match code.as_str() {
            "s" => stream = data,
            "o" => said.entry(stream.clone()).or_default().push_str(&data),
            _ => {}
        }
    }
    said
}

impl Visitor {
    /// The stock client, unseen.
    pub(super) async fn ssh(&self, words: &[&str], input: &str) -> Result<Came, Error> {
        stage::ssh(&self.config, words, input.as_bytes()).await
    }

    /// A command on a target, seen.
    pub(super) async fn on(&self, stage: &Stage, target: &str, words: &[&str], input: &str) -> Result<Came, Error> {
        let place = format!("{LOGIN}+{target}@{NAME}");
        let words: Vec<&str> = std::iter::once(place.as_str()).chain(words.iter().copied()).collect();
        self.seen(stage, &words, input).await
    }

    /// A command of the bastion's own, seen.
    async fn console(&self, stage: &Stage, words: &[&str]) -> Result<Came, Error> {
        let words: Vec<&str> = std::iter::once(NAME).chain(words.iter().copied()).collect();
        self.seen(stage, &words, "").await
    }

    async fn seen(&self, stage: &Stage, words: &[&str], input: &str) -> Result<Came, Error> {
        let shown: Vec<String> = words.iter().map(|text| word(text)).collect();
        let here = if input.is_empty() { String::new() } else { format!(" <<'END'\n{input}END") };
        stage.typed(&format!("ssh -F {} {}{here}", self.config.display(), shown.join(" ")))?;
        let came = self.ssh(words, input).await?;
        stage.came(&came)?;
        Ok(came)
    }
}
