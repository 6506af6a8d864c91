//! Dead letters on their way into their topic, which may take less at a time than the span log.

use std::sync::Arc;

use bytes::Bytes;
use wholetrace_proto::{record::DeadLetter, spans::count, split::split_at};
use wholetrace_spanlog::{AppendError, Partition, Record, Writer};

use crate::shell::{
    metrics::{Appending, SamplerMetrics},
    worker::jobs::{WorkerError, append},
};

/// Begins the reason of a dead letter whose payload is not whole.
const CUT: &str = "(payload cut) ";

/// Appends the dead letter `record`, trying until it is durable. One that is too large for the
/// topic is divided by spans; where that is not possible, its payload is cut.
///
/// # Errors
/// When the log will never take it, whatever its size.
pub(crate) async fn append_dead_letter(
    writer: Arc<dyn Writer>,
    partition: Partition,
    record: Bytes,
    metrics: SamplerMetrics,
) -> Result<(), WorkerError> {
    let mut dead_letters = vec![record];
    while let Some(dead_letter) = dead_letters.pop() {
        let (writer, record) = (Arc::clone(&writer), Record::dead_letter(dead_letter.clone()));
        let end = append(writer, partition, record, Appending::DeadLetters, metrics.clone()).await;
        let limit = match end {
            Ok(()) => continue,
            Err(WorkerError::Append(AppendError::TooLarge { limit, .. })) => limit,
            Err(error) => return Err(error),
        };
        match smaller(&dead_letter, usize::try_from(limit).unwrap_or(usize::MAX)) {
            Smaller::Halves(first, second) => dead_letters.extend([second, first]),
            Smaller::Cut(cut) => {
                metrics.cut_dead_letters.increment(1);
                tracing::error!(%partition, bytes = dead_letter.len(), limit, "cut the payload of a dead letter that its topic does not take whole");
                dead_letters.push(cut);
            }
            Smaller::Nothing => {
                tracing::error!(%partition, bytes = dead_letter.len(), limit, "lose a dead letter that its topic does not take in any size");
            }
        }
    }
    Ok(())
}

/// What a dead letter that is too large becomes.
#[derive(Debug)]
enum Smaller {
    /// Two dead letters about half of the spans each.
    Halves(Bytes, Bytes),
    /// One with the beginning of the payload.
    Cut(Bytes),
    /// There is nothing left to cut.
    Nothing,
}

/// Makes `record`, which is larger than `limit`, smaller.
fn smaller(record: &[u8], limit: usize) -> Smaller {
    let Ok(dead_letter) = DeadLetter::read(record) else { return Smaller::Nothing };
    // What no exporter has refused is no message of spans.
    let spans =
        if dead_letter.exporter.is_empty() { 0 } else { count(dead_letter.payload).unwrap_or(0) };
    if spans > 1
        && let Ok((first, second)) = split_at(dead_letter.payload, spans / 2)
    {
        let half = |payload: &[u8]| Bytes::from(DeadLetter { payload, ..dead_letter }.encode());
        return Smaller::Halves(half(&first), half(&second));
    }
    let size = dead_letter.payload.len();
    let fits = limit.saturating_sub(record.len() - size + CUT.len());
    // Less than the limit allows should it still be too much.
    let fewer = if (1..size).contains(&fits) { fits } else { size / 2 };
    if size == 0 {
        return Smaller::Nothing;
    }
    let payload = dead_letter.payload.get(..fewer).unwrap_or_default();
    if dead_letter.reason.starts_with(CUT) {
        return Smaller::Cut(DeadLetter { payload, ..dead_letter }.encode().into());
    }
    let reason = format!("{CUT}{}", dead_letter.reason);
    Smaller::Cut(DeadLetter { payload, reason: &reason, ..dead_letter }.encode().into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Span, frame, ids};

    fn dead_letter(exporter: &str, payload: &[u8]) -> Bytes {
        let dead_letter =
            DeadLetter { reason: "no", exporter, payload, position: 9, ..Default::default() };
        dead_letter.encode().into()
    }

    /// What a topic that takes `limit` bytes gets.
    fn taken(record: Bytes, limit: usize) -> (Vec<Bytes>, usize) {
        let (mut dead_letters, mut taken, mut cut) = (vec![record], Vec::new(), 0);
        while let Some(dead_letter) = dead_letters.pop() {
            if dead_letter.len() <= limit {
                taken.push(dead_letter);
                continue;
            }
            match smaller(&dead_letter, limit) {
                Smaller::Halves(first, second) => dead_letters.extend([second, first]),
                Smaller::Cut(less) => {
                    cut += 1;
                    dead_letters.push(less);
                }
                Smaller::Nothing => {}
            }
        }
        (taken, cut)
    }

    #[test]
    fn refused_spans_are_divided() {
        let span = |id| Span { key: 1, id, ..Span::default() };
        let spans: Vec<Span> = (0..20).map(span).collect();
        let (dead_letters, cut) = taken(dead_letter("otlp", &frame(&spans)), 300);
        assert_eq!(cut, 0);
        assert!(dead_letters.len() > 1);
        let all: Vec<u64> = dead_letters
            .iter()
            .flat_map(|one| ids(DeadLetter::read(one).unwrap().payload))
            .collect();
        assert_eq!(all, (0..20).collect::<Vec<_>>());
        for dead_letter in &dead_letters {
            let dead_letter = DeadLetter::read(dead_letter).unwrap();
            assert_eq!(
                (dead_letter.exporter, dead_letter.reason, dead_letter.position),
                ("otlp", "no", 9)
            );
        }
    }

    #[test]
    fn what_cannot_be_divided_is_cut_and_says_so() {
        let (dead_letters, cut) = taken(dead_letter("", &[7; 1000]), 300);
        assert_eq!((dead_letters.len(), cut), (1, 1));
        let read = DeadLetter::read(&dead_letters[0]).unwrap();
        assert_eq!(read.reason, "(payload cut) no");
        assert!(dead_letters[0].len() > 290, "{}", dead_letters[0].len());
        assert!(read.payload.iter().all(|byte| *byte == 7));
        assert!(taken(dead_letter("", &[7; 1000]), 3).0.is_empty());
    }
}
