//! What a target listens on for a client, within one session: a record that it does, and of each connection there before
//! it is given to the client.
//!
//! Does not know what is said on them: a gateway carries the bytes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tracing::error;

use super::cut::Cut;
use super::tap::{Counts, UpTap};
use super::{Governed, Inner, Sessions};
use crate::domain::RecordId;
use crate::domain::event::arrived::{Arrived, Carried, Listening as Told};
use crate::domain::event::{Event, Fact, Outcome, TargetRef};
use crate::domain::identity::Caller;
use crate::domain::listen::Listen;
use crate::domain::session::{End, SessionId};
use crate::ledger;

/// Where all of it is recorded.
#[derive(Debug)]
pub struct Listening {
    inner: Arc<Inner>,
    caller: Arc<Caller>,
    channel: u32,
    session: SessionId,
    place: TargetRef,
    cut: Cut,
    counts: Arc<Counts>,
    arrived: AtomicU32,
}

/// One connection that is recorded and has not ended.
#[derive(Debug)]
pub struct Begun {
    number: u32,
    originator: Option<String>,
    at: Duration,
}

impl Sessions {
    /// For one session that was allowed to have its target listen.
    pub fn listening(&self, caller: &Arc<Caller>, channel: u32, governed: &Governed, up: &UpTap) -> Listening {
        Listening {
            inner: self.0.clone(),
            caller: caller.clone(),
            channel,
            session: governed.session,
            place: governed.place.clone(),
            cut: governed.cut.clone(),
            counts: up.counts.clone(),
            arrived: AtomicU32::new(0),
        }
    }

    /// The target of a session that ends had opened channels that nobody had asked for: how many, by name. Each was refused.
    pub async fn refused_unasked(
        &self,
        (caller, channel): (&Arc<Caller>, u32),
        governed: &Governed,
        refused: BTreeMap<&'static str, u64>,
    ) {
        if refused.is_empty() {
            return;
        }
        let each = refused.iter().map(|(name, count)| format!("{count} {name}")).collect::<Vec<_>>();
        governed.mark(&format!("the target opened channels unasked, which were refused: {}", each.join(", "))).await;
        let id = RecordId::new(self.0.clock.now());
        let mut fact = Fact::new(id, Outcome::Deny, Event::ChannelUnasked(refused)).by(caller);
        fact.channel = Some(channel);
        let fact = fact.within(governed.session).towards(governed.place());
        if let Err(cause) = self.0.ledger.submit(vec![fact]).await {
            error!(session = %governed.session, error = ?cause, "ledger does not take what a target opened");
        }
    }
}

impl Listening {
    /// The target has said yes, and listens there. Once this returns the record is durable.
    pub async fn granted(&self, at: &Listen) -> Result<(), ledger::Error> {
        let told = Told { at: at.to_string(), is_granted: true };
        let recorded = self.inner.ledger.append(vec![self.fact(Event::ChannelListen(told))]).await;
        recorded.map(|_| ()).inspect_err(|cause| self.failed(cause))
    }

    /// A connection has come. Once this returns the record is durable.
    pub async fn begins(&self, originator: Option<String>) -> Result<Begun, ledger::Error> {
        let number = self.arrived.fetch_add(1, Ordering::Relaxed);
        let arrived = Arrived { number, originator: originator.clone(), ended: None };
        let recorded = self.inner.ledger.append(vec![self.fact(Event::ChannelArrived(arrived))]).await;
        let begun = Begun { number, originator, at: self.inner.clock.elapsed() };
        recorded.map(|_| begun).inspect_err(|cause| self.failed(cause))
    }

    /// That connection has ended; so many bytes went to the client, and came from it.
    pub async fn ended(&self, begun: Begun, (to_client, from_client): (u64, u64)) {
        let Begun { number, originator, at } = begun;
        self.counts.bytes_out.fetch_add(to_client, Ordering::Relaxed);
        self.counts.bytes_in.fetch_add(from_client, Ordering::Relaxed);
        let span = self.inner.clock.elapsed().saturating_sub(at);
        let duration_us = u64::try_from(span.as_micros()).unwrap_or(u64::MAX);
        let ended = Some(Carried { to_client, from_client, duration_us });
        let fact = self.fact(Event::ChannelArrived(Arrived { number, originator, ended }));
        if let Err(cause) = self.inner.ledger.submit(vec![fact]).await {
            self.failed(&cause);
        }
    }

    fn fact(&self, event: Event) -> Fact {
        let id = RecordId::new(self.inner.clock.now());
        let mut fact = Fact::new(id, Outcome::Success, event).by(&self.caller);
        fact.channel = Some(self.channel);
        fact.within(self.session).towards(self.place.clone())
    }

    fn failed(&self, cause: &ledger::Error) {
        error!(session = %self.session, error = ?cause, "ledger does not take what a target listens on");
        self.cut.now(End::RecordingFailed);
    }
}
