//! Membership.

use std::{sync::Arc, thread::JoinHandle, time::Duration};

use futures_util::future::BoxFuture;
use rdkafka::config::ClientConfig;
use tokio::sync::mpsc;
use wholetrace_spanlog::{Committer, Group, GroupEvent, ReadError};

use super::{
    assignment::Assignment,
    commits::Commits,
    error::KafkaError,
    health::ClientHealth,
    identity::Identities,
    member::{Member, MemberClient},
    metrics::Meters,
};

/// How many changes of a partition may wait to be taken. More than one comes only while nobody
/// takes any.
const EVENTS_PER_PARTITION: usize = 8;

/// A member of the group; it leaves when it is dropped.
pub(super) struct KafkaGroup {
    member: Arc<Member>,
    commits: Arc<Commits>,
    events: mpsc::Receiver<GroupEvent>,
}

/// A member's thread, to be waited for when the log closes.
pub(super) struct Membership {
    pub(super) member: Arc<Member>,
    pub(super) thread: JoinHandle<()>,
}

impl KafkaGroup {
    /// Joins the group about `topic` with `partitions`; the times are those of the settings.
    pub(super) fn join(
        settings: &ClientConfig,
        topic: &str,
        partitions: u32,
        (session, commit_interval): (Duration, Duration),
        health: &Arc<ClientHealth>,
        meters: &Arc<Meters>,
        identities: &Arc<Identities>,
    ) -> Result<(Self, Membership), KafkaError> {
        let (sender, events) =
            mpsc::channel(EVENTS_PER_PARTITION * usize::try_from(partitions).unwrap_or(1).max(1));
        let assignment = Arc::new(Assignment::new(health, meters, sender));
        let member =
            Arc::new(Member::new(health, &assignment, identities, topic, partitions, session));
        let client =
            member.client(settings).map_err(|error| KafkaError::Client(error.to_string()))?;
        let commits = Arc::new(Commits::new(&member, meters, commit_interval, &client));
        let committer = Arc::clone(&commits);
        let committing = std::thread::Builder::new()
            .name("wholetrace-commit".to_owned())
            .spawn(move || committer.run())
            .map_err(KafkaError::Thread)?;
        let (own, committer) = (Arc::clone(&member), Arc::clone(&commits));
        let take_part = move || {
            let mut client = client;
            while let Some(next) = own.take_part(&client) {
                committer.commit_with(&next);
                close_aside(std::mem::replace(&mut client, next));
            }
            committer.end();
            // A commit that hangs keeps the client, and closes it some time: not waited for.
            if committing.is_finished() {
                let _done = committing.join();
            }
            // Leaves the group, which may take long.
            drop(client);
            own.assignment.end();
        };
        let thread = std::thread::Builder::new()
            .name("wholetrace-group".to_owned())
            .spawn(take_part)
            .map_err(KafkaError::Thread)?;
        let group = Self { member: Arc::clone(&member), commits, events };
        Ok((group, Membership { member, thread }))
    }
}

/// Closes a client that has left the group, which may take long, on a thread of its own.
fn close_aside(client: Arc<MemberClient>) {
    let closing = std::thread::Builder::new().name("wholetrace-close".to_owned());
    if let Err(error) = closing.spawn(move || drop(client)) {
        tracing::debug!(%error, "a client of the group was closed on the group's own thread");
    }
}

impl Group for KafkaGroup {
    fn next(&mut self) -> BoxFuture<'_, Result<Option<GroupEvent>, ReadError>> {
        Box::pin(async move {
            match self.events.recv().await {
                Some(event) => Ok(Some(event)),
                None => match self.member.health.cause() {
                    Some(cause) => Err(ReadError::Failed(cause)),
                    None => Ok(None),
                },
            }
        })
    }

    fn committer(&self) -> Arc<dyn Committer> {
        Arc::clone(&self.commits) as _
    }
}

impl Drop for KafkaGroup {
    fn drop(&mut self) {
        self.member.leave();
    }
}
