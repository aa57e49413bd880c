//! People elsewhere are told that something waits: by a signed webhook, a chat, a program; each attempt's end a record.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use sallyport::demo::issuer::Person;
use sallyport::drain::Drain;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::time::timeout;

use crate::support::{Setup, until};

const HELD: &str = r#"
@id("certify") permit (principal, action == Sallyport::Action::"certify", resource);
@id("everything") permit (principal, action == Sallyport::Action::"exec", resource is Sallyport::Target);
@id("hold-all") @require_approval("1")
forbid (principal, action == Sallyport::Action::"exec", resource) unless { context.approval.count >= 1 };
"#;
const KEY: &[u8] = b"a key of thirty-two bytes, or so";

/// A request as it came: head in lower case, body.
type Got = (String, String);

/// A receiver that answers with these statuses, the last of them for ever.
async fn receiver(drain: &Drain, statuses: &'static [u16]) -> (u16, Arc<Mutex<Vec<Got>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let got: Arc<Mutex<Vec<Got>>> = Arc::default();
    let seen = got.clone();
    drain.spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut bytes = Vec::new();
            let whole = async {
                loop {
                    let mut piece = [0; 4096];
                    let count = stream.read(&mut piece).await.unwrap();
                    bytes.extend(&piece[..count]);
                    let text = String::from_utf8_lossy(&bytes).into_owned();
                    let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
                    let head = head.to_lowercase();
                    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
                    if body.len() >= length.parse().unwrap() {
                        return (head, body.to_owned());
                    }
                }
            };
            let one = timeout(Duration::from_secs(10), whole).await.unwrap();
            let status = {
                let mut all = seen.lock().unwrap();
                all.push(one);
                statuses[(all.len() - 1).min(statuses.len() - 1)]
            };
            let answer = format!("HTTP/1.1 {status} x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    (port, got)
}

fn header<'a>(head: &'a str, name: &str) -> &'a str {
    let line = head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    line.unwrap_or_else(|| panic!("no {name} in {head}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_told_once_everywhere_and_each_end_is_a_record() {
    let drain = Drain::new();
    let (hook, hooked) = receiver(&drain, &[503, 204]).await;
    let (chat, chatted) = receiver(&drain, &[200]).await;
    let (gone, refused) = receiver(&drain, &[404]).await;
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str, mode: u32| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
        path.display().to_string()
    };
    let secret = file("secret", &format!("whsec_{}", BASE64_STANDARD.encode(KEY)), 0o600);
    let address = file("address", &format!("http://127.0.0.1:{chat}/T0/token\n"), 0o600);
    let page = file("page", "#!/bin/sh\ncat >>\"$1\"\n", 0o755);
    let paged = dir.path().join("paged");
    let config = format!(
        "[[notify]]\nname = \"hook\"\nkind = \"webhook\"\nurl = \"http://127.0.0.1:{hook}/in\"\nsecret_file = \"{secret}\"\n\
         internal = true\n\
         [[notify]]\nname = \"chat\"\nkind = \"chat\"\nurl_file = \"{address}\"\ninternal = true\n\
         [[notify]]\nname = \"gone\"\nkind = \"chat\"\nurl = \"http://127.0.0.1:{gone}/\"\ninternal = true\n\
         [[notify]]\nname = \"page\"\nkind = \"command\"\ncommand = [\"{page}\", \"{}\"]\n",
        paged.display()
    );
    let world = Setup { policy: Some(HELD), config: config.leak(), ..Setup::new() }.start().await;
    let bob = world.person(Person::Bob).await;
    let mut child =
        bob.start("deploy+web1", &["-o", "SetEnv=SALLYPORT_WAIT=4s"], "echo 'a <b>'; login --password=correct-horse-9");
    drop(child.stdin.take());
    assert_eq!(timeout(Duration::from_secs(30), child.wait()).await.unwrap().unwrap().code(), Some(75));
    // Of the request and of its end, by four channels.
    let told = until("what came of notices", async || {
        let log = world.log().await;
        let word = |one: &sallyport::ledger::entry::Entry, name| one.body().text(name).unwrap_or("").to_owned();
        let all: Vec<_> = log
            .of("approval.notified")
            .into_iter()
            .map(|one| (word(one, "channel"), word(one, "event"), word(one, "reason")))
            .collect();
        (all.len() >= 8).then_some(all)
    })
    .await;
    for channel in ["hook", "chat", "gone", "page"] {
        for event in ["approval.requested", "approval.resolved"] {
            let reason = if channel == "gone" { "refused" } else { "" };
            let expect = (channel.to_owned(), event.to_owned(), reason.to_owned());
            assert_eq!(told.iter().filter(|one| **one == expect).count(), 1, "{expect:?} in {told:?}");
        }
    }
    let hooked = hooked.lock().unwrap().clone();
    assert_eq!(hooked.len(), 3, "one failed attempt, and two deliveries");
    for (head, body) in &hooked {
        let (id, time) = (header(head, "webhook-id"), header(head, "webhook-timestamp"));
        // Header values keep their case nowhere in `head`, so both are compared in lower case.
        let key = hmac::Key::new(hmac::HMAC_SHA256, KEY);
        let tag = hmac::sign(&key, format!("{}.{time}.{body}", id.to_uppercase()).as_bytes());
        assert_eq!(header(head, "webhook-signature"), format!("v1,{}", BASE64_STANDARD.encode(tag)).to_lowercase());
    }
    assert_eq!(header(&hooked[0].0, "webhook-id"), header(&hooked[1].0, "webhook-id"), "the same delivery again");
    let body: serde_json::Value = serde_json::from_str(&hooked[1].1).unwrap();
    assert_eq!(
        (body["event"].as_str(), body["command"].as_str()),
        (Some("approval.requested"), Some("echo 'a <b>'; login --password=[password-assign]"))
    );
    let last: serde_json::Value = serde_json::from_str(&hooked[2].1).unwrap();
    assert_eq!((last["event"].as_str(), last["state"].as_str()), (Some("approval.resolved"), Some("expired")));
    let chatted = chatted.lock().unwrap().clone();
    assert!(
        chatted[0].1.contains("asks for echo 'a &lt;b&gt;'; login --password=[password-assign] as deploy@web1"),
        "{}",
        chatted[0].1
    );
    assert_eq!(refused.lock().unwrap().len(), 2, "a lasting no is not asked again");
    let paged = std::fs::read_to_string(&paged).unwrap();
    assert_eq!(paged.lines().count(), 2);
    assert!(paged.lines().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()));
    world.stop().await;
}
