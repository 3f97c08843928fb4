//! Jobs that may hang, on as few threads as progress allows.
//!
//! One thread runs the jobs one after another. Where none ends for a while, another thread takes on the rest: so
//! jobs that are quick cost one thread, and a job that hangs costs its own.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// A job and its number.
type Job<T> = Box<dyn FnOnce() -> T + Send>;
type Queue<T> = Arc<Mutex<VecDeque<(usize, Job<T>)>>>;

/// How long jobs may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Where no job has ended for this long, the rest goes to another thread.
    pub(crate) patience: Duration,
    /// What has not ended by then is given up; its thread ends when the job does.
    pub(crate) deadline: Duration,
    /// At most so many threads.
    pub(crate) threads: usize,
}

/// Runs `jobs` and gives what they return in their order: `None` where one hung, panicked or was never begun.
pub(crate) fn run<T: Send + 'static>(jobs: Vec<Job<T>>, limits: Limits) -> Vec<Option<T>> {
    let count = jobs.len();
    let mut results: Vec<Option<T>> = Vec::with_capacity(count);
    results.resize_with(count, || None);
    let queue: Queue<T> = Arc::new(Mutex::new(jobs.into_iter().enumerate().collect()));
    let (report, reports) = channel();
    let end = Instant::now() + limits.deadline;
    let mut threads = usize::from(start(&queue, &report));
    let mut ended = 0;
    while ended < count && threads > 0 {
        let left = end.saturating_duration_since(Instant::now());
        match reports.recv_timeout(left.min(limits.patience)) {
            Ok((number, result)) => {
                results[number] = result;
                ended += 1;
            }
            Err(RecvTimeoutError::Timeout) if Instant::now() < end => {
                let waiting = !queue.lock().unwrap_or_else(PoisonError::into_inner).is_empty();
                if waiting && threads < limits.threads {
                    threads += usize::from(start(&queue, &report));
                }
            }
            Err(_) => break,
        }
    }
    queue.lock().unwrap_or_else(PoisonError::into_inner).clear();
    results
}

fn start<T: Send + 'static>(queue: &Queue<T>, report: &Sender<(usize, Option<T>)>) -> bool {
    let (queue, report) = (Arc::clone(queue), report.clone());
    let work = move || {
        loop {
            let next = queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
            let Some((number, job)) = next else { return };
            let result = catch_unwind(AssertUnwindSafe(job)).ok();
            if report.send((number, result)).is_err() {
                return;
            }
        }
    };
    thread::Builder::new().name("node-collect".into()).spawn(work).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { patience: Duration::from_millis(5), deadline: Duration::from_secs(60), threads: 4 };

    #[test]
    fn results_stand_in_the_order_of_jobs() {
        let jobs: Vec<Job<usize>> = (0..100_usize).map(|number| Box::new(move || number * 2) as Job<usize>).collect();
        let expected: Vec<_> = (0..100).map(|number| Some(number * 2)).collect();
        assert_eq!(run(jobs, LIMITS), expected);
    }

    #[test]
    fn a_job_that_hangs_holds_up_no_other_and_a_panic_is_a_failure() {
        let (release, wait) = channel::<()>();
        let (all_others, seen) = channel();
        // The one that hangs goes on as soon as all others have ended: with one thread this would never end.
        let hangs = move || {
            let _ = wait.recv();
            0
        };
        let mut jobs: Vec<Job<i32>> = vec![Box::new(hangs), Box::new(|| panic!("on purpose"))];
        for number in 1..=3 {
            let all_others = all_others.clone();
            jobs.push(Box::new(move || {
                let _ = all_others.send(());
                number
            }));
        }
        let helper = thread::spawn(move || {
            for _ in 0..3 {
                let _ = seen.recv();
            }
            let _ = release.send(());
        });
        assert_eq!(run(jobs, LIMITS), [Some(0), None, Some(1), Some(2), Some(3)]);
        helper.join().unwrap();
    }

    #[test]
    fn what_hangs_past_the_deadline_is_given_up() {
        let (_release, wait) = channel::<()>();
        let jobs: Vec<Job<()>> = vec![Box::new(move || wait.recv().unwrap_or_default())];
        assert_eq!(run(jobs, Limits { deadline: Duration::from_millis(20), ..LIMITS }), [None]);
    }
}
