//! What was seen.

pub mod asciicast;
