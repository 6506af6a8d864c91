//! What each partition of the log has on its way, and whether it answers.

use std::time::Duration;

use tokio::time::Instant;
use wholetrace_spanlog::Partition;

use crate::split::Need;

/// Parts of the time that a partition may be silent at which it is looked at.
const LOOKS: u32 = 8;

/// How many partitions a line of the process's log names.
const NAMED: usize = 16;

/// Whether the partitions that a request needs can take it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Room {
    /// They can.
    Free,
    /// One has as many bytes on its way as it may: there will be room soon.
    Full,
    /// One does not answer.
    Stuck(Partition),
}

/// The accounts of all partitions.
///
/// Each may have an equal share of the bytes that may be on their way, so that none can take what
/// the others need. More than a share is let through where nothing else is on its way: spans that
/// are allowed must not be ones for which there is never room.
#[derive(Debug)]
pub(crate) struct Partitions {
    accounts: Vec<Account>,
    share: usize,
    /// How long a partition with something on its way may be silent before it counts as stuck.
    patience: Duration,
    next_look: Instant,
    /// Bytes that gather or are on their way.
    bytes: usize,
    /// Frames on their way to partitions that are not stuck.
    expected: usize,
    stuck: usize,
}

#[derive(Clone, Copy, Debug)]
struct Account {
    /// Bytes that gather for the next burst, at most.
    gathered: usize,
    /// Bytes on their way.
    on_way: usize,
    frames: usize,
    /// Since when it owes an answer: its last one, or when it got something to do.
    since: Instant,
    stuck: bool,
}

impl Partitions {
    /// Accounts of `count` partitions that share `limit` bytes.
    pub(crate) fn new(count: u32, limit: usize, patience: Duration) -> Self {
        let now = Instant::now();
        let account = Account { gathered: 0, on_way: 0, frames: 0, since: now, stuck: false };
        let count = usize::try_from(count.max(1)).unwrap_or(1);
        Self {
            accounts: vec![account; count],
            share: limit / count,
            patience,
            next_look: now,
            bytes: 0,
            expected: 0,
            stuck: 0,
        }
    }

    /// Bytes that each partition may have on its way.
    pub(crate) const fn share(&self) -> usize {
        self.share
    }

    /// Bytes that gather or are on their way.
    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Frames whose answers are to be expected soon.
    pub(crate) const fn expected(&self) -> usize {
        self.expected
    }

    /// Partitions that do not answer.
    pub(crate) const fn stuck(&self) -> usize {
        self.stuck
    }

    /// Whether a request with `needs` can be taken. A partition that is stuck gets one burst at a
    /// time, which shows when it answers again.
    pub(crate) fn room(&self, needs: &[Need]) -> Room {
        let mut room = Room::Free;
        for need in needs {
            let Some(account) = self.account(need.partition) else { continue };
            if account.stuck && account.frames > 0 {
                return Room::Stuck(need.partition);
            }
            let taken = account.gathered.saturating_add(account.on_way);
            if taken > 0 && taken.saturating_add(need.bytes) > self.share {
                room = Room::Full;
            }
        }
        room
    }

    /// A request with `needs` gathers.
    pub(crate) fn gather(&mut self, needs: &[Need]) {
        for need in needs {
            if let Some(account) = account_of(&mut self.accounts, need.partition) {
                account.gathered = account.gathered.saturating_add(need.bytes);
                self.bytes = self.bytes.saturating_add(need.bytes);
            }
        }
    }

    /// What has gathered leaves: [`send`](Self::send) tells of each frame.
    pub(crate) fn leave(&mut self) {
        for account in &mut self.accounts {
            self.bytes = self.bytes.saturating_sub(account.gathered);
            account.gathered = 0;
        }
    }

    /// A frame of `bytes` is handed to the log.
    pub(crate) fn send(&mut self, partition: Partition, bytes: usize, now: Instant) {
        let Some(account) = account_of(&mut self.accounts, partition) else { return };
        if account.frames == 0 {
            account.since = now;
        }
        account.frames += 1;
        account.on_way = account.on_way.saturating_add(bytes);
        self.bytes = self.bytes.saturating_add(bytes);
        if self.expected == 0 {
            self.next_look = now + self.patience / LOOKS;
        }
        self.expected += usize::from(!account.stuck);
    }

    /// The log has answered for a frame of `bytes`: it is `durable`, or it was refused.
    pub(crate) fn settle(
        &mut self,
        partition: Partition,
        bytes: usize,
        durable: bool,
        now: Instant,
    ) {
        let Some(account) = account_of(&mut self.accounts, partition) else { return };
        self.expected = self.expected.saturating_sub(usize::from(!account.stuck));
        account.frames = account.frames.saturating_sub(1);
        account.on_way = account.on_way.saturating_sub(bytes);
        account.since = now;
        self.bytes = self.bytes.saturating_sub(bytes);
        if durable && account.stuck {
            account.stuck = false;
            self.stuck -= 1;
            self.expected += account.frames;
            tracing::info!(%partition, left = self.stuck, "a partition of the log answers again");
        }
    }

    /// When to [`look`](Self::look) next, if there is anything to look for.
    pub(crate) const fn next_look(&self) -> Option<Instant> {
        if self.expected > 0 { Some(self.next_look) } else { None }
    }

    /// Finds the partitions that do not answer. Tells whether there are new ones.
    pub(crate) fn look(&mut self, now: Instant) -> bool {
        if self.expected == 0 || now < self.next_look {
            return false;
        }
        self.next_look = now + self.patience / LOOKS;
        let mut found = Vec::new();
        for (account, number) in self.accounts.iter_mut().zip(0_u32..) {
            let owes = account.frames > 0 && !account.stuck;
            if owes && now.saturating_duration_since(account.since) >= self.patience {
                account.stuck = true;
                self.expected = self.expected.saturating_sub(account.frames);
                found.push(number);
            }
        }
        if found.is_empty() {
            return false;
        }
        self.stuck += found.len();
        let named = found.get(..found.len().min(NAMED)).unwrap_or_default();
        tracing::warn!(
            partitions = ?named,
            found = found.len(),
            stuck = self.stuck,
            "partitions of the log have not answered for {:?}: requests with spans for them are \
             refused until they do",
            self.patience
        );
        true
    }

    fn account(&self, partition: Partition) -> Option<&Account> {
        self.accounts.get(usize::try_from(partition.0).ok()?)
    }
}

fn account_of(accounts: &mut [Account], partition: Partition) -> Option<&mut Account> {
    accounts.get_mut(usize::try_from(partition.0).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(1);

    fn need(partition: u32, bytes: usize) -> Need {
        Need { partition: Partition(partition), bytes }
    }

    #[tokio::test(start_paused = true)]
    async fn a_partition_has_its_share_and_leaves_the_others_theirs() {
        let mut partitions = Partitions::new(4, 400, PATIENCE);
        partitions.gather(&[need(0, 60)]);
        assert_eq!(partitions.room(&[need(0, 40)]), Room::Free);
        assert_eq!(partitions.room(&[need(1, 100), need(0, 41)]), Room::Full);
        partitions.leave();
        partitions.send(Partition(0), 50, Instant::now());
        assert_eq!(partitions.room(&[need(0, 50)]), Room::Free);
        assert_eq!(partitions.room(&[need(0, 51)]), Room::Full);
        // What is larger than a share goes alone.
        assert_eq!(partitions.room(&[need(1, 1_000)]), Room::Free);
        partitions.settle(Partition(0), 50, true, Instant::now());
        assert_eq!(partitions.room(&[need(0, 1_000)]), Room::Free);
        assert_eq!((partitions.bytes(), partitions.expected()), (0, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_partition_is_stuck_until_something_is_durable() {
        let mut partitions = Partitions::new(2, 1_000, PATIENCE);
        let (p0, p1) = (Partition(0), Partition(1));
        partitions.send(p0, 10, Instant::now());
        partitions.send(p0, 10, Instant::now());
        partitions.send(p1, 10, Instant::now());
        tokio::time::advance(PATIENCE / 2).await;
        partitions.settle(p1, 10, true, Instant::now());
        partitions.send(p1, 10, Instant::now());
        tokio::time::advance(PATIENCE / 2).await;
        assert!(partitions.look(Instant::now()));
        assert_eq!(partitions.room(&[need(1, 1), need(0, 1)]), Room::Stuck(p0));
        assert_eq!(partitions.room(&[need(1, 1)]), Room::Free);
        assert_eq!((partitions.stuck(), partitions.expected()), (1, 1));
        // A refusal is no sign of life, but with nothing on its way it may be tried.
        partitions.settle(p0, 10, false, Instant::now());
        assert_eq!(partitions.room(&[need(0, 1)]), Room::Stuck(p0));
        partitions.settle(p0, 10, false, Instant::now());
        assert_eq!(partitions.room(&[need(0, 1)]), Room::Free);
        partitions.send(p0, 10, Instant::now());
        assert_eq!(partitions.room(&[need(0, 1)]), Room::Stuck(p0));
        partitions.settle(p0, 10, true, Instant::now());
        assert_eq!(partitions.room(&[need(0, 1)]), Room::Free);
        assert_eq!((partitions.stuck(), partitions.expected()), (0, 1));
    }
}
