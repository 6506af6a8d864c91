use bytes::Bytes;

use super::{EmbeddedConfig, EmbeddedLog};
use crate::{
    position::{Partition, Position},
    reader::{Checkpoint, GroupEvent, Start},
    record::Record,
};

const P0: Partition = Partition(0);

fn config(directory: &std::path::Path) -> EmbeddedConfig {
    EmbeddedConfig { directory: directory.to_owned(), ..EmbeddedConfig::default() }
}

fn record(size: usize, seed: u8) -> Record {
    Record::spans(1, Bytes::from(vec![seed; size]))
}

#[tokio::test]
async fn what_was_acknowledged_is_there_after_opening_again() {
    let folder = tempfile::tempdir().unwrap();
    let log = EmbeddedLog::open(&config(folder.path())).unwrap();
    let spans = log.log().spans;
    for seed in 0..10 {
        let position = spans.writer.append(P0, record(1_000, seed)).await.unwrap();
        assert_eq!(position, Position(u64::from(seed)));
    }
    let mut cursor = spans.reader.open(P0, Start::Earliest).await.unwrap();
    assert_eq!(cursor.next(100_000).await.unwrap().len(), 10);
    let committer = log.group().committer();
    let checkpoint = Checkpoint { position: Position(4), metadata: "hint".into() };
    committer.commit(P0, checkpoint.clone()).await.unwrap();
    log.close().await;
    drop(log);

    let log = EmbeddedLog::open(&config(folder.path())).unwrap();
    let frames = log.log().spans.reader.fetch(P0, Position(0), 100_000).await.unwrap();
    assert_eq!(frames.len(), 10);
    assert!(
        frames.iter().zip(0..).all(|(frame, seed)| frame.payload == record(1_000, seed).payload)
    );
    let event = log.group().next().await.unwrap().unwrap();
    assert!(matches!(event, GroupEvent::Assigned { committed: Some(c), .. } if c == checkpoint));
    let next = log.log().spans.writer.append(P0, record(1, 1)).await.unwrap();
    assert_eq!(next, Position(10));
}
