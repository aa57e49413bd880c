//! The library's callbacks for one connection to a target: its host key, what came, and what the target would open.
//!
//! Takes nothing in that nobody asked for.

use std::sync::{Arc, OnceLock};

use russh::keys::PublicKeyOrCertificate;
use russh::keys::ssh_key::HashAlg;
use russh::{Channel, ChannelId, client};

use super::back::{Came, Door};
use super::host_check::HostCheck;
use super::upstream::{Backlog, Error};

/// The library's callbacks for one upstream connection.
pub(crate) struct Watch {
    pub(super) check: HostCheck,
    pub(super) backlog: Backlog,
    pub(super) door: Door,
    pub(super) seen: Arc<OnceLock<String>>,
}

impl client::Handler for Watch {
    type Error = Error;

    async fn check_server_key(&mut self, shown: &PublicKeyOrCertificate) -> Result<bool, Error> {
        let fingerprint = shown.public_key().fingerprint(HashAlg::Sha256).to_string();
        self.check.accept(shown).map_err(|why| Error::HostKey { why, fingerprint: fingerprint.clone() })?;
        let _ = self.seen.set(fingerprint);
        Ok(true)
    }

    async fn server_channel_open_agent_forward(
        &mut self,
        channel: Channel<client::Msg>,
        reply: client::ChannelOpenHandle,
        _: &mut client::Session,
    ) -> Result<(), Error> {
        self.door.knock(Came { channel, reply });
        Ok(())
    }

    // Asked for by nobody. The library would take each of them in; a reply that is dropped refuses.
    async fn server_channel_open_forwarded_tcpip(
        &mut self,
        _: Channel<client::Msg>,
        _: &str,
        _: u32,
        _: &str,
        _: u32,
        _: client::ChannelOpenHandle,
        _: &mut client::Session,
    ) -> Result<(), Error> {
        Ok(())
    }

    async fn server_channel_open_forwarded_streamlocal(
        &mut self,
        _: Channel<client::Msg>,
        _: &str,
        _: client::ChannelOpenHandle,
        _: &mut client::Session,
    ) -> Result<(), Error> {
        Ok(())
    }

    async fn server_channel_open_session(
        &mut self,
        _: Channel<client::Msg>,
        _: client::ChannelOpenHandle,
        _: &mut client::Session,
    ) -> Result<(), Error> {
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
        Ok(())
    }

    async fn server_channel_open_direct_streamlocal(
        &mut self,
        _: Channel<client::Msg>,
        _: &str,
        _: client::ChannelOpenHandle,
        _: &mut client::Session,
    ) -> Result<(), Error> {
        Ok(())
    }

    async fn server_channel_open_x11(
        &mut self,
        _: Channel<client::Msg>,
        _: &str,
        _: u32,
        _: client::ChannelOpenHandle,
        _: &mut client::Session,
    ) -> Result<(), Error> {
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
