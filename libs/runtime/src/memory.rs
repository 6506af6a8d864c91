//! What the process uses and what it may use.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::OnceLock,
};

/// Memory that the process takes up (RSS), in bytes; `None` where the system does not tell.
#[must_use]
pub fn resident() -> Option<u64> {
    let text = fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = text.split_whitespace().nth(1)?.parse().ok()?;
    pages.checked_mul(rustix::param::page_size() as u64)
}

/// Memory that the process may take up, in bytes: the least of what the machine has and what its
/// control groups (containers, service units) allow; `None` where the system does not tell. Read
/// once.
#[must_use]
pub fn available() -> Option<u64> {
    static AVAILABLE: OnceLock<Option<u64>> = OnceLock::new();
    *AVAILABLE.get_or_init(|| [installed(), allowed(Path::new("/"))].into_iter().flatten().min())
}

/// The memory limit that a setting of `configured` bytes means: itself, or nine tenths of what is
/// [`available`] if it is 0. `None` where nothing is configured and the system does not tell.
#[must_use]
pub fn limit(configured: u64) -> Option<u64> {
    if configured > 0 { Some(configured) } else { available().map(|bytes| bytes / 10 * 9) }
}

fn installed() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

/// The least limit on the way from the process's control group to the root, below `root`.
fn allowed(root: &Path) -> Option<u64> {
    let groups = fs::read_to_string(root.join("proc/self/cgroup")).ok()?;
    let limits = groups.lines().filter_map(|line| {
        // hierarchy:controllers:path, with no controllers in version 2
        let mut parts = line.splitn(3, ':').skip(1);
        let (controllers, path) = (parts.next()?, parts.next()?);
        if controllers.is_empty() {
            least(&root.join("sys/fs/cgroup"), path, "memory.max")
        } else if controllers.split(',').any(|name| name == "memory") {
            least(&root.join("sys/fs/cgroup/memory"), path, "memory.limit_in_bytes")
        } else {
            None
        }
    });
    limits.min()
}

fn least(mount: &Path, path: &str, file: &str) -> Option<u64> {
    let own: PathBuf = mount.join(path.trim_start_matches('/'));
    let groups = own.ancestors().take_while(|group| group.starts_with(mount));
    // "max" and numbers beyond any machine say that there is none.
    let limit = |group: &Path| {
        let text = fs::read_to_string(group.join(file)).ok()?;
        text.trim().parse::<u64>().ok().filter(|bytes| *bytes < 1 << 60)
    };
    groups.filter_map(limit).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(root: &Path, file: &str, text: &str) {
        let file = root.join(file);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }

    #[test]
    fn a_process_knows_its_own_memory() {
        let (resident, available) = (resident().unwrap(), available().unwrap());
        assert!(resident > 100 << 10 && resident < available, "{resident} of {available}");
        assert_eq!((limit(7), limit(0)), (Some(7), Some(available / 10 * 9)));
    }

    #[test]
    fn the_least_limit_of_nested_groups_counts() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        assert_eq!(allowed(root), None);
        write(root, "proc/self/cgroup", "0::/outer/inner\n");
        assert_eq!(allowed(root), None);
        write(root, "sys/fs/cgroup/outer/inner/memory.max", "max\n");
        write(root, "sys/fs/cgroup/outer/memory.max", "536870912\n");
        assert_eq!(allowed(root), Some(512 << 20));
    }

    #[test]
    fn groups_of_the_first_version_count() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        write(root, "proc/self/cgroup", "5:cpu,cpuacct:/x\n4:memory:/docker/abc\n");
        write(root, "sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
        assert_eq!(allowed(root), None);
        write(root, "sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes", "1073741824\n");
        assert_eq!(allowed(root), Some(1 << 30));
    }
}
