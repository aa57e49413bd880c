//! `serve` and `demo`: run until there is nothing more to do.

use std::path::Path;

use super::{Error, runtime, terminal};
use crate::{app, demo};

pub(super) fn run(config: &Path) -> Result<(), Error> {
    let runtime = runtime()?;
    let served = runtime.block_on(app::serve(config));
    // What was not drained within its time is cut with the process; its recordings are recovered at the next start.
    runtime.shutdown_background();
    served.map_err(Error::Serve)
}

pub(super) fn demo(once: bool) -> Result<(), Error> {
    let options = demo::Options { once, folder: std::env::temp_dir(), styled: terminal::is_styled() };
    let runtime = runtime()?;
    let told = runtime.block_on(demo::run(options));
    runtime.shutdown_background();
    match told {
        Ok(()) => Ok(()),
        // The story has said which step it was.
        Err(demo::Error::Steps(_)) => Err(Error::Said(super::FAILED)),
        Err(error) => Err(Error::Demo(error)),
    }
}
