//! Slows the trickle of a blocked upload: unpaced it would cost half a core.

use std::time::Duration;

use super::stream::Control;

/// What a client gets for a window while an upload is blocked. Never 1: no grant would ever follow it.
pub(super) const TRICKLE: u32 = 64;
/// So many tiny packets of a blocked channel are free; the ones behind them are paced.
const FREE_PACKETS: u32 = 16;

/// Tiny packets seen while an upload was blocked.
#[derive(Debug, Default)]
pub(super) struct Pace(u32);

impl Pace {
    /// A packet has come, on a connection with a blocked upload or without, on a channel that is blocked or not.
    pub(super) fn packet(&mut self, control: &Control, (any, this): (bool, bool), len: usize) {
        if !any {
            if self.0 > 0 {
                self.0 = 0;
                control.pace(Duration::ZERO);
            }
            return;
        }
        if this && len <= TRICKLE as usize {
            self.0 = self.0.saturating_add(1);
            let over = self.0.saturating_sub(FREE_PACKETS);
            if over > 0 {
                control.pace(Duration::from_millis(u64::from(over).min(10)));
            }
        }
    }
}
