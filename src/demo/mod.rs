//! The whole story on loopback: secrets of one run, commands never as root.
//!
//! `issuer` and `target` stand in for the world around a bastion; the tests use them too. Neither
//! listens anywhere but on loopback, and nothing here is meant to guard anything real.

pub mod issuer;
pub mod target;
#[cfg(test)]
mod tests;
