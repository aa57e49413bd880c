//! A bastion in process, with the demo issuer and demo targets on loopback, a store in memory, and the stock `ssh` client.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a failing test may end at once"
)]
#![allow(unreachable_pub, missing_docs, reason = "nothing here is for others")]

mod again;
mod approval;
mod console;
mod exec;
mod faults;
mod flow;
mod glass;
mod guarded;
mod jump;
mod lent;
mod limits;
mod login;
mod many;
mod masking;
mod notify;
mod offer;
mod ops;
mod policy;
mod recording;
mod reload;
mod revoke;
mod shell;
mod stop;
mod support;
mod votes;
mod window;
