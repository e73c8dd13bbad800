//! Resources that requests wait for.

use std::collections::VecDeque;

/// Simulated time in nanoseconds.
pub(in crate::capacity) type Time = u64;

/// A number of equal servers with one queue: the cores of a machine, or the connections of a pool. First come, first served.
#[derive(Debug)]
pub(in crate::capacity) struct Servers<T> {
    size: usize,
    busy: usize,
    queue: VecDeque<T>,
    /// Integral of the busy servers over time.
    busy_time: u128,
    changed: Time,
}

impl<T> Servers<T> {
    pub(in crate::capacity) fn new(size: usize) -> Self {
        Self {
            size,
            busy: 0,
            queue: VecDeque::new(),
            busy_time: 0,
            changed: 0,
        }
    }

    /// Occupies a server for the job and returns it, or puts it into the queue.
    pub(in crate::capacity) fn enter(&mut self, now: Time, job: T) -> Option<T> {
        if self.busy == self.size {
            self.queue.push_back(job);
            return None;
        }
        self.set_busy(now, self.busy + 1);
        Some(job)
    }

    /// Releases a server. Returns the next job of the queue, which occupies it.
    pub(in crate::capacity) fn leave(&mut self, now: Time) -> Option<T> {
        let next = self.queue.pop_front();
        if next.is_none() {
            self.set_busy(now, self.busy - 1);
        }
        next
    }

    fn set_busy(&mut self, now: Time, busy: usize) {
        self.busy_time += (self.busy as u128) * u128::from(now - self.changed);
        self.changed = now;
        self.busy = busy;
    }

    /// Share of the servers that were busy from the start until `now`.
    pub(in crate::capacity) fn utilization(&mut self, now: Time) -> f64 {
        self.set_busy(now, self.busy);
        self.busy_time as f64 / (self.size as f64 * now.max(1) as f64)
    }
}

/// The log of a primary. Commits that arrive during a flush share the next one.
#[derive(Debug)]
pub(in crate::capacity) struct Log<T> {
    waiting: Vec<T>,
    flushing: Option<Vec<T>>,
    flushes: u64,
    busy_time: Time,
}

impl<T> Log<T> {
    pub(in crate::capacity) fn new() -> Self {
        Self {
            waiting: Vec::new(),
            flushing: None,
            flushes: 0,
            busy_time: 0,
        }
    }

    /// Adds a commit. Returns whether a flush has to start.
    pub(in crate::capacity) fn commit(&mut self, job: T) -> bool {
        self.waiting.push(job);
        self.flushing.is_none()
    }

    /// Starts a flush of all waiting commits.
    pub(in crate::capacity) fn start(&mut self, duration: Time) {
        self.flushing = Some(std::mem::take(&mut self.waiting));
        self.flushes += 1;
        self.busy_time += duration;
    }

    /// Ends a flush. Returns its commits, and whether the next one has to start.
    pub(in crate::capacity) fn finish(&mut self) -> (Vec<T>, bool) {
        let flushed = self.flushing.take().unwrap_or_default();
        (flushed, !self.waiting.is_empty())
    }

    pub(in crate::capacity) fn utilization(&self, now: Time) -> f64 {
        self.busy_time as f64 / now.max(1) as f64
    }

    pub(in crate::capacity) fn flushes(&self) -> u64 {
        self.flushes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_wait_for_a_free_server_in_order() {
        let mut servers = Servers::new(2);
        assert_eq!(servers.enter(0, 1), Some(1));
        assert_eq!(servers.enter(10, 2), Some(2));
        assert_eq!(servers.enter(10, 3), None);
        assert_eq!(servers.enter(10, 4), None);
        assert_eq!(servers.leave(20), Some(3));
        assert_eq!(servers.leave(20), Some(4));
        assert_eq!(servers.leave(30), None);
        assert_eq!(servers.leave(30), None);
        // One server for 10, two for 20, none for 10.
        assert!((servers.utilization(40) - 50.0 / 80.0).abs() < 1e-12);
    }

    #[test]
    fn commits_during_a_flush_share_the_next_one() {
        let mut log = Log::new();
        assert!(log.commit(1));
        log.start(5);
        assert!(!log.commit(2));
        assert!(!log.commit(3));
        assert_eq!(log.finish(), (vec![1], true));
        log.start(5);
        assert_eq!(log.finish(), (vec![2, 3], false));
        assert_eq!((log.flushes(), log.utilization(20)), (2, 0.5));
    }
}
