//! What somebody hears who meets a limit of connections or channels, and that it is counted.

use std::sync::Arc;

use russh::server::ChannelOpenHandle;
use russh::{ChannelOpenFailure, Disconnect, server};
use tracing::info;

use super::Rooms;
use super::address::Destination;
use crate::domain::identity::Caller;
use crate::session::budget::Share;
use crate::session::limits::Limit;
use crate::session::people::Presence;

/// Of RFC 4254 §5.1.
const RESOURCE_SHORTAGE: u32 = 4;

/// Counts one more connection of `caller`; over the limit of one person it is ended, and they are told why.
pub(super) fn enter(
    rooms: &Arc<Rooms>,
    caller: &Caller,
    session: &mut server::Session,
) -> Result<Option<Presence>, russh::Error> {
    let (people, who) = (&rooms.sessions.limits().people, caller.identity.principal());
    let presence = people.enter(&who);
    if presence.is_none() {
        let limit = people.limit();
        rooms.sessions.limits().met.refused(Limit::ConnectionsOfPerson, rooms.clock.now());
        info!(%who, limit, "one more connection than a person may have");
        let why = format!("sallyport: {limit} connections are open in your name, and more are not taken: end one");
        session.disconnect(Disconnect::TooManyConnections, &why, "en")?;
    }
    Ok(presence)
}

/// What one more channel may hold, on a connection that has `open` of `opened`; none if that is refused, and the client told why.
/// The console is there even when memory is short: people must be able to see what goes on.
pub(super) async fn channel(
    rooms: &Arc<Rooms>,
    (open, opened): (usize, u32),
    destination: &Destination,
    reply: ChannelOpenHandle,
) -> Option<(Share, ChannelOpenHandle)> {
    // The first one of a connection that was accepted before is what the client came for.
    if opened > 0 && rooms.drain.stopping().is_cancelled() {
        let reason = "sallyport: the bastion is stopping; connect again in a minute".to_owned();
        reply.reject(ChannelOpenFailure::Other { code: RESOURCE_SHORTAGE, reason }).await;
        return None;
    }
    let limits = rooms.sessions.limits();
    let share = match destination {
        Destination::Console => Some(limits.budget.open_reserved()),
        Destination::Target { .. } => limits.budget.open(),
    };
    let (limit, why) = match share {
        _ if open >= rooms.settings.channels => {
            (Limit::Channels, "this connection has as many channels as one may have")
        }
        Some(share) => return Some((share, reply)),
        None => (Limit::Memory, "the bastion is short of memory; try again in a minute"),
    };
    info!(limit = limit.as_str(), "no new channel");
    limits.met.refused(limit, rooms.clock.now());
    let reason = format!("sallyport: {why}");
    reply.reject(ChannelOpenFailure::Other { code: RESOURCE_SHORTAGE, reason }).await;
    None
}
