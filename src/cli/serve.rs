//! `serve` and `demo`: run until there is nothing more to do.

use std::path::Path;
use std::time::Duration;

use super::{Error, runtime, terminal, variable, variable_os};
use crate::{app, demo};

pub(super) fn run(config: &Path) -> Result<(), Error> {
    // Before any thread: what was handed over is taken out of the environment.
    let system = system()?;
    let runtime = runtime()?;
    let served = runtime.block_on(app::serve(config, system));
    // What was not drained within its time is cut with the process; its recordings are recovered at the next start.
    runtime.shutdown_background();
    served.map_err(Error::Serve)
}

/// What a service manager has handed over.
fn system() -> Result<app::System, Error> {
    let names = variable("LISTEN_FDNAMES").unwrap_or_default();
    let mut names = names.split(':');
    let mut handed = listenfd::ListenFd::from_env();
    let mut listeners = Vec::new();
    for at in 0..handed.len() {
        let name = names.next().unwrap_or_default().to_owned();
        listeners.extend(handed.take_tcp_listener(at).map_err(Error::Handed)?.map(|listener| (name, listener)));
    }
    let ours = variable("WATCHDOG_PID").is_none_or(|pid| pid == std::process::id().to_string());
    let micros = variable("WATCHDOG_USEC").filter(|_| ours).and_then(|micros| micros.parse().ok());
    Ok(app::System {
        listeners,
        notify: variable_os("NOTIFY_SOCKET"),
        watchdog: micros.filter(|micros| *micros > 0).map(Duration::from_micros),
    })
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
