//! `witness`: sign other logs' checkpoints as long as they only grow.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

use super::evidence::read_trust;
use super::{Error, runtime, terminal};
use crate::app::witness::{self, Settings};

/// Whose witness, and where.
#[derive(Args, Debug)]
pub(super) struct Witness {
    /// The folder for its key and what it has signed; both are made at the first start. Losing it is losing the witness.
    #[arg(long, value_name = "FOLDER")]
    dir: PathBuf,
    /// The name of its key, for example witness.example.com/w1.
    #[arg(long, value_name = "NAME")]
    name: String,
    /// The logs: trust files as `ssh BASTION evidence trust` prints them.
    #[arg(long, value_name = "FILE", required = true)]
    log: Vec<PathBuf>,
    /// Where to listen for plain HTTP; a proxy in front of it speaks TLS.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8117")]
    listen: SocketAddr,
    /// Only print the line of a trust file that names this witness.
    #[arg(long)]
    print_key: bool,
}

pub(super) fn run(asked: Witness) -> Result<(), Error> {
    let mut logs = Vec::new();
    for file in &asked.log {
        logs.extend(read_trust(file)?.logs);
    }
    let settings = Settings { name: asked.name, folder: asked.dir, listen: asked.listen, logs };
    if asked.print_key {
        return terminal::out(&witness::key_line(&settings).map_err(Error::Witness)?);
    }
    runtime()?.block_on(witness::serve(settings)).map_err(Error::Witness)
}
