//! The longest time that policy allows, and when a terminal hears that it is nearly over.

use std::time::Duration;

use tokio::time::sleep;

use super::tap::Stopwatch;
use crate::clock::Clock;

/// Before the end, a terminal hears of it when so much is left.
const WARN_AT: [Duration; 2] = [Duration::from_secs(300), Duration::from_secs(60)];

/// A warning is worth nothing so long after its moment.
const LATE: Duration = Duration::from_secs(15);

/// Of something that may take `max` and has taken `at`: what will be left at the next warning, and how long until it is due.
pub(super) fn warning(max: Duration, at: Duration, told: Option<Duration>) -> Option<(Duration, Duration)> {
    let left = max.saturating_sub(at);
    // What is shorter than a warning's time gets none of that: it began with less.
    let due = |mark: &&Duration| max > **mark && told.is_none_or(|told| **mark < told) && left + LATE >= **mark;
    WARN_AT.iter().find(due).map(|mark| (*mark, left.saturating_sub(*mark)))
}

/// Time that runs from when this is made. Without an end, it is never over.
#[derive(Clone, Debug)]
pub struct Allotted {
    max: Option<Duration>,
    watch: Stopwatch,
}

impl Allotted {
    /// So much, from now.
    pub fn new(max: Option<Duration>, clock: Clock) -> Self {
        Self { max, watch: Stopwatch { started: clock.elapsed(), clock } }
    }

    /// Waits until it is over.
    pub async fn over(&self) {
        match self.max {
            Some(max) => sleep(max.saturating_sub(self.watch.at())).await,
            None => std::future::pending().await,
        }
    }

    /// Waits until it is nearly over: so much is left then. `told` is what was left when this was last said.
    pub async fn nearly_over(&self, told: Option<Duration>) -> Duration {
        match self.max.and_then(|max| warning(max, self.watch.at(), told)) {
            Some((left, wait)) => {
                sleep(wait).await;
                left
            }
            None => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_session_hears_five_minutes_and_one_minute_before_its_end() {
        let secs = Duration::from_secs;
        let next = |max, at, told: Option<u64>| {
            warning(secs(max), secs(at), told.map(secs)).map(|(mark, wait)| (mark.as_secs(), wait.as_secs()))
        };
        assert_eq!(next(3600, 0, None), Some((300, 3300)));
        assert_eq!(next(3600, 3301, None), Some((300, 0)), "a moment late");
        assert_eq!(next(3600, 3301, Some(300)), Some((60, 239)));
        assert_eq!(next(3600, 3541, Some(60)), None);
        assert_eq!(next(3600, 3400, None), Some((60, 140)), "made shorter meanwhile");
        assert_eq!(next(3600, 3595, None), None);
        assert_eq!(next(120, 0, None), Some((60, 60)), "never longer than five minutes");
        assert_eq!(next(30, 0, None), None);
    }
}
