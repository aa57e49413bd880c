//! Slows the trickle of a blocked upload: unpaced it would cost half a core.

use std::time::Duration;

use super::stream::Control;

/// What a client gets for a window while an upload is blocked. Never 1: no grant would ever follow it.
pub(super) const TRICKLE: u32 = 64;
/// So many tiny packets of a blocked channel are free; the ones behind them are paced.
const FREE_PACKETS: u32 = 16;
/// About a minute's: whoever stands still for longer is slowed down more, since each packet takes memory until its channel is cut.
const SHORT: u32 = 6000;
/// A key on the same connection waits as long.
const LONGEST_MS: u32 = 100;

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
            if let Some(wait) = wait(self.0) {
                control.pace(wait);
            }
        }
    }
}

/// How long the next one waits behind so many.
fn wait(packets: u32) -> Option<Duration> {
    let over = packets.checked_sub(FREE_PACKETS).filter(|over| *over > 0)?;
    let wait = over.min(10).max(over.saturating_sub(SHORT) / 50).min(LONGEST_MS);
    Some(Duration::from_millis(u64::from(wait)))
}

#[cfg(test)]
mod tests {
    use super::super::count;
    use super::*;
    use crate::session::budget::Settings;

    #[test]
    fn an_upload_may_stand_still_for_hours_before_its_channel_holds_too_much() {
        let most = Settings::default().channel_bytes;
        let (mut held, mut passed) = (0, Duration::ZERO);
        for packets in 1.. {
            held += count(TRICKLE as usize) as u64;
            if held > most {
                break;
            }
            passed += wait(packets).unwrap_or_default();
        }
        assert!(passed > Duration::from_secs(5 * 3600), "{passed:?}");
    }

    #[test]
    fn a_key_beside_an_upload_that_has_just_begun_to_stand_still_hardly_waits() {
        assert_eq!(wait(16), None);
        assert!(wait(SHORT).is_some_and(|wait| wait <= Duration::from_millis(10)));
        assert_eq!(wait(u32::MAX), Some(Duration::from_millis(100)));
    }
}
