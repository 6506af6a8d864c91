//! Endpoints that were read before: the spans of a sender have the same ones again and again.

use std::rc::Rc;

use super::model::Endpoint;

/// How many are kept: a power of two.
const SLOTS: usize = 64;

/// Endpoints, with the bytes that they were read from.
pub(super) struct Known<'a> {
    slots: [(&'a [u8], Rc<Endpoint<'a>>); SLOTS],
    /// The slot of the last one.
    last: usize,
    /// Whether bytes show where the endpoint ends that they begin with.
    shows_end: bool,
}

impl<'a> Known<'a> {
    /// None yet, in a format in which the bytes of an endpoint show where it ends, or do not.
    pub(super) fn new(shows_end: bool) -> Self {
        let none = Rc::new(Endpoint::default());
        let slots = std::array::from_fn(|_| (&[][..], Rc::clone(&none)));
        Self { slots, last: 0, shows_end }
    }

    /// The endpoint that `bytes` are or, where they show its end, that they begin with; and how many
    /// bytes it has. One that is not known is read by `read`, which gives that number.
    ///
    /// # Errors
    /// Those of `read`.
    pub(super) fn endpoint<E>(
        &mut self,
        bytes: &'a [u8],
        read: impl FnOnce(&mut Endpoint<'a>) -> Result<usize, E>,
    ) -> Result<(&Rc<Endpoint<'a>>, usize), E> {
        if !self.is_at(self.last, bytes) {
            // Two share two slots, so that they do not take turns in being read.
            let (newer, older) = pair(bytes);
            match [newer, older].into_iter().find(|place| self.is_at(*place, bytes)) {
                Some(place) => self.last = place,
                None => {
                    self.slots.swap(newer % SLOTS, older % SLOTS);
                    self.last = newer;
                    self.read(bytes, read)?;
                }
            }
        }
        let (known, endpoint) = &self.slots[self.last % SLOTS];
        Ok((endpoint, known.len()))
    }

    fn is_at(&self, slot: usize, bytes: &[u8]) -> bool {
        let (known, _) = &self.slots[slot % SLOTS];
        let is_same_end = self.shows_end || known.len() == bytes.len();
        is_same_end && !known.is_empty() && bytes.starts_with(known)
    }

    #[inline(never)]
    fn read<E>(
        &mut self,
        bytes: &'a [u8],
        read: impl FnOnce(&mut Endpoint<'a>) -> Result<usize, E>,
    ) -> Result<(), E> {
        let (known, endpoint) = &mut self.slots[self.last % SLOTS];
        // What cannot be read is not to be found.
        *known = &[];
        let mut read_now = Endpoint::default();
        let length = read(&mut read_now)?;
        *known = bytes.get(..length).unwrap_or_default();
        *endpoint = Rc::new(read_now);
        Ok(())
    }
}

/// The two slots in which the endpoint may be that `bytes` begin with, by what stands where names
/// differ: that of what was read last, and that of what was read before.
fn pair(bytes: &[u8]) -> (usize, usize) {
    let differing = bytes.get(16..32).unwrap_or(bytes);
    let (first, last) = (differing.first_chunk::<8>(), differing.last_chunk::<8>());
    let word = |chunk: Option<&[u8; 8]>| chunk.map_or(0, |chunk| u64::from_le_bytes(*chunk));
    let mixed = (word(first).rotate_left(23) ^ word(last)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    // The upper bits depend on all.
    let slot = usize::try_from(mixed >> 58).unwrap_or(0);
    (slot & !1, slot | 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A name up to `;`.
    fn named<'a>(known: &mut Known<'a>, bytes: &'a [u8], reads: &mut usize) -> (Vec<u8>, usize) {
        let read = |endpoint: &mut Endpoint<'a>| {
            *reads += 1;
            let end = bytes.iter().position(|byte| *byte == b';').ok_or("no end")?;
            endpoint.service_name = bytes[..end].into();
            Ok::<_, &str>(end + 1)
        };
        let (endpoint, length) = known.endpoint(bytes, read).unwrap();
        (endpoint.service_name.to_vec(), length)
    }

    #[test]
    fn what_was_read_is_found_by_its_bytes_however_many_there_are() {
        let all: Vec<Vec<u8>> = (0..100)
            .map(|at| format!("the service of number {at};and more").into_bytes())
            .collect();
        let (mut known, mut reads) = (Known::new(true), 0);
        for bytes in all.iter().flat_map(|bytes| [bytes, bytes]) {
            let end = bytes.len() - "and more".len();
            assert_eq!(named(&mut known, bytes, &mut reads), (bytes[..end - 1].to_vec(), end));
        }
        assert_eq!(reads, all.len());
    }

    #[test]
    fn those_that_take_turns_stay_known() {
        let all: Vec<Vec<u8>> = (0..9).map(|at| format!("a name that ends {at};").into()).collect();
        for (one, other) in all.iter().flat_map(|one| all.iter().map(move |other| (one, other))) {
            let (mut known, mut reads) = (Known::new(true), 0);
            for _ in 0..3 {
                named(&mut known, one, &mut reads);
                named(&mut known, other, &mut reads);
            }
            assert_eq!(reads, if one == other { 1 } else { 2 });
        }
    }

    #[test]
    fn what_does_not_show_its_end_is_found_as_a_whole() {
        let (mut known, mut reads) = (Known::new(false), 0);
        for bytes in [&b"a;"[..], b"a;", b"a;b;"] {
            named(&mut known, bytes, &mut reads);
        }
        assert_eq!(reads, 2);
    }

    #[test]
    fn what_cannot_be_read_is_not_found() {
        let mut known = Known::new(true);
        assert_eq!(
            known.endpoint(b"a", |_| Err("broken")).map(|(_, length)| length),
            Err("broken")
        );
        let (_, length) = known.endpoint(b"ab", |_| Ok::<_, &str>(2)).unwrap();
        assert_eq!(length, 2);
        assert_eq!(
            known.endpoint(b"a", |_| Err("broken")).map(|(_, length)| length),
            Err("broken")
        );
    }
}
