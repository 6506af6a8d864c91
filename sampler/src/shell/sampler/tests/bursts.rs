//! A log that wants appends of all partitions at the same moments.

use std::collections::BTreeSet;

use super::*;

const PARTITIONS: u32 = 4;
const LINGER: u64 = 100;

/// Whatever the partitions decide, and whenever: it leaves at common moments, and is as it would be.
#[tokio::test(start_paused = true)]
async fn decisions_of_all_partitions_leave_together() {
    let linger = Duration::from_millis(LINGER);
    let config = MemoryConfig { partitions: PARTITIONS, linger, ..MemoryConfig::default() };
    let stand = Stand::over(config, 1 << 20);
    let run = stand.start();
    let writer = stand.log.log().spans.writer;
    let mut wanted = Vec::new();
    for number in 0..400 {
        let partition = Partition(u32::try_from(number % u64::from(PARTITIONS)).unwrap());
        let error = number % 5 == 0;
        let span = Span { key: number << 8 | 1, id: number, root: true, error, ..Span::default() };
        wanted.extend(error.then_some(number));
        writer.append(partition, Record::spans(0, frame(&[span]))).await.unwrap();
        sleep(Duration::from_millis(7)).await;
    }
    sleep(Duration::from_secs(10)).await;
    run.stop().await;
    assert_eq!(stand.got(), wanted);
    let mut moments = BTreeSet::new();
    for partition in 0..PARTITIONS {
        let frames = stand.log.frames(TopicName::Decisions, Partition(partition));
        // The first one is the claim, which waits for nothing.
        moments.extend(frames.iter().skip(1).map(|frame| frame.time.0));
    }
    assert!(moments.len() > 10, "{moments:?}");
    // The log's time goes in steps of 10 ms.
    let apart = moments.iter().zip(moments.iter().skip(1)).map(|(one, next)| next - one);
    assert!(apart.min() >= Some(LINGER - 10), "{moments:?}");
}
