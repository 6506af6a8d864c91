//! Cases about crashes and restarts.

use super::subject::{P0, P1, Subject, append_all, in_time, open, read_all, record, take, texts};
use crate::{
    position::LogTime,
    reader::{ReadError, Start},
    record::Frame,
    writer::AppendError,
};

/// Durable means durable, again and again, and positions go on from where they were.
pub async fn an_answered_append_survives_a_crash(mut subject: impl Subject) {
    let (mut expected, mut last) = (Vec::new(), None);
    for round in 0..4 {
        let spans = subject.log().spans;
        for number in 0..25 {
            let text = format!("{round}/{number}");
            let position = append_all(&spans, P0, &[&text]).await[0];
            assert!(Some(position) > last, "{position} after {last:?}");
            last = Some(position);
            expected.push(text);
        }
        append_all(&subject.log().decisions, P1, &[&format!("decision {round}")]).await;
        subject.crash().await;
        assert_eq!(texts(&read_all(&subject.log().spans, P0).await), expected);
        let decisions = read_all(&subject.log().decisions, P1).await;
        assert_eq!(decisions.len(), round + 1);
    }
}

/// Who still holds a handle of a log that is gone is told so.
pub async fn handles_of_a_closed_log_are_dead(mut subject: impl Subject) {
    let spans = subject.log().spans;
    append_all(&spans, P0, &["before"]).await;
    let end = in_time(spans.reader.extent(P0)).await.unwrap().end;
    let mut waiting = open(&spans, P0, Start::Position(end)).await;
    let waiter = tokio::spawn(async move { waiting.next(100).await });
    // It is waiting, or about to: both must end.
    tokio::task::yield_now().await;
    subject.restart().await;
    assert_eq!(in_time(waiter).await.unwrap().unwrap_err(), ReadError::Closed);
    let refused = in_time(spans.writer.append(P0, record("late"))).await;
    assert_eq!(refused, Err(AppendError::Closed));
    let fetched = in_time(spans.reader.extent(P0)).await;
    assert_eq!(fetched.unwrap_err(), ReadError::Closed);
    let fresh = subject.log().spans;
    let mut cursor = open(&fresh, P0, Start::Earliest).await;
    assert_eq!(texts(&take(&mut *cursor, 1).await), ["before"]);
}

/// A record has the same time wherever its reading begins, also where the clock went back; and a
/// clock that was far ahead does not leave its time behind in the log.
pub async fn times_are_the_same_at_every_reading(mut subject: impl Subject) {
    const FUTURE: LogTime = LogTime(9_000_000_000_000);
    let (mut appended, mut can_set) = (0, false);
    for time in [FUTURE, FUTURE.plus(500), FUTURE.minus(3_600_000), FUTURE.plus(100)] {
        for _ in 0..2 {
            can_set = subject.set_time(time);
            append_all(&subject.log().spans, P0, &["x"]).await;
            appended += 1;
            subject.restart().await;
        }
    }
    subject.crash().await;
    append_all(&subject.log().spans, P0, &["last"]).await;
    let frames = read_all(&subject.log().spans, P0).await;
    assert_eq!(frames.len(), appended + 1);
    for (number, frame) in frames.iter().enumerate() {
        let mut cursor = open(&subject.log().spans, P0, Start::Position(frame.position)).await;
        let seen = take(&mut *cursor, frames.len() - number).await;
        let times = |frames: &[Frame]| frames.iter().map(|frame| frame.time).collect::<Vec<_>>();
        assert_eq!(times(&seen), times(&frames[number..]), "from {} on", frame.position);
        let fetched = subject.log().spans.reader.fetch(P0, frame.position, 1).await.unwrap();
        assert_eq!(fetched[0].time, frame.time);
    }
    if can_set {
        assert_eq!(frames[4].time, FUTURE.minus(3_600_000));
    }
}
