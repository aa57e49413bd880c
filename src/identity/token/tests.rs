//! Bad tokens, each with its own reason.
