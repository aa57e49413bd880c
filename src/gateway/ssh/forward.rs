//! One forwarded connection (`-L`, `-D`, `-W` past a target): decided, recorded, then opened by the target.
//!
//! The client hears yes once the target has said it; until then no byte is taken.

use russh::ChannelOpenFailure;
use russh::server::ChannelOpenHandle;
use tracing::{Instrument as _, info_span, warn};

use super::channel::Channel;
use super::refuse::prohibited;
use super::request::Environment;
use super::upstream::Shown;
use crate::domain::forward::Forward;
use crate::domain::session::{Action, End};
use crate::session::{Ask, Opened, Refused};

/// RFC 4254 §5.1: the connection could not be made.
const CONNECT_FAILED: u32 = 2;

impl Channel {
    /// Serves a forwarded connection to its end.
    pub(super) async fn forward(
        mut self,
        (login, target): (Option<String>, String),
        forward: Forward,
        reply: ChannelOpenHandle,
    ) {
        // The library does not tell of the client's answer to our close: this frees the channel's place.
        let _gone = self.gone.clone().drop_guard();
        let gone = self.gone.clone();
        let environment = Environment::default();
        let to = forward.to.clone();
        let plain = Ask::plain(&self.caller, self.share.clone(), &self.connection, &target, Action::Forward(forward));
        let ask = Ask { jump: self.jump.as_deref(), channel: self.number, login: login.as_deref(), ..plain };
        let Opened { governed, permit, files: _, lending: _, up, down, keeper } =
            match Box::pin(self.rooms.sessions.open(ask)).await {
                Ok(opened) => opened,
                Err(refused) => {
                    // The same for a target that is none.
                    let why = match refused {
                        Refused::NoTarget(name) => format!("no rule lets you forward through '{name}' to {to}"),
                        refused => refused.to_string(),
                    };
                    let _ = prohibited(reply, &why).await;
                    return;
                }
            };
        let span = info_span!(
            "forward",
            session = %governed.id(),
            identity = self.caller.identity.principal().as_str(),
            host = governed.target().name.as_str(),
            login = governed.login().as_str(),
        );
        self.rooms.drain.spawn(keeper.run().instrument(span.clone()));
        async {
            let reached = tokio::select! {
                reached = Box::pin(self.reach(&governed, &None, &environment, permit)) => Ok(reached),
                end = governed.cut() => Err(end),
                () = gone.cancelled() => Err(End::ByClient),
            };
            let end = match reached {
                Ok(Ok(upstream)) => {
                    reply.accept().await;
                    self.carry(&governed, upstream, false, (up, down, None), None).await
                }
                Ok(Err(error)) => {
                    warn!(error = ?error, "no forwarded connection");
                    let reason =
                        format!("sallyport: {}", Shown { target: governed.target().name.as_str(), error: &error });
                    reply.reject(ChannelOpenFailure::Other { code: CONNECT_FAILED, reason }).await;
                    End::Unreachable(error.step())
                }
                Err(end) => {
                    let _ = prohibited(reply, "the connection was cut before it began").await;
                    end
                }
            };
            governed.close(end).await;
        }
        .instrument(span)
        .await;
    }
}
