//! Sallyport: an SSH bastion whose every access is one identity, allowed by a written rule,
//! recorded, and provable afterwards.
//!
//! The rooms in reading order, ground floor first; an arrow between rooms points only downwards
//! (`docs/ARCHITECTURE.md` has the plan, `tests/house.rs` holds it):
//!
//! 1. `domain` the nouns; `wire` shapes of `/v1`; `merkle` tree hashes and proofs; `mask`
//!    secrets out of a stream; `store` durable bytes; `signer` lasting keys; `clock` time; `drain` tasks.
//! 2. `policy` what may be done; `ledger` evidence; `recording` what was seen.
//! 3. `identity` from ID token to certificate.
//! 4. `session` a governed session: decide, record, open the recording, act, close.
//! 5. `console` the bastion's own commands.
//! 6. `gateway` SSH in, SSH out; `http` certificates; `client` a user's machine.
//! 7. `app` the one place that knows every room.
//! 8. `demo` the whole story on loopback.
//! 9. `cli` a person at a terminal of this machine.

pub mod app;
pub mod approval;
pub mod cli;
pub mod client;
pub mod clock;
pub mod console;
pub mod demo;
pub mod domain;
pub mod drain;
pub mod gateway;
pub mod http;
pub mod identity;
pub mod ledger;
pub mod mask;
pub mod merkle;
pub mod policy;
pub mod recording;
pub mod session;
pub mod signer;
pub mod store;
pub mod wire;
