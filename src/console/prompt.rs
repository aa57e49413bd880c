//! Commands one after the other: from a prompt with a little line editing, or line by line from a pipe.

use std::sync::Arc;

use super::editor::{Editor, Step};
use super::io::{Ears, Heard, Say};
use super::line::{self, Command, LIMIT_BYTES};
use super::{Console, Error, Out};
use crate::domain::Disclose;
use crate::domain::identity::Caller;

/// Serves to the end of input, or until `exit`.
pub(super) async fn run(console: &Console, caller: &Arc<Caller>, out: &Out, ears: &mut Ears<'_>) -> u8 {
    let served = match ears.terminal() {
        Some(_) => talk(console, caller, out, ears).await,
        None => read(console, caller, out, ears).await,
    };
    // What else could go wrong was said by the command that it went wrong in.
    served.unwrap_or(1)
}

/// With a person. Leaving is always done well, whatever the commands said.
async fn talk(console: &Console, caller: &Arc<Caller>, out: &Out, ears: &mut Ears<'_>) -> Result<u8, Error> {
    let say = Say::new(out.clone(), ears.terminal());
    let bastion = &console.0.settings.bastion;
    say.out(&format!("The console of {bastion}; 'help' lists the commands, 'exit' leaves.\n")).await?;
    let mut editor = Editor::new(PROMPT);
    loop {
        say.out(PROMPT).await?;
        let line = loop {
            let step = match ears.next().await {
                Heard::Byte(byte) => editor.feed(byte),
                Heard::Resize(_) => continue,
                Heard::End => Step::Leave,
            };
            match step {
                Step::Nothing => {}
                Step::Echo(text) => say.out(&text).await?,
                Step::Line(line) => {
                    say.out("\n").await?;
                    break line;
                }
                Step::Leave => {
                    say.out("\n").await?;
                    return Ok(0);
                }
            }
        };
        match line::parse(&line, say.width()) {
            Ok(None) => {}
            Ok(Some(Command::Exit)) => return Ok(0),
            _ => {
                console.line(caller, &line, out, ears).await;
            }
        }
    }
}

const PROMPT: &str = "sallyport> ";

/// From a program. Goes on after a command that failed; the exit code is that of the last one that did.
async fn read(console: &Console, caller: &Arc<Caller>, out: &Out, ears: &mut Ears<'_>) -> Result<u8, Error> {
    let say = Say::new(out.clone(), None);
    let (mut line, mut code, mut commands) = (Vec::new(), 0, 0_u64);
    loop {
        let heard = ears.next().await;
        match heard {
            Heard::Byte(byte) if byte != b'\n' => {
                // One byte more than is taken, so that the parser says what is wrong.
                if line.len() <= LIMIT_BYTES {
                    line.push(byte);
                }
                continue;
            }
            Heard::Resize(_) => continue,
            Heard::Byte(_) | Heard::End => {}
        }
        let text = String::from_utf8_lossy(&line).into_owned();
        line.clear();
        match line::parse(&text, say.width()) {
            Ok(None) => {}
            Ok(Some(Command::Exit)) => return Ok(code),
            _ => {
                commands += 1;
                match console.line(caller, &text, out, ears).await {
                    0 => {}
                    failed => code = failed,
                }
            }
        }
        if heard == Heard::End {
            break;
        }
    }
    if commands == 0 {
        say.err(&format!("sallyport: {}\n\n", Error::Nothing.disclose())).await?;
        say.err(&line::help(&[], say.width()).unwrap_or_default()).await?;
        return Ok(Error::Nothing.code());
    }
    Ok(code)
}
