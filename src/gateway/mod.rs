//! The ways in. One protocol a folder; none of them has rules of its own.

pub mod ssh;
