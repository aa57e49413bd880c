//! The library's callbacks for one connection to a target: its host key, what came, and what the target would open.
//!
//! Takes nothing in that nobody asked for.

use std::sync::{Arc, OnceLock};

use russh::client::DisconnectReason;
use russh::keys::PublicKeyOrCertificate;
use russh::keys::ssh_key::HashAlg;
use russh::{Channel, ChannelId, client};
use tokio_util::sync::DropGuard;

use super::back::{Came, Door, For};
use super::host_check::HostCheck;
use super::upstream::{Backlog, Error};
use crate::domain::printable;

/// The library's callbacks for one upstream connection.
pub(crate) struct Watch {
    pub(super) check: HostCheck,
    pub(super) backlog: Backlog,
    pub(super) door: Door,
    pub(super) seen: Arc<OnceLock<String>>,
    /// Once the connection has ended: whether the target said so, or it broke.
    pub(super) parted: Arc<OnceLock<bool>>,
    /// Dropped with it, it tells that the connection is over.
    pub(super) _over: DropGuard,
}

impl client::Handler for Watch {
    type Error = Error;

    async fn check_server_key(&mut self, shown: &PublicKeyOrCertificate) -> Result<bool, Error> {
        let fingerprint = shown.public_key().fingerprint(HashAlg::Sha256).to_string();
        self.check.accept(shown).map_err(|why| Error::HostKey { why, fingerprint: fingerprint.clone() })?;
        let _ = self.seen.set(fingerprint);
        Ok(true)
    }

    async fn disconnected(&mut self, reason: DisconnectReason<Error>) -> Result<(), Error> {
        let _ = self.parted.set(matches!(reason, DisconnectReason::ReceivedDisconnect(_)));
        match reason {
            DisconnectReason::ReceivedDisconnect(_) => Ok(()),
            DisconnectReason::Error(error) => Err(error),
        }
    }

    async fn server_channel_open_agent_forward(
        &mut self,
        channel: Channel<client::Msg>,
        reply: client::ChannelOpenHandle,
        _: &mut client::Session,
    ) -> Result<(), Error> {
        self.door.knock(Came { what: For::Agent, channel, reply });
        Ok(())
    }

    async fn server_channel_open_x11(
        &mut self,
        channel: Channel<client::Msg>,
        from: &str,
        from_port: u32,
        reply: client::ChannelOpenHandle,
        _: &mut client::Session,
    ) -> Result<(), Error> {
        let what = For::Display(printable(from, 64), from_port);
        self.door.knock(Came { what, channel, reply });
        Ok(())
    }

    async fn server_channel_open_forwarded_tcpip(
        &mut self,
        channel: Channel<client::Msg>,
        _: &str,
        port: u32,
        from: &str,
        from_port: u32,
        reply: client::ChannelOpenHandle,
        _: &mut client::Session,
    ) -> Result<(), Error> {
        let what = For::Port(port, printable(from, 64), from_port);
        self.door.knock(Came { what, channel, reply });
        Ok(())
    }

    async fn server_channel_open_forwarded_streamlocal(
        &mut self,
        channel: Channel<client::Msg>,
        path: &str,
        reply: client::ChannelOpenHandle,
        _: &mut client::Session,
    ) -> Result<(), Error> {
        self.door.knock(Came { what: For::Socket(path.to_owned()), channel, reply });
        Ok(())
    }

    // Asked for by nobody, ever. The library would take each of them in; a reply that is dropped refuses.
    async fn server_channel_open_session(
        &mut self,
        _: Channel<client::Msg>,
        _: client::ChannelOpenHandle,
        _: &mut client::Session,
    ) -> Result<(), Error> {
        self.door.unasked("session");
        Ok(())
    }

    async fn server_channel_open_direct_tcpip(
        &mut self,
        _: Channel<client::Msg>,
        _: &str,
        _: u32,
        _: &str,
        _: u32,
        _: client::ChannelOpenHandle,
        _: &mut client::Session,
    ) -> Result<(), Error> {
        self.door.unasked("direct-tcpip");
        Ok(())
    }

    async fn server_channel_open_direct_streamlocal(
        &mut self,
        _: Channel<client::Msg>,
        _: &str,
        _: client::ChannelOpenHandle,
        _: &mut client::Session,
    ) -> Result<(), Error> {
        self.door.unasked("direct-streamlocal@openssh.com");
        Ok(())
    }

    // A no here is told to the target twice by the library, which breaks the connection: yes, and then the reply is dropped.
    async fn should_accept_unknown_server_channel(&mut self, _: ChannelId, _: &str) -> bool {
        true
    }

    async fn server_channel_open_unknown(
        &mut self,
        _: Channel<client::Msg>,
        _: client::ChannelOpenHandle,
        _: &mut client::Session,
    ) -> Result<(), Error> {
        self.door.unasked("another");
        Ok(())
    }

    async fn data(&mut self, _: ChannelId, data: &[u8], _: &mut client::Session) -> Result<(), Error> {
        self.backlog.add(data.len());
        Ok(())
    }

    async fn extended_data(&mut self, _: ChannelId, _: u32, data: &[u8], _: &mut client::Session) -> Result<(), Error> {
        self.backlog.add(data.len());
        Ok(())
    }
}
