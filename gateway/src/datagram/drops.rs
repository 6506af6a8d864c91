//! How many datagrams the kernel threw away, because the receive buffer of a socket was full.

use std::{fs, os::fd::AsFd};

use rustix::fs::fstat;

/// The tables that Linux has of its sockets.
const TABLES: [&str; 2] = ["/proc/net/udp", "/proc/net/udp6"];

/// Where in a line of a table the number of the socket stands, and what it lost.
const INODE: usize = 9;
const DROPS: usize = 12;

/// The datagrams that `socket` lost since it was opened; `None` where the system does not say.
pub(crate) fn dropped(socket: impl AsFd) -> Option<u64> {
    let inode = fstat(socket).ok()?.st_ino.to_string();
    TABLES.iter().find_map(|table| in_table(&fs::read_to_string(table).ok()?, &inode))
}

fn in_table(table: &str, inode: &str) -> Option<u64> {
    table.lines().find_map(|line| {
        let mut columns = line.split_whitespace();
        let found = columns.by_ref().nth(INODE)?;
        (found == inode).then(|| columns.nth(DROPS - INODE - 1)?.parse().ok()).flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_drops_of_a_socket_stand_in_its_line() {
        let table = "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   \
                     uid  timeout inode ref pointer drops\n  117: 0100007F:1AAF 00000000:0000 07 \
                     00000000:00000000 00:00000000 00000000     0        0 31337 2 \
                     0000000000000000 12\n  118: 0100007F:1AB0 00000000:0000 07 \
                     00000000:00000000 00:00000000 00000000     0        0 31338 2 \
                     0000000000000000 0\n";
        assert_eq!(in_table(table, "31337"), Some(12));
        assert_eq!(in_table(table, "31338"), Some(0));
        assert_eq!(in_table(table, "1"), None);
    }
}
