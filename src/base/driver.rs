//! What the tasks of all rooms wake up by.

use std::future::pending;
use std::pin::Pin;
use std::time::Instant;

use tokio::time::{Sleep, sleep_until};

/// An alarm that rings when a deadline has come, or too early.
///
/// To set a timer of the runtime to a time before all others takes it two system calls, for it is woken up to see the new
/// time. The deadline of a task that has thousands of them changes with every message, mostly to and fro. So an alarm that is
/// set to an earlier time than is wished stays as it is: it rings in vain, and is set anew then.
#[derive(Default)]
pub struct Alarm {
    sleep: Option<Pin<Box<Sleep>>>,
    is_set: bool,
}

impl Alarm {
    /// Waits until it rings, which is at the deadline at the latest; `None`: it need not ring. Nothing is lost if the wait
    /// is given up.
    pub async fn ring(&mut self, due: Option<Instant>) {
        let Some(due) = due.map(tokio::time::Instant::from) else { return pending().await };
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep_until(due)));
        if !self.is_set || due < sleep.deadline() {
            sleep.as_mut().reset(due);
            self.is_set = true;
        }
        sleep.await;
        self.is_set = false;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    #[test]
    fn an_alarm_rings_in_time_whatever_it_was_set_to_before() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let mut alarm = Alarm::default();
            let begin = Instant::now();
            let after = |ms| Some(begin + Duration::from_millis(ms));
            let at_once = Duration::ZERO;
            assert!(timeout(at_once, alarm.ring(after(60_000))).await.is_err(), "nothing is due yet");
            alarm.ring(after(20)).await;
            assert!(Some(Instant::now()) >= after(20));
            assert!(timeout(at_once, alarm.ring(after(40))).await.is_err() || Some(Instant::now()) >= after(40));
            assert!(timeout(at_once, alarm.ring(None)).await.is_err(), "no deadline");
            // Set too early it rings in vain, and then in time.
            while Some(Instant::now()) < after(80) {
                alarm.ring(after(80)).await;
            }
            assert!(timeout(at_once, alarm.ring(after(60_000))).await.is_err(), "it does not ring for what is over");
        });
    }
}
