//! Which ciphers a client is offered, by what it says first.

use sallyport::demo::issuer::Person;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::World;
use crate::support::stock::finish;

const CHACHA: &str = "chacha20-poly1305@openssh.com";
const GCM: &str = "aes128-gcm@openssh.com,aes256-gcm@openssh.com";

/// The ciphers that the bastion offers, towards it, to a client that says this and then waits.
async fn offered(world: &World, says: &[u8]) -> String {
    let mut stream = TcpStream::connect(world.bastion.ssh).await.unwrap();
    stream.write_all(says).await.unwrap();
    let mut line = Vec::new();
    while !line.ends_with(b"\r\n") {
        line.push(stream.read_u8().await.unwrap());
    }
    assert_eq!(line, b"SSH-2.0-Sallyport\r\n");
    let mut packet = vec![0; stream.read_u32().await.unwrap() as usize];
    stream.read_exact(&mut packet).await.unwrap();
    // The padding's length, the kind, the cookie.
    let mut rest = &packet[18..];
    let mut lists = std::iter::from_fn(|| {
        let (length, after) = rest.split_first_chunk().unwrap();
        let (list, after) = after.split_at(u32::from_be_bytes(*length) as usize);
        rest = after;
        Some(String::from_utf8(list.to_vec()).unwrap())
    });
    lists.nth(2).unwrap()
}

fn hello(ciphers: &str) -> Vec<u8> {
    let mut message = vec![20];
    message.extend([7; 16]);
    for list in
        ["curve25519-sha256", "ssh-ed25519", ciphers, ciphers, "hmac-sha2-256", "hmac-sha2-256", "none", "none", "", ""]
    {
        message.extend(u32::try_from(list.len()).unwrap().to_be_bytes());
        message.extend(list.as_bytes());
    }
    message.extend([0; 5]);
    let padding = 4 + (8 - (message.len() + 9) % 8) % 8;
    let mut hello = b"SSH-2.0-Test\r\n".to_vec();
    hello.extend(u32::try_from(message.len() + 1 + padding).unwrap().to_be_bytes());
    hello.push(u8::try_from(padding).unwrap());
    hello.extend(message);
    hello.extend(vec![0; padding]);
    hello
}

fn has_aes() -> bool {
    std::fs::read_to_string("/proc/cpuinfo").unwrap().split_ascii_whitespace().any(|flag| flag == "aes")
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_knows_aes_gcm_is_offered_nothing_slower_and_everybody_else_is_offered_all() {
    let world = World::start().await;
    let all = offered(&world, b"SSH-2.0-Patient\r\n").await;
    assert!(all.contains(CHACHA) && all.contains(GCM) && all.contains("aes256-ctr"), "{all}");
    let (mut to_openssh, mut tries) = (String::new(), 0);
    // What it says may come too late on a busy machine, but not always.
    while tries < 50 && (tries == 0 || to_openssh == all) {
        to_openssh = offered(&world, &hello(&format!("{CHACHA},aes128-ctr,{GCM}"))).await;
        tries += 1;
    }
    assert_eq!(to_openssh, if has_aes() { GCM } else { &all });
    assert_eq!(offered(&world, &hello(&format!("{CHACHA},aes128-ctr"))).await, all);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_wants_chacha_alone_gets_it() {
    let world = World::start().await;
    let bob = world.person(Person::Bob).await;
    let ssh = bob.command("deploy+web1", &["-v", "-c", CHACHA], &["exit 3"]);
    let output = finish(ssh, b"").await;
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains(&format!("server->client cipher: {CHACHA}")), "{said}");
    world.stop().await;
}
