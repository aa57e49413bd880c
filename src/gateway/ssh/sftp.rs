//! Follows an SFTP conversation between the two pumps of its channel: what was done to which file is on its way into the
//! log before the client hears of it, and what the policy does not allow never reaches the target.
//!
//! Decides nothing: how far it reaches is `session`'s word.

use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::mpsc;

use super::channel::Channel;
use super::pump::Ended;
use crate::domain::session::End;
use crate::session::Governed;
use crate::session::files::Files;

pub mod conversation;
mod home;
mod packet;
mod pending;
mod run;

use conversation::{Broken, Conversation};

/// Answers of the bastion's own that may wait; then the client is not read any further.
const REPLIES: usize = 64;

/// One conversation, shared by both pumps.
#[derive(Debug)]
pub(crate) struct Following {
    /// Held while one piece is read, never across a wait.
    conversation: Mutex<Conversation>,
    files: Files,
    replies: mpsc::Sender<Bytes>,
}

impl Following {
    /// Follows from now on; and the answers that the pump towards the client has to put between those of the target.
    pub(crate) fn new(files: Files) -> (Self, mpsc::Receiver<Bytes>) {
        let (replies, receiver) = mpsc::channel(REPLIES);
        let conversation = Mutex::new(Conversation::new(files.reach().clone()));
        (Self { conversation, files, replies }, receiver)
    }

    /// What of this piece from the client goes on to the target.
    pub(super) async fn requests(&self, piece: &Bytes) -> Result<Vec<Bytes>, Ended> {
        let passed = self.conversation().requests(piece).map_err(|Broken(why)| Ended::NotSftp(why))?;
        self.files.done(passed.done).await.map_err(|_| Ended::Recording)?;
        for reply in passed.replies {
            // The pump towards the client is gone: nobody waits for it.
            self.replies.send(reply).await.map_err(|_| Ended::Cut)?;
        }
        Ok(passed.forward)
    }

    /// What of this piece from the target may be passed on: what it tells is recorded.
    pub(super) async fn answers(&self, piece: Bytes) -> Result<Bytes, Ended> {
        let (piece, done) = self.conversation().answers(piece).map_err(|Broken(why)| Ended::NotSftp(why))?;
        self.files.done(done).await.map_err(|_| Ended::Recording)?;
        Ok(piece)
    }

    /// Whether an answer of the bastion's own may be said now.
    pub(super) fn is_between(&self) -> bool {
        self.conversation().is_between()
    }

    /// The session is over: what was still open is recorded too.
    pub(super) async fn end(&self) {
        let open = self.conversation().end();
        let _ = self.files.done(open).await;
    }

    fn conversation(&self) -> MutexGuard<'_, Conversation> {
        self.conversation.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Channel {
    /// Another subsystem, or one in a terminal.
    pub(crate) async fn no_subsystem(&self, terminal: bool, name: &str) {
        self.refuse(terminal, &format!("the subsystem '{name}' is not carried")).await;
    }

    /// What was to be SFTP cannot be followed, so it does not go on.
    pub(super) async fn not_sftp(&self, governed: &Governed, why: &str) -> End {
        governed.mark(why).await;
        self.say(false, why).await;
        End::Limit("sftp")
    }
}
