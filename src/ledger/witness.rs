//! What a witness signs: a checkpoint of a log that it knows, and that continues the last one of that log it has signed.
//!
//! C2SP tlog-witness, `add-checkpoint`. One task owns the state, so that no two requests can be judged by the same: of two that
//! race the second is told the size of the first. What was signed is on the disk before anybody hears of it.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

use super::checkpoint::{self, Checkpoint, Key};
use super::cosign::Witness;
use crate::clock::Clock;
use crate::domain::Digest;
use crate::merkle;
use crate::signer::witness::WitnessSigner;
use crate::store::{self, Files};

/// Longest request.
pub const REQUEST_BYTES: usize = 16 * 1024;
/// Most hashes of a proof.
const MAX_HASHES: usize = 63;
/// Requests that may wait.
const QUEUE: usize = 64;

/// What a request is answered with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// 200: the lines of the cosignature.
    Signed(String),
    /// 400: it is none.
    Malformed,
    /// 403: the log has not signed it.
    Unsigned,
    /// 404: no log that is known.
    Unknown,
    /// 409: the last checkpoint that was signed has this size.
    Size(u64),
    /// 409: two checkpoints of one size with different roots. The log has lied to somebody.
    Forked,
    /// 422: the proof does not lead from one to the other.
    Unproved,
    /// 500: it could not be kept, so it was not signed.
    Broken,
}

/// A request, read.
#[derive(Debug)]
struct Asked {
    old: u64,
    proof: Vec<Digest>,
    note: Vec<u8>,
}

impl Asked {
    fn read(body: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(body).ok().filter(|_| body.len() <= REQUEST_BYTES)?;
        let (head, note) = text.split_once("\n\n")?;
        let mut lines = head.split('\n');
        let old = lines.next()?.strip_prefix("old ")?;
        let old = old.parse::<u64>().ok().filter(|number| number.to_string() == old)?;
        let hash = |line: &str| BASE64_STANDARD.decode(line).ok()?.try_into().ok().map(Digest);
        let proof: Vec<_> = lines.map(hash).collect::<Option<_>>()?;
        (proof.len() <= MAX_HASHES).then(|| Self { old, proof, note: note.as_bytes().to_vec() })
    }
}

/// Asks the witness. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Desk(mpsc::Sender<(Bytes, oneshot::Sender<Answer>)>);

impl Desk {
    /// The answer to the body of an `add-checkpoint`.
    pub async fn add_checkpoint(&self, body: Bytes) -> Answer {
        let (answer, answered) = oneshot::channel();
        if self.0.send((body, answer)).await.is_err() {
            return Answer::Broken;
        }
        answered.await.unwrap_or(Answer::Broken)
    }
}

/// The owner of the state.
#[derive(Debug)]
pub struct Keeper {
    logs: Vec<Key>,
    key: Witness,
    signer: WitnessSigner,
    files: Files,
    clock: Clock,
    queue: mpsc::Receiver<(Bytes, oneshot::Sender<Answer>)>,
}

/// A witness of these logs. Its state lies in `files`.
pub fn new(
    name: &str,
    logs: Vec<Key>,
    signer: WitnessSigner,
    files: Files,
    clock: Clock,
) -> Result<(Desk, Keeper), checkpoint::Error> {
    let key = Witness::new(name, signer.public())?;
    let (desk, queue) = mpsc::channel(QUEUE);
    Ok((Desk(desk), Keeper { logs, key, signer, files, clock, queue }))
}

impl Keeper {
    /// The key that others know it by.
    pub fn key(&self) -> &Witness {
        &self.key
    }

    /// Answers one request after the other, until nobody can ask any more or the disk fails: what a write that failed has left
    /// is known only after a new start.
    pub async fn run(mut self) -> Result<(), store::Error> {
        while let Some((body, answer)) = self.queue.recv().await {
            match self.judge(&body).await {
                Ok(judged) => drop(answer.send(judged)),
                Err(error) => {
                    let _ = answer.send(Answer::Broken);
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    async fn judge(&self, body: &[u8]) -> Result<Answer, store::Error> {
        let Some(asked) = Asked::read(body) else { return Ok(Answer::Malformed) };
        let origin = asked.note.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let known = self.logs.iter().filter(|key| key.name().as_bytes() == origin);
        let mut opened = Err(Answer::Unknown);
        for key in known {
            match (checkpoint::open(&asked.note, key), &opened) {
                (Ok(checkpoint), _) => {
                    opened = Ok((checkpoint, key));
                    break;
                }
                (Err(checkpoint::Error::Form(_)), _) => opened = Err(Answer::Malformed),
                (Err(_), _) => opened = Err(Answer::Unsigned),
            }
        }
        let (checkpoint, _) = match opened {
            Ok(opened) => opened,
            Err(answer) => return Ok(answer),
        };
        if asked.old > checkpoint.size {
            return Ok(Answer::Malformed);
        }
        let name = state_name(&checkpoint.origin);
        let last = match self.files.read(&name).await? {
            None => None,
            // Never guessed: a state that cannot be read stands for any size.
            Some(stored) => match stored_checkpoint(&stored).filter(|last| last.origin == checkpoint.origin) {
                Some(last) => Some(last),
                None => return Ok(Answer::Broken),
            },
        };
        let (size, root) = last.map_or((0, merkle::empty_root()), |last| (last.size, last.root));
        if asked.old != size {
            return Ok(Answer::Size(size));
        }
        if size == checkpoint.size && root != checkpoint.root {
            return Ok(Answer::Forked);
        }
        let is_proved = match size == 0 || size == checkpoint.size {
            true => asked.proof.is_empty(),
            false => merkle::verify_consistency(size, &root, checkpoint.size, &checkpoint.root, &asked.proof),
        };
        if !is_proved {
            return Ok(Answer::Unproved);
        }
        // On the disk first: after a crash it must not sign what forgets this one.
        self.files.replace(&name, Bytes::from(checkpoint.text())).await?;
        let time = self.clock.now().unix_secs();
        Ok(Answer::Signed(self.key.line(time, &checkpoint.text(), |message| self.signer.sign_cosignature(message))))
    }
}

fn state_name(origin: &str) -> String {
    format!("logs/{}", Digest::of(origin.as_bytes()))
}

fn stored_checkpoint(stored: &[u8]) -> Option<Checkpoint> {
    Checkpoint::parse(std::str::from_utf8(stored).ok()?).ok()
}

#[cfg(test)]
mod tests;
