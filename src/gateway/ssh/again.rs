//! What a session leaves to the next one of its client connection: the connection to the target, signed in.
//!
//! A client that keeps its connection open (ControlMaster, Ansible) gets its commands as fast as the target gives them, and
//! the target sees one sign-in, as without a bastion. One connection is kept for one client connection, one target and one
//! login; nothing that people had to approve goes over it, and no terminal.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::Rooms;
use super::upstream::SignedIn;
use crate::domain::Timestamp;
use crate::domain::identity::Caller;
use crate::domain::target::{Login, Target};

/// Unused for so long, it is ended.
const IDLE: Duration = Duration::from_secs(60);
/// No session begins on one that was signed in longer ago: what the target would say of a new sign-in counts by then.
const OLDEST: Duration = Duration::from_secs(600);

/// The place for one. Cheap to clone; clones are the same place.
#[derive(Clone, Default)]
pub(crate) struct Again(Arc<Place>);

#[derive(Default)]
struct Place {
    kept: Mutex<Option<Kept>>,
    /// The client connection is gone.
    over: CancellationToken,
}

/// Signed in at this target with this login.
pub(crate) struct Kept {
    pub(crate) on: SignedIn,
    target: Arc<Target>,
    login: Login,
    /// Tells whoever waits to end it: it was taken, or must be ended now.
    told: CancellationToken,
}

impl Again {
    /// What is kept, if it leads there. What does not is ended.
    pub(crate) fn take(&self, (target, login): (&Arc<Target>, &Login), now: Timestamp) -> Option<SignedIn> {
        let mut place = self.place();
        let kept = place.as_ref()?;
        kept.told.cancel();
        // The same description of the target: after a reload the name may mean another host.
        let fits = Arc::ptr_eq(&kept.target, target) && kept.login == *login;
        if fits && kept.on.is_open() && now.since(kept.on.since) < OLDEST {
            place.take().map(|kept| kept.on)
        } else {
            None
        }
    }

    /// Keeps it for the next session, until it has been of no use for a while, its owner is put out, the client goes, or
    /// the bastion stops.
    pub(crate) fn keep(&self, rooms: &Rooms, caller: Arc<Caller>, on: SignedIn, (target, login): (Arc<Target>, Login)) {
        let told = self.0.over.child_token();
        let before = self.place().replace(Kept { on, target, login, told: told.clone() });
        if let Some(before) = &before {
            before.told.cancel();
        }
        let (again, identities, stopping) = (self.clone(), rooms.identities.clone(), rooms.drain.stopping().clone());
        rooms.drain.spawn(async move {
            if let Some(before) = before {
                before.on.end().await;
            }
            let no_more = async {
                tokio::select! {
                    () = told.cancelled() => {}
                    () = identities.until_revoked(&caller) => {}
                    () = stopping.cancelled() => {}
                }
            };
            let _ = timeout(IDLE, no_more).await;
            told.cancel();
            if let Some(kept) = again.told() {
                kept.on.end().await;
            }
        });
    }

    /// The client connection is gone: nothing will be asked any more.
    pub(crate) fn over(&self) {
        self.0.over.cancel();
    }

    /// What must be ended now.
    fn told(&self) -> Option<Kept> {
        let mut place = self.place();
        place.take_if(|kept| kept.told.is_cancelled())
    }

    fn place(&self) -> MutexGuard<'_, Option<Kept>> {
        self.0.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
