//! Count the CPU time of each station: they share threads, so the operating system cannot tell them apart.

use rustix::time::{ClockId, clock_gettime};
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// The counters of one node, by station.
#[derive(Clone, Default)]
pub(crate) struct Meters {
    nanoseconds: Arc<Mutex<BTreeMap<&'static str, Arc<AtomicU64>>>>,
}

impl Meters {
    /// The same future; what its polls take of a thread is added to the station's counter. Two reads of the thread's clock
    /// a poll: for tasks that live long or do much, not for one a transaction.
    pub(crate) fn meter<F: Future>(
        &self,
        station: &'static str,
        future: F,
    ) -> impl Future<Output = F::Output> + use<F> {
        let spent = self.counters().entry(station).or_default().clone();
        async move {
            let mut future = pin!(future);
            poll_fn(|context| {
                let before = thread_nanoseconds();
                let polled = future.as_mut().poll(context);
                spent.fetch_add(thread_nanoseconds().saturating_sub(before), Ordering::Relaxed);
                polled
            })
            .await
        }
    }

    /// Microseconds that each station has used since the node started.
    pub(crate) fn microseconds(&self) -> Vec<(&'static str, u64)> {
        self.counters().iter().map(|(station, spent)| (*station, spent.load(Ordering::Relaxed) / 1_000)).collect()
    }

    fn counters(&self) -> std::sync::MutexGuard<'_, BTreeMap<&'static str, Arc<AtomicU64>>> {
        self.nanoseconds.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn thread_nanoseconds() -> u64 {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    now.tv_sec.unsigned_abs() * 1_000_000_000 + now.tv_nsec.unsigned_abs()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn work_counts_and_waiting_does_not() {
        let meters = Meters::default();
        let working = meters.meter("works", async {
            let began = thread_nanoseconds();
            while thread_nanoseconds() - began < 20_000_000 {
                std::hint::spin_loop();
            }
            "done"
        });
        assert_eq!(working.await, "done");
        let waiting = async {
            for _ in 0..4 {
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            }
        };
        meters.meter("waits", waiting).await;
        let counted: BTreeMap<_, _> = meters.microseconds().into_iter().collect();
        assert!(counted["works"] >= 20_000, "{counted:?}");
        assert!(counted["waits"] < 10_000, "{counted:?}");
    }
}
