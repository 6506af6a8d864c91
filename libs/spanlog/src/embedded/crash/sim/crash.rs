//! What is left of the disk after a kill or a power cut, and damage to what lies still.

use std::{collections::BTreeSet, ops::Range, sync::Arc};

use fastrand::Rng;

use super::{page::SECTOR, state::State, versions::Versions};

/// Which of the unsynced things survive a power cut. An unsynced thing is a page, a length, an
/// entry of the folder or a small file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    None,
    All,
    /// All but this one.
    Without(usize),
    /// This one alone.
    Alone(usize),
    /// Those before this one.
    Before(usize),
    /// This one and those behind it.
    From(usize),
    /// Any version of any sector, with garbage in some.
    Scattered(u64),
}

impl Cut {
    fn keeps(self, item: usize) -> bool {
        match self {
            Self::None => false,
            Self::All | Self::Scattered(_) => true,
            Self::Without(one) => item != one,
            Self::Alone(one) => item == one,
            Self::Before(one) => item < one,
            Self::From(one) => item >= one,
        }
    }

    /// All that are worth trying with `unsynced` things, with `scattered` random ones.
    pub(crate) fn all(unsynced: usize, scattered: usize, seed: u64) -> Vec<Self> {
        let mut cuts = vec![Self::None];
        if unsynced == 0 {
            return cuts;
        }
        cuts.push(Self::All);
        if unsynced > 1 {
            for item in 0..unsynced {
                cuts.extend([Self::Without(item), Self::Alone(item)]);
            }
            cuts.extend((1..unsynced).flat_map(|item| [Self::Before(item), Self::From(item)]));
        }
        let mut random = Rng::with_seed(seed);
        cuts.extend((0..scattered).map(|_| Self::Scattered(random.u64(..))));
        cuts
    }
}

/// Damage that nobody asked for and nobody tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Damage {
    /// Flips these bits of a byte.
    Flip { offset: usize, mask: u8 },
    /// Sectors read as zeros.
    Zeros { first: usize, count: usize },
    /// Two sectors change places.
    Swap { one: usize, other: usize },
    /// Each sector holds what belongs to the one before it.
    Shift { first: usize, count: usize },
    /// Sectors cannot be read.
    Unreadable { first: usize, count: usize },
}

impl State {
    /// How many things a power cut may take away.
    pub(crate) fn unsynced(&self) -> usize {
        let files = self.files.values();
        let in_files = files.map(|file| {
            file.pages.iter().filter(|page| page.is_unsynced()).count()
                + usize::from(file.len.is_unsynced())
        });
        in_files.sum::<usize>()
            + self.slots.values().filter(|name| name.is_unsynced()).count()
            + self.small.values().filter(|name| name.is_unsynced()).count()
    }

    /// What is left when the process dies: everything, the cache included.
    pub(crate) fn killed(&self) -> Self {
        self.clone()
    }

    /// What is left when the power goes.
    pub(crate) fn cut(&self, cut: Cut) -> Self {
        let mut left = self.clone();
        let mut random = match cut {
            Cut::Scattered(seed) => Some(Rng::with_seed(seed)),
            _ => None,
        };
        let mut item = 0;
        let mut next = || {
            item += 1;
            cut.keeps(item - 1)
        };
        for file in left.files.values_mut() {
            let file = Arc::make_mut(file);
            for page in &mut file.pages {
                match &mut random {
                    _ if !page.is_unsynced() => page.cut(false),
                    Some(random) => page.scatter(random),
                    None => page.cut(next()),
                }
            }
            settle(&mut file.len, &mut next, random.as_mut());
            file.late_error = false;
        }
        left.slots.values_mut().for_each(|name| settle(name, &mut next, random.as_mut()));
        left.small.values_mut().for_each(|name| settle(name, &mut next, random.as_mut()));
        left.forget_unnamed();
        left
    }

    fn forget_unnamed(&mut self) {
        let named: BTreeSet<u64> =
            self.slots.values().flat_map(Versions::all).filter_map(|id| *id).collect();
        self.files.retain(|id, _| named.contains(id));
        self.slots.retain(|_, name| name.is_unsynced() || name.visible().is_some());
    }

    /// Damages a slot that lies still: what was not durable yet is afterwards.
    pub(crate) fn damage(&mut self, number: u32, damage: Damage) {
        let id = self.open(number).expect("a slot");
        let file = self.file(id).expect("a file");
        let range = |first: usize, count: usize| -> Range<usize> { first..first + count };
        match damage {
            Damage::Flip { offset, mask } => file.flip(offset, mask),
            Damage::Zeros { first, count } => {
                range(first, count).for_each(|sector| file.set_sector(sector, &[0; SECTOR]));
            }
            Damage::Swap { one, other } => {
                let (first, second) = (file.sector(one), file.sector(other));
                file.set_sector(one, &second);
                file.set_sector(other, &first);
            }
            Damage::Shift { first, count } => {
                for sector in range(first, count).rev().filter(|&sector| sector > 0) {
                    let before = file.sector(sector - 1);
                    file.set_sector(sector, &before);
                }
            }
            Damage::Unreadable { first, count } => {
                range(first, count).for_each(|sector| file.make_unreadable(sector));
            }
        }
    }

    /// Removes a slot file, durably.
    pub(crate) fn remove_slot(&mut self, number: u32) {
        self.slots.remove(&number);
    }

    /// Puts `other`'s slot file in the place of this one.
    pub(crate) fn take_slot(&mut self, number: u32, other: &Self, from: u32) {
        let file = other.files[&other.open(from).expect("a slot")].clone();
        let id = self.files.keys().max().map_or(0, |id| id + 1);
        self.files.insert(id, file);
        self.slots.insert(number, Versions::new(Some(id)));
    }

    /// Cuts a slot file to `len` bytes, durably.
    pub(crate) fn truncate_slot(&mut self, number: u32, len: u64) {
        let id = self.open(number).expect("a slot");
        self.file(id).expect("a file").len = Versions::new(len);
    }

    /// What a small file holds.
    pub(crate) fn small_file(&self, name: &str) -> Option<Vec<u8>> {
        self.small.get(name)?.visible().as_ref().map(|bytes| bytes.to_vec())
    }

    /// Changes a small file, durably; `None` removes it.
    pub(crate) fn set_small_file(&mut self, name: &str, bytes: Option<Vec<u8>>) {
        self.small.insert(name.to_owned(), Versions::new(bytes.map(Into::into)));
    }
}

fn settle<T: Clone>(
    versions: &mut Versions<T>,
    next: &mut impl FnMut() -> bool,
    random: Option<&mut Rng>,
) {
    match random {
        _ if !versions.is_unsynced() => {}
        Some(random) => versions.scatter(random),
        None => versions.cut(next()),
    }
}
