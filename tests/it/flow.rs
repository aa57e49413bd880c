//! Flow control: nobody's slowness stops anybody else, and nothing is lost to it.

use std::time::Duration;

use sallyport::demo::issuer::Person;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use crate::support::World;
use crate::support::stock::{finish, flood};

const LONG: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_pauses_loses_nothing_and_the_pause_is_felt_at_the_other_end() {
    let world = World::start().await;
    let bob = world.person(Person::Bob).await;
    let mut child = bob.start("deploy+web1", &[], "cat");
    // Nobody reads: everything between the two ends fills up, and that is a bounded amount.
    let sent = flood(&mut child).await;
    assert!((1 << 20..48 << 20).contains(&sent), "{sent} bytes went before it stood still");
    let (mut stdin, mut stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let total = 64 << 20;
    let feeding = async move {
        let zeros = vec![0; 256 * 1024];
        let mut left = total - sent;
        while left > 0 {
            let piece = left.min(zeros.len() as u64);
            stdin.write_all(&zeros[..piece as usize]).await.unwrap();
            left -= piece;
        }
    };
    let counting = async {
        let (mut count, mut buffer) = (0, vec![0; 256 * 1024]);
        loop {
            match stdout.read(&mut buffer).await.unwrap() {
                0 => return count,
                read => count += read as u64,
            }
        }
    };
    let (count, ()) = timeout(LONG, async { tokio::join!(counting, feeding) }).await.expect("it goes on");
    assert_eq!(count, total);
    assert_eq!(child.wait().await.unwrap().code(), Some(0));
    assert_eq!(world.ended(1).await[0].ended.as_ref().unwrap().bytes_out, total);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unread_download_does_not_stop_a_command_on_the_same_connection() {
    let world = World::start().await;
    let bob = world.person(Person::Bob).await;
    let master = bob.master("deploy+web1").await;
    let mut child = master.start("cat /dev/zero");
    let mut first = vec![0; 1 << 20];
    timeout(LONG, child.stdout.as_mut().unwrap().read_exact(&mut first)).await.unwrap().unwrap();
    for n in 0..5 {
        let run = timeout(Duration::from_secs(10), master.run(&format!("exit {n}"))).await.expect("an exit");
        assert_eq!(run.status.code(), Some(n));
    }
    child.kill().await.unwrap();
    // OpenSSH's master may say so only when something else wakes it; without this our sign of life would, after 30 s.
    assert_eq!(master.run("exit 9").await.status.code(), Some(9));
    world.ended(7).await;
    world.web.idle().await;
    drop(master);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_nobody_reads_does_not_stop_a_command_on_the_same_connection() {
    let world = World::start().await;
    let bob = world.person(Person::Bob).await;
    let master = bob.master("deploy+web1").await;
    let mut child = master.start("exec sleep 1000");
    let sent = flood(&mut child).await;
    assert!(sent < 48 << 20, "{sent} bytes went nowhere");
    for n in 0..5 {
        let run = timeout(Duration::from_secs(10), master.run(&format!("exit {n}"))).await.expect("an exit");
        assert_eq!(run.status.code(), Some(n));
    }
    child.kill().await.unwrap();
    // OpenSSH's master may say so only when something else wakes it; without this our sign of life would, after 30 s.
    assert_eq!(master.run("exit 9").await.status.code(), Some(9));
    world.ended(7).await;
    world.web.idle().await;
    // What was left of it blocks no upload that comes later.
    let output = timeout(Duration::from_secs(20), master.feed("wc -c", &vec![1; 4 << 20])).await.expect("an end");
    assert_eq!(output.stdout, b"4194304\n");
    drop(master);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_one_byte_packets_arrive() {
    let world = World::start().await;
    let bob = world.person(Person::Bob).await;
    let library = bob.bare("deploy+web1").await;
    let mut talk = library.exec("wc -c").await;
    for _ in 0..5000 {
        talk.write.data_bytes(&b"x"[..]).await.unwrap();
    }
    talk.write.eof().await.unwrap();
    talk.until(|got| got.ended).await;
    assert_eq!((talk.got.out.as_str(), talk.got.status), ("5000\n", Some(0)));
    drop((talk, library));
    let replay = world.replay().await;
    assert_eq!(replay.input, vec![b'x'; 5000]);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_changed_in_the_middle_of_both_directions() {
    let world = World::start().await;
    let bob = world.person(Person::Bob).await;
    let mut noise = vec![0; 8 << 20];
    aws_lc_rs::rand::fill(&mut noise).unwrap();
    let ssh = bob.command("deploy+web1", &["-v", "-o", "RekeyLimit=1M"], &["cat; exit 3"]);
    let output = finish(ssh, &noise).await;
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(output.stdout == noise, "{} bytes came back", output.stdout.len());
    let changes = said.matches("SSH2_MSG_NEWKEYS received").count();
    assert!(changes > 4, "keys were set {changes} times");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_durable_before_it_is_shown_is_all_there_too() {
    let world = World::start().await;
    let alice = world.person(Person::Alice).await;
    let mut noise = vec![0; 4 << 20];
    aws_lc_rs::rand::fill(&mut noise).unwrap();
    let output = alice.feed("deploy+db1", "cat", &noise).await;
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.stdout == noise, "{} bytes came back", output.stdout.len());
    let replay = world.replay().await;
    assert!(replay.out == noise && replay.input == noise);
    world.stop().await;
}
