//! Requests to the brokers, which block.

use std::time::{Duration, Instant};

use rdkafka::{
    Offset, TopicPartitionList,
    consumer::Consumer as _,
    error::{KafkaError as ClientError, RDKafkaErrorCode},
};
use wholetrace_spanlog::{Partition, ReadError};

use super::{Consumer, TIMEOUT, list};
use crate::identity::{Mark, is_same};

/// How long brokers may take to agree on who leads a partition.
const SETTLING: Duration = Duration::from_secs(4);

impl Consumer {
    /// The oldest position of a partition and one past the newest. Asks the brokers; blocks.
    pub(crate) fn watermarks(&self, topic: &str, partition: i32) -> Result<(u64, u64), ReadError> {
        let client = self.client()?;
        let marks = settled(|| client.fetch_watermarks(topic, partition, TIMEOUT));
        let (low, high) = marks.map_err(|error| self.failure(&error))?;
        Ok((u64::try_from(low).unwrap_or_default(), u64::try_from(high).unwrap_or_default()))
    }

    /// The first position with a time at or after `time`, if there is one. Asks; blocks.
    pub(crate) fn position_at(
        &self,
        topic: &str,
        partition: i32,
        time: u64,
    ) -> Result<Option<u64>, ReadError> {
        let client = self.client()?;
        let time = i64::try_from(time).unwrap_or(i64::MAX);
        let ask = || {
            let times = list(topic, partition, Offset::Offset(time))?;
            let found = client.offsets_for_times(times, TIMEOUT)?;
            let Some(found) = found.find_partition(topic, partition) else { return Ok(None) };
            found.error()?;
            match found.offset() {
                Offset::Offset(at) => Ok(u64::try_from(at).ok()),
                _ => Ok(None),
            }
        };
        settled(ask).map_err(|error| self.failure(&error))
    }

    /// What the group has committed for a partition, with its metadata; asks, and blocks.
    pub(crate) fn committed(
        &self,
        topic: &str,
        partition: i32,
    ) -> Result<Option<(u64, String)>, ReadError> {
        let client = self.client()?;
        let ask = || {
            let asked = list(topic, partition, Offset::Invalid)?;
            let found = client.committed_offsets(asked, TIMEOUT)?;
            let Some(found) = found.find_partition(topic, partition) else { return Ok(None) };
            found.error()?;
            Ok(match found.offset() {
                Offset::Offset(at) => {
                    Some((u64::try_from(at).unwrap_or_default(), found.metadata().to_owned()))
                }
                _ => None,
            })
        };
        settled(ask).map_err(|error| self.failure(&error))
    }

    /// Whether the logs of partitions of `topic` can be those that the marks are of; `None` where
    /// nobody answers. Asks each broker once, whatever the number of partitions; blocks.
    pub(crate) fn are_same(
        &self,
        topic: &str,
        marks: &[(Partition, Mark)],
    ) -> Result<Vec<Option<bool>>, ReadError> {
        let client = self.client()?;
        let number = |partition: &Partition| i32::try_from(partition.0).unwrap_or(i32::MAX);
        let ask = || {
            let mut times = TopicPartitionList::with_capacity(marks.len());
            for (partition, mark) in marks {
                let younger = i64::try_from(mark.time.plus(1).0).unwrap_or(i64::MAX);
                times.add_partition_offset(topic, number(partition), Offset::Offset(younger))?;
            }
            client.offsets_for_times(times, TIMEOUT)
        };
        let found = ask().map_err(|error| self.failure(&error))?;
        let same = |(partition, mark): &(Partition, Mark)| {
            let found = found.find_partition(topic, number(partition))?;
            found.error().ok()?;
            let younger = match found.offset() {
                Offset::Offset(at) => u64::try_from(at).ok(),
                _ => None,
            };
            Some(is_same(*mark, younger))
        };
        Ok(marks.iter().map(same).collect())
    }
}

/// The answer to a request that is asked again for a while when the brokers are just agreeing on
/// who leads the partition.
fn settled<T>(ask: impl Fn() -> Result<T, ClientError>) -> Result<T, ClientError> {
    use RDKafkaErrorCode as Code;
    let deadline = Instant::now() + SETTLING;
    loop {
        match ask() {
            Err(error)
                if Instant::now() < deadline
                    && matches!(
                        error.rdkafka_error_code(),
                        Some(
                            Code::NotLeaderForPartition
                                | Code::LeaderNotAvailable
                                | Code::UnknownPartition
                                | Code::UnknownTopicOrPartition
                        )
                    ) =>
            {
                std::thread::sleep(SETTLING / 40);
            }
            answer => return answer,
        }
    }
}
