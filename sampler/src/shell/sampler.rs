//! The sampler as a whole: partitions come and go, each with a worker of its own.

use std::{
    collections::HashMap,
    hash::{BuildHasher, Hasher, RandomState},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::sync::{oneshot, watch};
use wholetrace_exporter::queue::{ExporterHandle, Queue};
use wholetrace_runtime::{
    budget::ByteBudget,
    shutdown::{Shutdown, Tasks},
};
use wholetrace_spanlog::{Checkpoint, Group, GroupEvent, Log, Partition, ReadError};

use crate::{
    config::SamplerConfig,
    core::partition::Settings,
    policy::PolicySet,
    shell::{
        exchange::Exchange,
        metrics::SamplerMetrics,
        policy_metrics::PoliciesInUse,
        worker::{Leaving, TakingUp, Worker, WorkerContext},
    },
};

/// How long the workers may take to stop: a little more than they give themselves.
const WORKERS_STOP_WITHIN: Duration = Duration::from_secs(12);
/// The same for the exporters.
const EXPORTERS_STOP_WITHIN: Duration = Duration::from_secs(8);

/// What a sampler works with.
pub struct SamplerParts {
    /// The log.
    pub log: Log,
    /// Tells which partitions are ours.
    pub group: Box<dyn Group>,
    /// The exporters, in the order of the configuration, with their queues, which the sampler
    /// runs.
    pub exporters: Vec<(ExporterHandle, Queue)>,
    /// The policies to begin with.
    pub policies: Arc<PolicySet>,
    /// Bytes of the log that may be held in memory. Frames that wait for their release make room for
    /// what must be held to go on, of which there is little beyond.
    pub window_cache: ByteBudget,
}

/// Reads the span log, decides about traces and hands the kept ones to the exporters.
pub struct Sampler {
    log: Log,
    group: Box<dyn Group>,
    exporters: Vec<ExporterHandle>,
    queues: Vec<Queue>,
    policies: watch::Sender<Arc<PolicySet>>,
    in_use: PoliciesInUse,
    window_cache: ByteBudget,
    settings: Settings,
    retention: Option<u64>,
}

/// Replaces the policies of a running sampler. Cheap to clone.
#[derive(Clone, Debug)]
pub struct PolicyHandle {
    policies: watch::Sender<Arc<PolicySet>>,
    in_use: PoliciesInUse,
}

impl PolicyHandle {
    /// Judges traces that are first seen from now on by `policies`; open ones end as they began.
    /// If the policies wait for another time, the partitions start again from their commits.
    pub fn replace(&self, policies: Arc<PolicySet>) {
        self.in_use.replace(policies.hash());
        self.policies.send_replace(policies);
    }
}

/// A worker that was started.
struct Running {
    stop: Shutdown,
    /// How it is to stop.
    leaving: Arc<Leaving>,
    /// Resolves when nothing works on the partition any more.
    ended: oneshot::Receiver<()>,
}

impl Sampler {
    /// A sampler that does nothing until it is [run](Self::run).
    #[must_use]
    pub fn new(config: &SamplerConfig, parts: SamplerParts) -> Self {
        let SamplerParts { log, group, exporters, policies, window_cache } = parts;
        let (exporters, queues): (Vec<_>, Vec<_>) = exporters.into_iter().unzip();
        let names = exporters.iter().map(|exporter| exporter.name().to_owned()).collect();
        let seed = RandomState::new().build_hasher().finish();
        let settings = config.settings(names, seed);
        Self {
            log,
            group,
            exporters,
            queues,
            policies: watch::Sender::new(policies),
            in_use: PoliciesInUse::default(),
            window_cache,
            settings,
            retention: None,
        }
    }

    /// Says that the span log deletes records after `retention` even if they are not released: the
    /// metrics tell how near that is.
    #[must_use]
    pub fn with_retention(mut self, retention: Duration) -> Self {
        self.retention = Some(u64::try_from(retention.as_millis()).unwrap_or(u64::MAX));
        self
    }

    /// The handle that replaces the policies.
    #[must_use]
    pub fn policies(&self) -> PolicyHandle {
        PolicyHandle { policies: self.policies.clone(), in_use: self.in_use.clone() }
    }

    /// Works until `shutdown` or until the group ends; then stops in order: what is with the
    /// backends gets some seconds, what is finished is committed, and the rest is read again from
    /// the log the next time.
    ///
    /// A partition that cannot go on calls [`Shutdown::fail`].
    ///
    /// # Errors
    /// When the group fails.
    pub async fn run(self, shutdown: Shutdown) -> Result<(), ReadError> {
        self.in_use.replace(self.policies.borrow().hash());
        let exporting = Shutdown::new();
        let exporters = Tasks::new(shutdown.clone());
        for queue in self.queues {
            let stop = exporting.requested_owned();
            exporters.spawn("exporter", async move {
                // It has logged what is left, and that comes again from the log.
                let _ = queue.run(stop).await;
            });
        }
        let exchange = Exchange::new();
        let (carried, log, stop) = (exchange.clone(), self.log.clone(), shutdown.clone());
        let carrying = Tasks::new(shutdown.clone());
        carrying.spawn("budgets", carried.run(log, stop));
        let context = WorkerContext {
            exchange,
            log: self.log,
            committer: self.group.committer(),
            exporters: self.exporters,
            window_cache: self.window_cache,
            policies: self.policies.subscribe(),
            metrics: SamplerMetrics::new(),
            bounds: self.settings.bounds,
            owned: Arc::new(AtomicUsize::new(0)),
            taking_up: TakingUp::default(),
            retention: self.retention,
        };
        let workers = Workers {
            context,
            settings: self.settings,
            tasks: Tasks::new(shutdown.clone()),
            stop: shutdown.child(),
            running: HashMap::new(),
        };
        let end = workers.follow(self.group, &shutdown).await;
        exporting.request();
        exporters.join(EXPORTERS_STOP_WITHIN).await;
        carrying.join(EXPORTERS_STOP_WITHIN).await;
        end
    }
}

/// The workers of the partitions that are ours.
struct Workers {
    context: WorkerContext,
    settings: Settings,
    tasks: Tasks,
    stop: Shutdown,
    running: HashMap<Partition, Running>,
}

impl Workers {
    /// Starts and stops workers as `group` says.
    async fn follow(
        mut self,
        mut group: Box<dyn Group>,
        shutdown: &Shutdown,
    ) -> Result<(), ReadError> {
        let end = loop {
            let event = tokio::select! {
                biased;
                () = shutdown.requested() => break Ok(()),
                event = group.next() => event,
            };
            match event {
                Ok(Some(GroupEvent::Assigned { partition, committed })) => {
                    self.start(partition, committed);
                }
                Ok(Some(GroupEvent::Revoked { partition, lost, within, released })) => {
                    self.revoke(partition, (lost, within), released);
                }
                Ok(None) | Err(ReadError::Closed) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        self.stop.request();
        self.tasks.join(WORKERS_STOP_WITHIN).await;
        end
    }

    fn start(&mut self, partition: Partition, committed: Option<Checkpoint>) {
        tracing::debug!(%partition, position = ?committed.as_ref().map(|at| at.position), "take a partition");
        let stop = self.stop.child();
        let (done, ended) = oneshot::channel();
        let settings = Settings { partition, ..self.settings.clone() };
        let leaving = Arc::new(Leaving::default());
        let worker = Worker::new(self.context.clone(), settings, Arc::clone(&leaving));
        let owned = Owned::take(&self.context);
        let told = stop.clone();
        self.tasks.spawn_fallible("partition", async move {
            let end = Box::pin(worker.run(committed, told)).await;
            drop(owned);
            // Whoever waits may have given up, or hears it from the drop.
            let _ = done.send(());
            end
        });
        self.running.insert(partition, Running { stop, leaving, ended });
    }

    fn revoke(
        &mut self,
        partition: Partition,
        (lost, within): (bool, Duration),
        released: oneshot::Sender<()>,
    ) {
        tracing::debug!(%partition, lost, "give a partition up");
        let running = self.running.remove(&partition);
        if let Some(running) = &running {
            running.leaving.revoked(lost, within);
        }
        self.tasks.spawn("release", async move {
            if let Some(Running { stop, ended, .. }) = running {
                stop.request();
                // An error says that the worker is gone, which is what is waited for.
                let _ = ended.await;
            }
            let _ = released.send(());
        });
    }
}

/// Counts a partition among those that are ours.
struct Owned(WorkerContext);

impl Owned {
    fn take(context: &WorkerContext) -> Self {
        context.owned.fetch_add(1, Ordering::Relaxed);
        context.metrics.partitions.increment(1.0);
        Self(context.clone())
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        self.0.owned.fetch_sub(1, Ordering::Relaxed);
        self.0.metrics.partitions.decrement(1.0);
    }
}

#[cfg(test)]
mod tests;
