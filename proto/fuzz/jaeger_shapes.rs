//! Jaeger batches of every shape: fields of each message in each other, with counts and lengths that
//! lie.

use wholetrace_proto::wire::{put_bytes, put_delimited_head, put_tag, put_uint};

/// The fields of a message that are messages, with what is in them.
const NESTED: [&[(u32, usize)]; 8] = [
    // PostSpansRequest
    &[(1, 1)],
    // Batch
    &[(1, 2), (2, 3)],
    // Span
    &[(4, 4), (6, 7), (7, 7), (8, 5), (9, 6), (10, 3)],
    // Process
    &[(2, 5)],
    // SpanRef
    &[],
    // KeyValue
    &[],
    // Log
    &[(1, 7), (2, 5)],
    // Timestamp, Duration
    &[],
];

/// The most fields of a message, how deep messages are, and bytes in all.
const FIELDS: usize = 9;
const BYTES: usize = 4_000;

/// The batch that `data` chooses.
pub(crate) fn chosen(data: &[u8]) -> Vec<u8> {
    let mut choice = Choice { data, at: 0 };
    let mut out = Vec::new();
    message(&mut choice, 0, &mut out);
    out
}

struct Choice<'a> {
    data: &'a [u8],
    at: usize,
}

impl Choice<'_> {
    /// The next number below `bound`; more than there is data for comes from its beginning, changed.
    fn next(&mut self, bound: usize) -> usize {
        let byte = self.data.get(self.at % self.data.len().max(1)).copied().unwrap_or(0);
        let turn = self.at / self.data.len().max(1);
        self.at += 1;
        (usize::from(byte) + turn * 31) % bound
    }
}

fn message(choice: &mut Choice<'_>, of: usize, out: &mut Vec<u8>) {
    for _ in 0..choice.next(FIELDS) {
        if out.len() > BYTES {
            return;
        }
        match choice.next(12) {
            0 => put_uint(out, 1 + choice.next(13) as u32, 1 << choice.next(64)),
            // A length that lies.
            1 => put_delimited_head(out, 1 + choice.next(13) as u32, 1 << choice.next(40)),
            // A group, open or not.
            2 => put_tag(out, 1 + choice.next(13) as u32, 3 + choice.next(2) as u32),
            3..6 => put_bytes(out, 1 + choice.next(13) as u32, &vec![b'a'; choice.next(20)]),
            // The two ids of a span.
            6..8 if of == 2 => {
                put_bytes(out, 1, &[7; 16]);
                put_bytes(out, 2, &[5; 8]);
                put_uint(out, 5, choice.next(16) as u64);
            }
            _ => {
                let nested = NESTED[of];
                if nested.is_empty() {
                    put_uint(out, 1 + choice.next(5) as u32, choice.next(7) as u64);
                    continue;
                }
                let (number, below) = nested[choice.next(nested.len())];
                let mut body = Vec::new();
                message(choice, below, &mut body);
                put_bytes(out, number, &body);
            }
        }
    }
}
