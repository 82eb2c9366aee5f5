//! Wakes the task of a pool at a time.
//!
//! tokio's timers are kept in slots of 64 ms and more, and the thread wakes when a slot begins
//! only to look again when its timers are due; a timer that is set earlier than those that are
//! set already wakes the thread once more. A pool sets its timer anew several times in a second,
//! so on Linux it has one of the system's, which wakes once. Elsewhere, and where the system has
//! none left, tokio's does.

#[cfg(target_os = "linux")]
use std::os::fd::OwnedFd;

#[cfg(target_os = "linux")]
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};
#[cfg(target_os = "linux")]
use tokio::io::unix::AsyncFd;

use crate::base::time::Time;
#[cfg(target_os = "linux")]
use crate::net::readable::readable;
use crate::runtime::clock::Clock;

/// A timer that is set to one time at a time.
#[derive(Debug)]
pub(crate) struct Sleep {
    clock: Clock,
    #[cfg(target_os = "linux")]
    timer: Option<Timer>,
}

/// A timer of the system.
#[cfg(target_os = "linux")]
#[derive(Debug)]
struct Timer {
    descriptor: AsyncFd<OwnedFd>,
    /// When it goes off; never, if it has done so or is not set.
    set: Time,
}

impl Sleep {
    /// The best that this system has; in the runtime whose tasks wait for it.
    pub(crate) fn new(clock: Clock) -> Self {
        Self {
            clock,
            #[cfg(target_os = "linux")]
            timer: Timer::new().ok(),
        }
    }

    /// One that every system has.
    #[cfg(test)]
    fn portable(clock: Clock) -> Self {
        Self {
            clock,
            #[cfg(target_os = "linux")]
            timer: None,
        }
    }

    /// Waits until `due`, or somewhat less. May be dropped and called again with another time.
    pub(crate) async fn until(&mut self, due: Time) {
        #[cfg(target_os = "linux")]
        if let Some(timer) = &mut self.timer {
            match timer.until(due, self.clock.now()).await {
                Ok(()) => return,
                Err(_) => self.timer = None,
            }
        }
        tokio::time::sleep_until(self.clock.moment(due)).await;
    }
}

#[cfg(target_os = "linux")]
impl Timer {
    fn new() -> std::io::Result<Self> {
        let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
        let descriptor = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        Ok(Self { descriptor: readable(descriptor)?, set: Time::FAR })
    }

    async fn until(&mut self, due: Time, now: Time) -> std::io::Result<()> {
        if due <= now {
            return Ok(());
        }
        if self.set != due {
            let ahead = Timespec::try_from(due.since(now)).map_err(std::io::Error::other)?;
            let once = Itimerspec { it_interval: Timespec::default(), it_value: ahead };
            timerfd_settime(&self.descriptor, TimerfdTimerFlags::empty(), &once)?;
            self.set = due;
        }
        // That it went off is never read: to be set again makes it forget.
        self.descriptor.readable().await?.clear_ready();
        self.set = Time::FAR;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// Waits for `due` as a driver does, and says how often it was woken for that.
    async fn wakes_until(sleep: &mut Sleep, due: Time) -> usize {
        let mut wakes = 0;
        while sleep.clock.now() < due {
            sleep.until(due).await;
            wakes += 1;
        }
        wakes
    }

    #[tokio::test]
    async fn it_goes_off_at_each_time_that_it_is_set_to_and_wakes_hardly_more_than_once() {
        let clock = Clock::start();
        for mut sleep in [Sleep::new(clock), Sleep::portable(clock)] {
            for ahead in [20, 1, 70, 5] {
                let wakes = wakes_until(&mut sleep, clock.now() + ahead * MS).await;
                assert!((1..=2).contains(&wakes), "{ahead} ms ahead: woken {wakes} times");
            }
        }
    }

    #[tokio::test]
    async fn a_time_that_has_passed_is_not_waited_for() {
        let clock = Clock::start();
        for mut sleep in [Sleep::new(clock), Sleep::portable(clock)] {
            sleep.until(Time::ZERO).await;
        }
    }

    #[tokio::test]
    async fn it_may_be_set_earlier_or_later_while_nobody_waits() {
        let clock = Clock::start();
        for mut sleep in [Sleep::new(clock), Sleep::portable(clock)] {
            let due = clock.now() + 30 * MS;
            for other in [Time::FAR, due + 3600 * 1000 * MS, due - 20 * MS, due - 25 * MS] {
                tokio::select! {
                    biased;
                    () = sleep.until(other) => {}
                    () = std::future::ready(()) => {}
                }
            }
            wakes_until(&mut sleep, due).await;
            assert!(clock.now() - MS < due + Duration::from_secs(10));
        }
    }
}
