//! The numbers of policies in a batch.

use crate::{record::policy_bits::PolicyBits, wire::put_delimited_head};

/// By the number of a policy of the writer: its number in the batch, if it occurs there.
pub(super) struct Numbers(Vec<Option<u16>>);

impl Numbers {
    /// Of `policies` policies, of which these occur.
    pub(super) fn of(policies: usize, occurring: impl Iterator<Item = u16>) -> Self {
        let mut numbers = vec![None; policies];
        for policy in occurring {
            if let Some(number) = numbers.get_mut(usize::from(policy)) {
                *number = Some(0);
            }
        }
        for (number, place) in (0..).zip(numbers.iter_mut().flatten()) {
            *place = number;
        }
        Self(numbers)
    }

    /// Whether each of the writer's policies occurs.
    pub(super) fn occur(&self) -> impl Iterator<Item = bool> + '_ {
        self.0.iter().map(Option::is_some)
    }

    /// The number in the batch; for a policy without a name one that no reader accepts.
    pub(super) fn get(&self, policy: u16) -> u16 {
        self.0.get(usize::from(policy)).copied().flatten().unwrap_or(u16::MAX)
    }

    /// Bytes that `policies` take as a set.
    pub(super) fn set_len(&self, policies: &PolicyBits) -> usize {
        // The numbers go up with those of the writer.
        policies.iter().last().map_or(0, |last| usize::from(self.get(last)) / 8 + 1)
    }

    pub(super) fn append_set(&self, field: u32, policies: &PolicyBits, out: &mut Vec<u8>) {
        let length = self.set_len(policies);
        if length == 0 {
            return;
        }
        put_delimited_head(out, field, length);
        let from = out.len();
        out.resize(from + length, 0);
        for policy in policies.iter() {
            let number = self.get(policy);
            if let Some(byte) = out.get_mut(from + usize::from(number / 8)) {
                *byte |= 1 << (number % 8);
            }
        }
    }
}
