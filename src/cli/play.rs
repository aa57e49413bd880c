//! `play`: a recording in this terminal, with keys; without a terminal its text, each stream where it belongs.
//!
//! What is printed went through the player or its filter, so it can only draw.

use std::fs;
use std::io::{self, IsTerminal as _, Write};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use clap::Args;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::terminal::{self, Raw};
use super::{Error, seconds};
use crate::clock::Clock;
use crate::domain::session::Stream;
use crate::recording::drawing::{Drawing, RESET};
use crate::recording::file::File;
use crate::recording::keys::{Keys, Pressed};
use crate::recording::player::{Act, Command, Options, Player};
use crate::recording::{Event, Preamble};

/// What to play, and how.
#[derive(Args, Debug)]
pub(super) struct Play {
    /// A recording: an export of either format, or any asciicast v2.
    file: PathBuf,
    /// So many times as fast. Without a terminal everything comes at once unless this is given.
    #[arg(long, value_name = "N", value_parser = speed)]
    speed: Option<f64>,
    /// No pause longer than so many seconds.
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    idle_limit: Option<Duration>,
    /// Show what was put in, too.
    #[arg(long)]
    input: bool,
}

pub(super) fn run(play: &Play) -> Result<(), Error> {
    let file = open(&play.file)?;
    if !(io::stdin().is_terminal() && io::stdout().is_terminal()) {
        return print(play, file);
    }
    introduce(file.preamble());
    let raw = Raw::begin()?;
    let replayed = replay(play, file);
    // Whatever the recording left switched on must not stay so, also when it cannot be read to its end.
    let reset = write(&mut io::stdout(), RESET);
    drop(raw);
    terminal::err(match &replayed {
        Err(_) => "\n",
        Ok(Played::Quit) => "\nsallyport: replay left\n",
        Ok(Played::Whole) => "\nsallyport: end of the recording\n",
    });
    replayed.and(reset)
}

fn open(path: &Path) -> Result<File<fs::File>, Error> {
    let file = fs::File::open(path).map_err(|source| Error::File { path: path.to_owned(), source })?;
    File::open(file).map_err(|source| Error::Recording { path: path.to_owned(), source })
}

fn introduce(preamble: Option<&Preamble>) {
    let mut text = String::new();
    if let Some(about) = preamble.and_then(|preamble| preamble.about.as_ref()) {
        let what = about.command.as_deref().unwrap_or(&about.action);
        let line = format!("{} as {}@{}: {what}", about.name, about.login, about.target);
        text += &format!("sallyport: {}\n", terminal::printable(&line));
    }
    text += "sallyport: space pauses, left and right seek, up and down change speed, ] next marker, / finds, q quits\n";
    let size = rustix::termios::tcgetwinsize(io::stdout()).ok();
    if let (Some(here), Some(then)) = (size, preamble.map(|preamble| preamble.size))
        && here.ws_col > 0
        && (here.ws_col < then.cols || here.ws_row < then.rows)
        && preamble.and_then(|preamble| preamble.about.as_ref()).is_none_or(|about| about.pty)
    {
        text += &format!(
            "sallyport: recorded in a larger terminal, {}x{}; this one has {}x{}, so lines may not be where they were\n",
            then.cols, then.rows, here.ws_col, here.ws_row
        );
    }
    terminal::err(&text);
}

/// How a replay came to its end.
enum Played {
    Whole,
    Quit,
}

/// With keys.
fn replay(play: &Play, mut file: File<fs::File>) -> Result<Played, Error> {
    let clock = Clock::system();
    let usual = Options::of(file.preamble(), true);
    let idle_limit = play.idle_limit.or(usual.idle_limit);
    let options = Options { speed: play.speed.unwrap_or(1.0), input: play.input, idle_limit, ..usual };
    let mut player = Player::new(options, clock.elapsed());
    let (mut keys, mut quit, mut deaf) = (Keys::default(), false, false);
    let mut stdout = io::stdout();
    loop {
        let wait = match player.act(clock.elapsed()) {
            Act::Feed => {
                let event = file.next_event();
                match event.map_err(|source| Error::Recording { path: play.file.clone(), source })? {
                    Some(event) => player.event(event),
                    None => player.end(),
                }
                Some(Duration::ZERO)
            }
            Act::Print(bytes) => {
                write(&mut stdout, &bytes)?;
                Some(Duration::ZERO)
            }
            Act::Rewind => {
                file = open(&play.file)?;
                Some(Duration::ZERO)
            }
            Act::Quit if quit => return Ok(Played::Quit),
            Act::Quit => return Ok(Played::Whole),
            Act::Wait(until) => until.map(|until| until.saturating_sub(clock.elapsed())),
        };
        // Paused, and nobody can press a key any more.
        if deaf && wait.is_none() {
            return Ok(Played::Quit);
        }
        // A key counts at once, also while something is passed over.
        match pressed(wait, deaf)? {
            Heard::Nothing => {}
            Heard::End => deaf = true,
            Heard::Bytes(bytes) => {
                for byte in bytes {
                    let (print, command) = match keys.feed(byte) {
                        Pressed::Nothing => continue,
                        Pressed::Do(command) => (Vec::new(), Some(command)),
                        Pressed::Show(bytes) => (bytes, None),
                        Pressed::Find(bytes, command) => (bytes, command),
                    };
                    write(&mut stdout, &print)?;
                    quit |= command == Some(Command::Quit);
                    if let Some(command) = command {
                        player.command(command, clock.elapsed());
                    }
                }
            }
        }
    }
}

enum Heard {
    Nothing,
    Bytes(Vec<u8>),
    End,
}

/// Waits this long at most, or for ever, for keys.
fn pressed(wait: Option<Duration>, deaf: bool) -> Result<Heard, Error> {
    if deaf {
        sleep(wait.unwrap_or_default());
        return Ok(Heard::Nothing);
    }
    let limit = wait.and_then(|wait| Timespec::try_from(wait).ok());
    let stdin = io::stdin();
    let mut ready = [PollFd::new(&stdin, PollFlags::IN)];
    match poll(&mut ready, limit.as_ref()) {
        Ok(0) | Err(rustix::io::Errno::INTR) => return Ok(Heard::Nothing),
        Ok(_) => {}
        Err(error) => return Err(Error::Terminal(error.into())),
    }
    let mut bytes = vec![0; 256];
    // Past the buffer of the standard library, which `poll` would not see.
    match rustix::io::read(&stdin, &mut bytes) {
        Ok(0) => Ok(Heard::End),
        Ok(count) => {
            bytes.truncate(count);
            Ok(Heard::Bytes(bytes))
        }
        Err(rustix::io::Errno::INTR) => Ok(Heard::Nothing),
        Err(_) => Ok(Heard::End),
    }
}

/// Without keys: at once, or as fast as was asked for. Input goes beside standard error, so that standard output is
/// what the target's was.
fn print(play: &Play, mut file: File<fs::File>) -> Result<(), Error> {
    let (mut stdout, mut stderr, mut input) = (Drawing::new(), Drawing::new(), Drawing::new());
    let mut position = Duration::ZERO;
    let damaged = |source| Error::Recording { path: play.file.clone(), source };
    while let Some(event) = file.next_event().map_err(damaged)? {
        if let Some(speed) = play.speed {
            let pause = event.at.saturating_sub(position);
            sleep(pause.min(play.idle_limit.unwrap_or(pause)).div_f64(speed));
            position = event.at;
        }
        let (drawing, stream, bytes) = match event.event {
            Event::Output(Stream::Stdout, bytes) => (&mut stdout, Stream::Stdout, bytes),
            Event::Output(Stream::Stderr, bytes) => (&mut stderr, Stream::Stderr, bytes),
            Event::Input(bytes) if play.input => (&mut input, Stream::Stderr, bytes),
            Event::Input(_) | Event::Resize(_) | Event::Marker(_) => continue,
        };
        let mut safe = Vec::with_capacity(bytes.len());
        drawing.feed(&bytes, &mut safe);
        match stream {
            Stream::Stdout => write(&mut io::stdout(), &safe)?,
            Stream::Stderr => write(&mut io::stderr(), &safe)?,
        }
    }
    Ok(())
}

fn write(to: &mut impl Write, bytes: &[u8]) -> Result<(), Error> {
    to.write_all(bytes).and_then(|()| to.flush()).map_err(Error::Terminal)
}

fn speed(text: &str) -> Result<f64, &'static str> {
    text.parse().ok().filter(|speed| (0.0625..=64.0).contains(speed)).ok_or("not a number from 0.0625 to 64")
}
