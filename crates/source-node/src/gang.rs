//! Jobs that may hang, on as few threads as progress allows.
//!
//! One thread runs the jobs one after another. Where none ends for a while, another thread takes on the rest: so
//! jobs that are quick cost one thread, and a job that hangs costs its own.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

type Job<T> = Box<dyn FnOnce() -> T + Send>;

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

struct State<T> {
    /// With their numbers.
    queue: VecDeque<(usize, Job<T>)>,
    results: Vec<Option<T>>,
    ended: usize,
}

struct Gang<T> {
    state: Mutex<State<T>>,
    /// All have ended. The end of each wakes nobody: that would cost more than most jobs.
    done: Condvar,
}

/// Runs `jobs` and gives what they return in their order: `None` where one hung, panicked or was never begun.
pub(crate) fn run<T: Send + 'static>(jobs: Vec<Job<T>>, limits: Limits) -> Vec<Option<T>> {
    let count = jobs.len();
    let queue = jobs.into_iter().enumerate().collect();
    let results = std::iter::repeat_with(|| None).take(count).collect();
    let gang = Arc::new(Gang { state: Mutex::new(State { queue, results, ended: 0 }), done: Condvar::new() });
    let end = Instant::now() + limits.deadline;
    let mut threads = usize::from(start(&gang));
    let mut state = gang.lock();
    while state.ended < count && threads > 0 {
        let before = state.ended;
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break;
        }
        let unfinished = |state: &mut State<T>| state.ended < count;
        let waited = gang.done.wait_timeout_while(state, left.min(limits.patience), unfinished);
        state = waited.unwrap_or_else(PoisonError::into_inner).0;
        if state.ended == before && !state.queue.is_empty() && threads < limits.threads {
            threads += usize::from(start(&gang));
        }
    }
    state.queue.clear();
    std::mem::take(&mut state.results)
}

fn start<T: Send + 'static>(gang: &Arc<Gang<T>>) -> bool {
    let gang = Arc::clone(gang);
    thread::Builder::new().name("node-collect".into()).spawn(move || gang.work()).is_ok()
}

impl<T> Gang<T> {
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self) {
        let mut next = self.lock().queue.pop_front();
        while let Some((number, job)) = next {
            let result = catch_unwind(AssertUnwindSafe(job)).ok();
            let mut state = self.lock();
            // None of that number is left where it was given up.
            if let Some(place) = state.results.get_mut(number) {
                *place = result;
                state.ended += 1;
                if state.ended == state.results.len() {
                    self.done.notify_one();
                }
            }
            next = state.queue.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

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
