//! The one place that knows every room.

pub mod config;
pub mod file;
mod rights;
pub mod init;
