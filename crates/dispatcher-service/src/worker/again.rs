//! Cancels that are said again, in case the worker did not notice.
//!
//! A signal that comes between a worker's last look and the system call that it then waits in ends no wait, so a cancel
//! could lie there until the ladder goes on, though the task would give way at once. Here is kept who is to be told again
//! and when: soon at first, then at longer and longer intervals. Says nothing itself (that is `tend`'s).

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// When a cancel is said again for the first time; each wait after that is twice as long.
const FIRST: Duration = Duration::from_millis(50);

/// The longest wait. A worker that has not noticed by then will not, or has ended the task just before it was told.
const LAST: Duration = Duration::from_secs(10);

/// Tasks whose cancel has been said and whose end has not been heard.
#[derive(Debug, Default)]
pub(crate) struct Again(Vec<Told>);

#[derive(Debug)]
struct Told {
    uuid: Box<str>,
    wait: Duration,
    due: Instant,
}

impl Again {
    /// This task was cancelled now, for the first time or anew.
    pub(crate) fn told(&mut self, uuid: Box<str>) {
        self.ended(&uuid);
        self.0.push(Told { uuid, wait: FIRST, due: Instant::now() + FIRST });
    }

    /// This task has ended.
    pub(crate) fn ended(&mut self, uuid: &str) {
        self.0.retain(|told| *told.uuid != *uuid);
    }

    /// Harder means take over; or the worker was given a task, which no worker is that still has one to give way.
    pub(crate) fn give_up(&mut self) {
        self.0.clear();
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Waits until one is due; for ever while there is none.
    pub(crate) async fn due(&self) {
        match self.0.iter().map(|told| told.due).min() {
            Some(due) => sleep_until(due).await,
            None => std::future::pending().await,
        }
    }

    /// Those that are due; each is due again later.
    pub(crate) fn take(&mut self) -> Vec<Box<str>> {
        let now = Instant::now();
        let mut due = Vec::new();
        for told in self.0.iter_mut().filter(|told| told.due <= now) {
            due.push(told.uuid.clone());
            told.wait *= 2;
            told.due = now + told.wait;
        }
        self.0.retain(|told| told.wait <= LAST);
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_cancel_is_said_again_at_longer_and_longer_intervals_until_its_task_ends() {
        let mut again = Again::default();
        let begun = Instant::now();
        again.told("a".into());
        let mut at = Vec::new();
        for _ in 0..5 {
            again.due().await;
            assert_eq!(again.take(), [Box::from("a")]);
            at.push(begun.elapsed().as_millis());
        }
        assert_eq!(at.iter().map(|at| (at + 25) / 50).collect::<Vec<_>>(), [1, 3, 7, 15, 31]);
        again.ended("b");
        assert!(!again.is_empty());
        again.ended("a");
        assert!(again.is_empty() && again.take().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn each_task_has_its_own_times_and_a_new_cancel_begins_anew() {
        let mut again = Again::default();
        again.told("a".into());
        tokio::time::advance(FIRST * 3).await;
        again.told("b".into());
        assert_eq!(again.take(), [Box::from("a")]);
        again.told("a".into());
        again.due().await;
        assert_eq!(again.take().len(), 2);
        again.give_up();
        assert!(again.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_is_told_for_ever() {
        let mut again = Again::default();
        again.told("a".into());
        let mut times = 0;
        while !again.is_empty() {
            again.due().await;
            times += again.take().len();
        }
        assert_eq!(times, 8);
    }
}
