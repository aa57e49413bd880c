//! What is not carried is refused by name.

use russh::server::{ChannelOpenHandle, Session};
use russh::{ChannelId, ChannelOpenFailure};

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
