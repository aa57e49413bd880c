//! The whole story on loopback: secrets of one run, commands never as root.
//!
//! `issuer` and `target` stand in for the world around a bastion; the tests use them too. `story` walks through what
//! people and a pipeline do, with the stock `ssh` as their client, and checks each step. Nothing listens anywhere but on
//! loopback, nothing here is meant to guard anything real, and nothing is left behind.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;
use tokio::signal::unix::{SignalKind, signal};

use crate::{app, client};

pub mod issuer;
mod secrets;
mod stage;
mod story;
pub mod target;
#[cfg(test)]
mod tests;
mod world;

use stage::Stage;
use world::World;

/// How to tell it.
#[derive(Clone, Debug)]
pub struct Options {
    /// End after the story.
    pub once: bool,
    /// Where a folder for this run can be made; everybody may read there.
    pub folder: PathBuf,
    /// Print to a terminal that takes colour.
    pub styled: bool,
}

/// How long it stays up after the story.
const STAY: Duration = Duration::from_secs(3600);

/// Tells the story; unless told once, stays up to be tried by hand until Ctrl-C. Ends well only if every step held.
pub async fn run(options: Options) -> Result<(), Error> {
    let mut stage = Stage::new(options.styled);
    let ssh = stage::ssh_version().await?;
    let mut terminate = signal(SignalKind::terminate()).map_err(Error::Signal)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Error::Signal)?;
    let world = World::start(&options.folder).await?;
    world.introduce(&stage, &ssh)?;
    let told = tokio::select! {
        told = story::tell(&world, &mut stage) => told.map(|()| true),
        _ = terminate.recv() => Ok(false),
        _ = interrupt.recv() => Ok(false),
    };
    if matches!(told, Ok(true)) && !options.once {
        world.invite(&stage)?;
        tokio::select! {
            () = tokio::time::sleep(STAY) => {}
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            () = world.bastion.failed() => {}
        }
    }
    let whole = matches!(told, Ok(true));
    let closed = story::close(world, &mut stage).await;
    told?;
    closed?;
    let failed = stage.failed();
    match (failed.is_empty(), whole) {
        (true, true) => stage.say("Every step held.\n"),
        (true, false) => Err(Error::Interrupted),
        (false, _) => {
            stage.say(&format!("These did not hold:\n  {}\n", failed.join("\n  ")))?;
            Err(Error::Steps(failed.len()))
        }
    }
}

/// Why the story was not told, or not to its good end.
#[derive(Debug, Error)]
pub enum Error {
    /// The client that people have is not there.
    #[error("the story needs the stock ssh client (OpenSSH), and there is none in PATH: install openssh-client")]
    NoSsh(#[source] io::Error),
    /// Some steps did not hold; which ones was said.
    #[error("{0} steps did not hold")]
    Steps(usize),
    /// By Ctrl-C, before its end.
    #[error("interrupted before the end of the story")]
    Interrupted,
    /// Standard output.
    #[error("standard output")]
    Output(#[source] io::Error),
    /// Signals of the system.
    #[error("signals")]
    Signal(#[source] io::Error),
    /// The folder of this run.
    #[error("{path}", path = path.display())]
    Folder {
        /// Which file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Nothing to listen on.
    #[error("listen on loopback")]
    Listen(#[source] io::Error),
    /// The demo issuer.
    #[error("demo issuer")]
    Issuer(#[from] issuer::Error),
    /// A demo target.
    #[error("demo target")]
    Target(#[from] target::Error),
    /// What `init` makes has another shape than the story expects.
    #[error("the story does not know the {what}")]
    Unknown {
        /// Of what.
        what: &'static str,
    },
    /// `init`.
    #[error("init")]
    Init(#[from] app::init::Error),
    /// The config of this run.
    #[error("the config has faults\n{0}")]
    Config(#[from] app::config::Faults),
    /// The bastion.
    #[error("start the bastion")]
    Start(#[from] app::ServeError),
    /// The client could not write what it got.
    #[error("client")]
    Client(#[from] client::Error),
    /// A child of this process.
    #[error("run {program}")]
    Child {
        /// Which.
        program: &'static str,
        /// What the system said.
        source: io::Error,
    },
}
