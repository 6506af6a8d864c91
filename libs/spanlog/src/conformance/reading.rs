//! Cases of the reading side.

use super::subject::{P0, Subject, append_all, in_time, open, read_all, record, take, texts};
use crate::{
    position::{LogTime, Partition, Position},
    reader::{Extent, ReadError, Replacement, Start},
    record::Frame,
};

/// Earliest, at a position, at a time.
pub async fn a_cursor_starts_where_it_is_told(subject: impl Subject) {
    let spans = subject.log().spans;
    let mut positions = Vec::new();
    for (text, time) in [("a", 1_000), ("b", 2_000), ("c", 2_000), ("d", 3_000)] {
        // Far in the future: the clock in the log only goes forward.
        subject.set_time(LogTime(9_000_000_000_000 + time));
        positions.extend(append_all(&spans, P0, &[text]).await);
    }
    let frames = read_all(&spans, P0).await;
    for (index, &position) in positions.iter().enumerate() {
        let mut cursor = open(&spans, P0, Start::Position(position)).await;
        let rest = take(&mut *cursor, positions.len() - index).await;
        assert_eq!(texts(&rest), texts(&frames[index..]));
    }
    let mut cursor = open(&spans, P0, Start::Earliest).await;
    assert_eq!(texts(&take(&mut *cursor, 4).await), ["a", "b", "c", "d"]);
    for frame in &frames {
        for time in [frame.time, frame.time.minus(1)] {
            let expected = frames.iter().position(|other| other.time >= time).unwrap();
            let mut cursor = open(&spans, P0, Start::Time(time)).await;
            let found = take(&mut *cursor, 1).await;
            assert_eq!(found[0].position, frames[expected].position, "from {time:?}");
        }
    }
    // Later than everything: it waits for what comes.
    let newest = frames.last().unwrap().time;
    let mut cursor = open(&spans, P0, Start::Time(newest.plus(1))).await;
    subject.set_time(newest.plus(2));
    append_all(&spans, P0, &["e"]).await;
    assert_eq!(texts(&take(&mut *cursor, 1).await), ["e"]);
}

/// Who looks is told what there is from any start on, where it begins and where it ends.
pub async fn who_looks_is_told_what_there_is(subject: impl Subject) {
    let spans = subject.log().spans;
    let nothing = in_time(spans.reader.peek(P0, Start::Earliest)).await.unwrap();
    assert!(nothing.from >= nothing.end, "{} {}", nothing.from, nothing.end);
    for (text, time) in [("a", 1_000), ("b", 2_000), ("c", 3_000)] {
        subject.set_time(LogTime(9_000_000_000_000 + time));
        append_all(&spans, P0, &[text]).await;
    }
    let frames = read_all(&spans, P0).await;
    let (end, newest) = (frames[2].position.next(), frames[2].time);
    // Times may be the same.
    let first = frames.iter().position(|frame| frame.time >= newest).unwrap();
    for (start, expected) in [
        (Start::Earliest, &frames[..]),
        (Start::Position(frames[1].position), &frames[1..]),
        (Start::Time(newest), &frames[first..]),
        (Start::Position(end), &[]),
        (Start::Time(newest.plus(1)), &[]),
    ] {
        let mut looked = in_time(spans.reader.peek(P0, start)).await.unwrap();
        assert!(looked.end >= end, "{start:?}: {}", looked.end);
        match expected.first() {
            Some(first) => {
                assert!(looked.from <= first.position, "{start:?}: {}", looked.from);
                let found = take(&mut *looked.cursor, expected.len()).await;
                assert_eq!(texts(&found), texts(expected), "{start:?}");
            }
            None => assert!(looked.from >= end, "{start:?}: {}", looked.from),
        }
    }
    let beyond = Position(end.0 + 1_000_000);
    let error = in_time(spans.reader.peek(P0, Start::Position(beyond))).await.err();
    assert!(matches!(error, Some(ReadError::Replaced { .. })), "{error:?}");
}

/// A waiting cursor gives what comes; dropping its future loses nothing.
pub async fn a_cursor_waits_and_loses_nothing_when_cancelled(subject: impl Subject) {
    let spans = subject.log().spans;
    let mut cursor = open(&spans, P0, Start::Earliest).await;
    for round in 0..20 {
        // Polled once, then dropped.
        let nothing = futures_util::future::FutureExt::now_or_never(cursor.next(1 << 20));
        assert!(nothing.is_none(), "round {round} read what is not there");
        let text = format!("round {round}");
        let append = spans.writer.append(P0, record(&text));
        let (appended, frames) =
            in_time(futures_util::future::join(append, cursor.next(1 << 20))).await;
        assert_eq!(texts(&frames.unwrap()), [text]);
        appended.unwrap();
    }
}

/// As many frames as fit, but at least one; none at the end; an error for what never was.
pub async fn fetch_fits_its_bound_but_gives_at_least_one(subject: impl Subject) {
    let spans = subject.log().spans;
    let positions = append_all(&spans, P0, &["aaaa", "bbbb", "cccc"]).await;
    for (max_bytes, expected) in [(0, 1), (4, 1), (7, 1), (8, 2), (11, 2), (12, 3), (100, 3)] {
        let frames = in_time(spans.reader.fetch(P0, positions[0], max_bytes)).await.unwrap();
        assert_eq!(frames.len(), expected, "{max_bytes} bytes");
        let mut cursor = open(&spans, P0, Start::Earliest).await;
        assert_eq!(in_time(cursor.next(max_bytes)).await.unwrap().len(), expected);
    }
    let end = positions[2].next();
    assert!(in_time(spans.reader.fetch(P0, end, 100)).await.unwrap().is_empty());
    let partitions = spans.reader.partitions();
    let nowhere = Partition(partitions);
    let expected = ReadError::NoSuchPartition { partition: partitions, partitions };
    let fetched = in_time(spans.reader.fetch(nowhere, end, 1)).await;
    assert_eq!(fetched.unwrap_err(), expected);
    let opened = in_time(spans.reader.open(nowhere, Start::Earliest)).await;
    assert_eq!(opened.map(|_| ()).unwrap_err(), expected);
    assert_eq!(in_time(spans.reader.extent(nowhere)).await.unwrap_err(), expected);
}

/// Readers do not take anything from each other.
pub async fn several_cursors_see_the_same(subject: impl Subject) {
    let spans = subject.log().spans;
    let mut early = open(&spans, P0, Start::Earliest).await;
    append_all(&spans, P0, &["a", "b"]).await;
    let mut late = open(&spans, P0, Start::Earliest).await;
    append_all(&spans, P0, &["c"]).await;
    assert_eq!(texts(&take(&mut *early, 3).await), ["a", "b", "c"]);
    assert_eq!(texts(&take(&mut *late, 3).await), ["a", "b", "c"]);
}

/// From the oldest record to one past the newest.
pub async fn the_extent_is_what_can_be_read(subject: impl Subject) {
    let spans = subject.log().spans;
    let empty = in_time(spans.reader.extent(P0)).await.unwrap();
    assert_eq!(empty.start, empty.end);
    let positions = append_all(&spans, P0, &["a", "b"]).await;
    let extent = in_time(spans.reader.extent(P0)).await.unwrap();
    assert!(extent.start <= positions[0] && positions[1] < extent.end, "{extent:?}");
    let first = in_time(spans.reader.fetch(P0, extent.start, 1)).await.unwrap();
    assert_eq!(texts(&first), ["a"]);
    assert!(in_time(spans.reader.fetch(P0, extent.end, 1)).await.unwrap().is_empty());
}

/// What is before a damaged record is read, then it is told of once, then what is behind.
pub async fn a_damaged_record_is_a_gap_of_one(subject: impl Subject) {
    let spans = subject.log().spans;
    let positions = append_all(&spans, P0, &["a", "b", "c", "d", "e", "f"]).await;
    let damaged = [positions[1], positions[3], positions[4]];
    if !damaged.iter().all(|position| subject.damage(P0, *position)) {
        return;
    }
    let is_told = |read: Result<Vec<Frame>, ReadError>, at: Position| {
        let told = matches!(&read, Err(ReadError::Damaged { partition: 0, position, detail })
            if *position == at && !detail.is_empty());
        assert!(told, "{at}: {read:?}");
    };
    let mut late = open(&spans, P0, Start::Earliest).await;
    assert_eq!(texts(&in_time(late.next(1 << 20)).await.unwrap()), ["a"]);
    for round in 0..2 {
        is_told(in_time(late.next(1 << 20)).await, positions[1]);
        assert_eq!(texts(&in_time(late.next(1 << 20)).await.unwrap()), ["c"], "round {round}");
        is_told(in_time(late.next(1 << 20)).await, positions[3]);
        is_told(in_time(late.next(1 << 20)).await, positions[4]);
        assert_eq!(texts(&in_time(late.next(1 << 20)).await.unwrap()), ["f"]);
        late = open(&spans, P0, Start::Position(positions[1])).await;
    }
    for (from, expected) in [(0, Ok("a")), (1, Err(1)), (2, Ok("c")), (3, Err(3)), (5, Ok("f"))] {
        let read = in_time(spans.reader.fetch(P0, positions[from], 1 << 20)).await;
        match expected {
            Ok(text) => assert_eq!(texts(&read.unwrap()), [text]),
            Err(at) => is_told(read, positions[at]),
        }
        let behind = in_time(spans.reader.fetch(P0, positions[4].next(), 1 << 20)).await;
        assert_eq!(texts(&behind.unwrap()), ["f"]);
    }
    append_all(&spans, P0, &["g"]).await;
    let mut end = open(&spans, P0, Start::Position(positions[4])).await;
    is_told(in_time(end.next(1 << 20)).await, positions[4]);
    assert_eq!(texts(&take(&mut *end, 2).await), ["f", "g"]);
}

/// A position behind the end is not one of this log, whoever asks for it; the end itself is.
pub async fn a_position_beyond_the_end_is_told(subject: impl Subject) {
    let spans = subject.log().spans;
    append_all(&spans, P0, &["a", "b"]).await;
    let Extent { start: oldest, end } = in_time(spans.reader.extent(P0)).await.unwrap();
    for asked in [end.next(), Position(end.0 + 1_000)] {
        let why = Replacement::Shorter;
        let told = ReadError::Replaced { partition: 0, asked, oldest, end, why };
        assert_eq!(in_time(spans.reader.fetch(P0, asked, 1)).await.unwrap_err(), told);
        let opened = in_time(spans.reader.open(P0, Start::Position(asked))).await;
        assert_eq!(opened.map(drop).unwrap_err(), told);
    }
    let mut cursor = open(&spans, P0, Start::Position(end)).await;
    append_all(&spans, P0, &["c"]).await;
    assert_eq!(texts(&take(&mut *cursor, 1).await), ["c"]);
}
