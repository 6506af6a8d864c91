//! What the log needs of a disk: slot files of a fixed size, two small files, and the truth about
//! what is durable.

use std::io;

/// A slot file as the folder lists it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Listed {
    /// Its number, which is its name.
    pub(crate) number: u32,
    /// Its length in bytes.
    pub(crate) len: u64,
}

/// The files of one log. All calls block.
///
/// Only [`sync_data`](Self::sync_data) and [`sync_folder`](Self::sync_folder) make anything
/// durable, and only for what was written before they were called.
pub(crate) trait Disk: Send + Sync + 'static {
    /// An open slot file.
    type Slot: Send + Sync + 'static;

    /// The slot files that there are, in any order.
    fn list(&self) -> io::Result<Vec<Listed>>;
    /// Opens a slot file that there is.
    fn open_slot(&self, number: u32) -> io::Result<Self::Slot>;
    /// Makes slot file `number` with `size` bytes, all allocated. Neither its content nor its
    /// entry in the folder is durable before `sync_data` and `sync_folder`. Leaves no file behind
    /// when it fails.
    fn create_slot(&self, number: u32, size: u64) -> io::Result<Self::Slot>;
    /// Reads from `offset` on; gives the bytes read, fewer than asked for only at the end.
    fn read_at(&self, slot: &Self::Slot, buffer: &mut [u8], offset: u64) -> io::Result<usize>;
    /// Writes at `offset`; gives the bytes written, which may be fewer.
    fn write_at(&self, slot: &Self::Slot, bytes: &[u8], offset: u64) -> io::Result<usize>;
    /// Waits until all that was written to the slot is durable. After an error nothing is known
    /// of it.
    fn sync_data(&self, slot: &Self::Slot) -> io::Result<()>;
    /// Waits until made and removed names of the folder are durable.
    fn sync_folder(&self) -> io::Result<()>;
    /// Cuts a slot that is given back.
    fn set_len(&self, slot: &Self::Slot, len: u64) -> io::Result<()>;
    /// Removes a slot file.
    fn unlink(&self, number: u32) -> io::Result<()>;
    /// Forgets clean pages of the slot, so that the next read asks the disk.
    fn drop_cache(&self, slot: &Self::Slot) -> io::Result<()>;
    /// Bytes free to this process on the disk.
    fn free_bytes(&self) -> io::Result<u64>;
    /// A small file of the folder, whole; `None` when there is none.
    fn read_file(&self, name: &str) -> io::Result<Option<Vec<u8>>>;
    /// Replaces a small file by rename: afterwards it is the old or the new one, whole. With
    /// `durable`, it is the new one also after a power cut.
    fn replace_file(&self, name: &str, bytes: &[u8], durable: bool) -> io::Result<()>;
}
