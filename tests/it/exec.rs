//! Commands without a terminal: streams, exit codes, input, refusals.

use sallyport::demo::issuer::Person;

use crate::support::{World, shown};

#[tokio::test(flavor = "multi_thread")]
async fn both_streams_and_the_exit_code_come_back() {
    let world = World::start().await;
    let alice = world.person(Person::Alice).await;
    let output = alice.run("deploy+web1", "echo out; echo err >&2; exit 7").await;
    assert_eq!(shown(&output), (Some(7), "out\n".into(), "err\n".into()));
    world.stop().await;
}
