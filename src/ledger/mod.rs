//! Evidence: facts go in, durable entries of a signed transparency log come out.
//!
//! Knows entries, tiles and checkpoints. Refuses to know what a fact means, to acknowledge what is
//! not on the disk, and to go on after a write that failed.

pub mod checkpoint;
pub mod entry;

mod body;
#[cfg(test)]
mod examples;
