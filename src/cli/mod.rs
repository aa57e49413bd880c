//! A person at a terminal of this machine: the command tree, exit codes, completions and the man page.
//!
//! The only room that reads arguments and the environment. Knows no SSH and no evidence: it hands what was asked to
//! the rooms below and says what they say. Secrets never come by argument.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};
use thiserror::Error;

use crate::app::config::Faults;
use crate::{app, client, demo, recording};

mod check;
mod evidence;
mod init;
mod log;
mod login;
mod mask;
mod pages;
mod play;
mod policy;
mod revoke;
mod serve;
mod store;
mod target;
mod terminal;
mod witness;

#[derive(Parser)]
#[command(
    name = "sallyport",
    version,
    about = "An SSH bastion: short-lived certificates from OIDC, recordings, and a ledger that strangers can verify",
    after_help = "Exit codes: 0 done, 1 failed, 2 usage or config, 3 faults found, 4 denied.\n\
                  Environment: SALLYPORT_CONFIG names the config file, SALLYPORT_LOG is the log's filter.",
    max_term_width = 110
)]
struct Line {
    #[command(subcommand)]
    command: Command,
    /// The form of log lines, which go to standard error.
    #[arg(long, global = true, value_enum, default_value_t = LogFormat::Text)]
    log_format: LogFormat,
}

#[derive(Subcommand)]
enum Command {
    /// Make a new bastion in a folder: keys, the log's origin, a config, commented policies.
    Init(init::Init),
    /// Hosts behind the bastion.
    Target {
        #[command(subcommand)]
        command: TargetCommand,
    },
    /// Run the bastion until SIGTERM or Ctrl-C.
    Serve(Which),
    /// Name every fault at once: config, policy, rights, keys, TLS, clock, space, targets, issuers. Opens no store.
    Check(check::Check),
    /// What the rules would answer, and whether they still answer what is expected of them.
    Policy {
        #[command(subcommand)]
        command: policy::Command,
    },
    /// Put somebody out while the bastion is stopped. While it runs: ssh BASTION revoke WHOM --reason TEXT.
    Revoke(revoke::Revoke),
    /// Let a revoked identity sign in again, while the bastion is stopped.
    Reinstate(revoke::Reinstate),
    /// What the bastion keeps: check it against the log, or make it anew from the log.
    Store {
        #[command(subcommand)]
        command: store::Command,
    },
    /// Evidence that somebody handed you: check it without asking anybody.
    Evidence {
        #[command(subcommand)]
        command: evidence::Command,
    },
    /// Be a witness: cosign checkpoints of other logs as long as they only grow (C2SP tlog-witness). Runs until SIGTERM.
    Witness(witness::Witness),
    /// Sign in at a bastion and get a certificate, into the ssh-agent or into files.
    Login(login::Login),
    /// Replay a recording in the terminal. Keys: space pauses, left and right seek, up and down change
    /// speed, ] next marker, / finds, i limits pauses, q quits.
    Play(play::Play),
    /// Hide secrets: standard input to standard output.
    Mask(mask::Mask),
    /// The whole story on loopback, with nothing to configure.
    Demo {
        /// End after the story; exit code 0 only if every step held.
        #[arg(long)]
        once: bool,
    },
    /// Print the version.
    Version,
    /// Print completions for a shell.
    Completions {
        /// Which.
        shell: clap_complete::Shell,
    },
    /// Print the man page.
    Man {
        /// Write a page for each command into this folder instead.
        #[arg(long, value_name = "FOLDER")]
        folder: Option<PathBuf>,
    },
}

#[derive(Subcommand)]
enum TargetCommand {
    /// Scan a host's key, show its fingerprint and the block to be added, and add it to the config.
    Add(target::Add),
}

/// Which config.
#[derive(Args, Clone, Debug)]
struct Which {
    /// The config file. Else what SALLYPORT_CONFIG names, ./sallyport.toml if it is there, or
    /// /etc/sallyport/sallyport.toml.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl Which {
    /// Whether a config was named, or lies where one is looked for.
    fn is_there(&self) -> bool {
        self.config.is_some() || variable("SALLYPORT_CONFIG").is_some() || self.path().exists()
    }

    fn path(&self) -> PathBuf {
        let here = Path::new(FILE_NAME);
        let named = self.config.clone().or_else(|| variable("SALLYPORT_CONFIG").map(PathBuf::from));
        named.unwrap_or_else(
            || if here.exists() { here.to_owned() } else { Path::new("/etc/sallyport").join(FILE_NAME) },
        )
    }
}

const FILE_NAME: &str = "sallyport.toml";

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum LogFormat {
    Text,
    Json,
}

/// Does what the arguments of this process say. The exit code.
pub fn run() -> u8 {
    match Line::try_parse_from(std::env::args_os()) {
        Ok(line) => execute(line),
        Err(error) => {
            // Whoever closed the pipe has seen enough.
            let _ = error.print();
            match error.kind() {
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => 0,
                _ => USAGE,
            }
        }
    }
}

fn execute(line: Line) -> u8 {
    log::start(line.log_format, matches!(line.command, Command::Serve(_)));
    let done = match line.command {
        Command::Init(asked) => init::run(asked),
        Command::Target { command: TargetCommand::Add(add) } => target::add(&add),
        Command::Serve(which) => serve::run(&which.path()),
        Command::Check(asked) => check::run(&asked),
        Command::Policy { command } => policy::run(command),
        Command::Revoke(asked) => revoke::revoke(asked),
        Command::Reinstate(asked) => revoke::reinstate(asked),
        Command::Store { command } => store::run(command),
        Command::Evidence { command } => evidence::run(command),
        Command::Witness(asked) => witness::run(asked),
        Command::Login(asked) => login::run(asked),
        Command::Play(asked) => play::run(&asked),
        Command::Mask(asked) => mask::run(&asked),
        Command::Demo { once } => serve::demo(once),
        Command::Version => terminal::out(concat!("sallyport ", env!("CARGO_PKG_VERSION"), "\n")),
        Command::Completions { shell } => pages::completions(shell),
        Command::Man { folder } => pages::man(folder.as_deref()),
    };
    match done {
        Ok(()) => 0,
        Err(error) => {
            let shown = error.shown();
            if !shown.is_empty() {
                terminal::err(&format!("sallyport: {shown}\n"));
            }
            error.code()
        }
    }
}

fn tree() -> clap::Command {
    Line::command()
}

/// A variable of the environment, if it is set and is text.
#[allow(clippy::disallowed_methods, reason = "the one permitted home")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Likewise, where it is a path.
#[allow(clippy::disallowed_methods, reason = "the one permitted home")]
fn variable_os(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

fn runtime() -> Result<tokio::runtime::Runtime, Error> {
    // Two more than processors: threads that downloads keep busy are set aside by the system for one on which a key comes,
    // tasks on one thread are not set aside for each other.
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get) + 2;
    tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build().map_err(Error::Runtime)
}

/// So many seconds, as people write them.
fn seconds(text: &str) -> Result<Duration, &'static str> {
    let seconds = text.parse().ok().filter(|seconds| (0.0..=86_400.0).contains(seconds));
    seconds.map(Duration::from_secs_f64).ok_or("not a number of seconds")
}

const FAILED: u8 = 1;
const USAGE: u8 = 2;
const FAULTS: u8 = 3;
const DENIED: u8 = 4;

/// Why a command was not done.
#[derive(Debug, Error)]
enum Error {
    /// Standard output was closed, or a question could not be asked.
    #[error("standard input or output")]
    Terminal(#[source] io::Error),
    /// Everything was said already.
    #[error("")]
    Said(u8),
    /// The witness role.
    #[error("")]
    Witness(#[source] app::witness::WitnessError),
    /// Something is missing, and there is nobody to ask.
    #[error("{what} is missing: {mend}")]
    Missing {
        /// What.
        what: &'static str,
        /// How to give it.
        mend: &'static str,
    },
    /// An argument that cannot be meant.
    #[error("{name} {text:?} {why}")]
    Argument {
        /// Which.
        name: &'static str,
        /// What it was.
        text: String,
        /// What is wrong with it.
        why: String,
    },
    /// The person said no.
    #[error("not done")]
    Declined,
    /// A service manager's.
    #[error("a socket of the service manager (LISTEN_FDS) is no TCP listener")]
    Handed(#[source] io::Error),
    /// The threads of this process.
    #[error("start the runtime")]
    Runtime(#[source] io::Error),
    /// A file or folder.
    #[error("{path}", path = path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The config.
    #[error("the config has faults\n{0}")]
    Config(Faults),
    /// What `policy check` was to look at.
    #[error("{0}")]
    Unfit(Faults),
    /// `init`.
    #[error("init")]
    Init(#[source] app::init::Error),
    /// `serve`.
    #[error("serve")]
    Serve(#[source] app::ServeError),
    /// `store succeed`.
    #[error("store succeed")]
    Succeed(#[source] app::succeed::Error),
    /// `revoke` and `reinstate`.
    #[error("{}nothing was done", if .0.is_in_use() { "the bastion runs, ask it: ssh BASTION revoke WHOM --reason TEXT; " } else { "" })]
    Revoke(#[source] app::revoke::Error),
    /// `policy explain`.
    #[error(transparent)]
    Unasked(app::rules::Unasked),
    /// `target add`.
    #[error("scan the host key of {address}")]
    Scan {
        /// Of which host.
        address: String,
        /// Why it has none for us.
        source: target::ScanError,
    },
    /// `login`.
    #[error("login")]
    Login(#[source] client::Error),
    /// `play`.
    #[error("{path}", path = path.display())]
    Recording {
        /// Which file.
        path: PathBuf,
        /// Why it cannot be played.
        source: recording::file::FileError,
    },
    /// `demo`.
    #[error("demo")]
    Demo(#[source] demo::Error),
}

impl Error {
    fn code(&self) -> u8 {
        match self {
            Self::Said(code) => *code,
            Self::Missing { .. } | Self::Argument { .. } | Self::Config(_) | Self::Unfit(_) | Self::Unasked(_) => USAGE,
            Self::Init(app::init::Error::Config(_)) => USAGE,
            Self::Serve(
                app::ServeError::Config(_)
                | app::ServeError::Start(app::StartError::Config(_) | app::StartError::Policy(_)),
            ) => USAGE,
            Self::Login(client::Error::Refused { .. }) => DENIED,
            Self::Login(client::Error::Issuer { .. } | client::Error::UnknownCi | client::Error::Variable { .. }) => {
                USAGE
            }
            Self::Terminal(_)
            | Self::Declined
            | Self::Handed(_)
            | Self::Runtime(_)
            | Self::File { .. }
            | Self::Init(_)
            | Self::Serve(_)
            | Self::Succeed(_)
            | Self::Witness(_)
            | Self::Revoke(_)
            | Self::Scan { .. }
            | Self::Login(_)
            | Self::Recording { .. }
            | Self::Demo(_) => FAILED,
        }
    }

    /// With its causes, each once, fit for a terminal.
    fn shown(&self) -> String {
        let mut said = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(inner) = cause {
            let text = inner.to_string();
            if !said.contains(&text) {
                said = if said.is_empty() { text } else { format!("{said}: {text}") };
            }
            cause = inner.source();
        }
        said.lines().map(terminal::printable).collect::<Vec<_>>().join("\n  ")
    }
}

#[cfg(test)]
mod tests;
