//! Says what a process has taken up from the log when it began with it, or took partitions over: one
//! line for all partitions that it reads at a time.

use std::sync::{Arc, Mutex, PoisonError};

/// What all partitions of a sampler take up. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct TakingUp(Arc<Mutex<Sum>>);

#[derive(Debug, Default)]
struct Sum {
    /// Partitions that read what came before they were ours.
    under_way: usize,
    partitions: usize,
    traces: usize,
}

/// A partition that reads what came before it was ours.
#[derive(Debug)]
pub(super) struct Begun {
    all: TakingUp,
    traces: usize,
}

impl TakingUp {
    /// A partition begins.
    pub(super) fn begin(&self) -> Begun {
        self.sum(|sum| sum.under_way += 1);
        Begun { all: self.clone(), traces: 0 }
    }

    fn sum<R>(&self, with: impl FnOnce(&mut Sum) -> R) -> R {
        with(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A partition has ended with so many undecided `traces`: what all have come to, if it is the last.
    fn end(&self, traces: usize) -> Option<(usize, usize)> {
        self.sum(|sum| {
            sum.under_way = sum.under_way.saturating_sub(1);
            sum.partitions += usize::from(traces > 0);
            sum.traces += traces;
            if sum.under_way > 0 || sum.traces == 0 {
                return None;
            }
            Some((std::mem::take(&mut sum.partitions), std::mem::take(&mut sum.traces)))
        })
    }
}

impl Begun {
    /// It has read all of that, and so many traces are undecided.
    pub(super) fn through(mut self, traces: usize) {
        self.traces = traces;
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        if let Some((partitions, traces)) = self.all.end(self.traces) {
            tracing::info!(
                partitions,
                traces,
                "took up undecided traces from the log: none of them is lost"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_partition_tells_for_all() {
        let all = TakingUp::default();
        let (first, second) = (all.begin(), all.begin());
        assert_eq!(all.end(3), None);
        assert_eq!(all.end(4), Some((2, 7)));
        assert_eq!(all.end(0), None);
        first.through(0);
        drop(second);
        assert_eq!(all.sum(|sum| sum.traces), 0);
    }
}
