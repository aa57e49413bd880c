//! What is not carried is refused by name; of what is not permitted the client hears why.

use russh::server::{ChannelOpenHandle, Session};
use russh::{ChannelId, ChannelOpenFailure};

use super::channel::{Channel, DENIED};
use super::held;
use super::way::Guarded;
use crate::domain::session::Exit;
use crate::session::Refused;

/// Exit status of what was held and then given up: `EX_TEMPFAIL`, so that a script may try again.
const LAPSED: u32 = 75;

impl Channel {
    /// Nothing begins; the client hears why.
    pub(super) async fn not(&self, terminal: bool, not: held::Not) -> Result<Option<Exit>, Guarded> {
        let code = match not {
            held::Not::Gone => {
                self.hang_up().await;
                return Ok(None);
            }
            held::Not::Refused(Refused::Guarded(max, profiles)) => return Err(Guarded(max, profiles)),
            held::Not::Refused(Refused::Failed(why)) => {
                self.break_off(terminal, why).await;
                return Ok(None);
            }
            held::Not::Refused(Refused::Lapsed(why)) => {
                self.say(terminal, &why).await;
                LAPSED
            }
            held::Not::Refused(refused) => {
                self.say(terminal, &refused.to_string()).await;
                DENIED
            }
        };
        self.finish(Exit::Status(code)).await;
        Ok(Some(Exit::Status(code)))
    }
}

/// Refuses a channel by name.
pub(super) async fn not_carried(reply: ChannelOpenHandle, what: &str) -> Result<(), russh::Error> {
    prohibited(reply, &format!("{what} is not carried")).await
}

/// Refuses a channel: code 1 of RFC 4254 §5.1, administratively prohibited, with a reason that a person may hear.
pub(super) async fn prohibited(reply: ChannelOpenHandle, why: &str) -> Result<(), russh::Error> {
    reply.reject(ChannelOpenFailure::Other { code: 1, reason: format!("sallyport: {why}") }).await;
    Ok(())
}

/// Refuses a request by name: the client's user sees why on standard error.
pub(super) fn refuse(session: &mut Session, channel: ChannelId, why: &str) -> Result<(), russh::Error> {
    let line = format!("sallyport: {why}\r\n");
    // Nothing else is under way on a channel that has not started: its window is whole unless the client is odd.
    if session.window_size(&channel) as usize > line.len() {
        session.extended_data(channel, 1, line)?;
    }
    session.channel_failure(channel)
}
