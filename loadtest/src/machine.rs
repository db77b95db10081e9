//! Owns: what the machine is (kernel, processor, mount, commit), what it took from us (steal), what a process uses.
//! Must never: guess; what can't be read is said to be unknown.
//! Laws: none.

use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::num::percent;

/// The commit that this binary was built from. Taken when it was built: the tree may have moved on since.
pub const COMMIT: &str = env!("FANFARE_COMMIT");

/// What a figure must be read with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MachineFacts {
    /// The commit that the tester was built from, `-dirty` when sources differed from it; `unknown` in a debug
    /// build.
    pub commit: String,
    /// Kernel release.
    pub kernel: String,
    /// Processor model.
    pub cpu: String,
    /// Processors this process may use.
    pub cores: u32,
    /// Memory of the machine, in bytes.
    pub memory_bytes: u64,
    /// Where the data directory lies.
    pub mount: MountFacts,
    /// Seconds since the epoch when the run began.
    pub began_unix: u64,
}

/// The file system under the data directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MountFacts {
    /// Where it is mounted.
    pub point: String,
    /// Its kind, for example `ext4`.
    pub kind: String,
    /// Its device.
    pub device: String,
    /// Its options.
    pub options: String,
}

/// Reads everything once, for data that lie at `data`.
pub fn facts(data: &Path) -> MachineFacts {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    MachineFacts {
        commit: COMMIT.to_owned(),
        kernel: read_line("/proc/sys/kernel/osrelease"),
        cpu: cpu_model(&fs::read_to_string("/proc/cpuinfo").unwrap_or_default()),
        cores: std::thread::available_parallelism().map_or(1, |n| u32::try_from(n.get()).unwrap_or(u32::MAX)),
        memory_bytes: number_after(&fs::read_to_string("/proc/meminfo").unwrap_or_default(), "MemTotal:")
            * 1024,
        mount: mount_of(data, &fs::read_to_string("/proc/self/mounts").unwrap_or_default()),
        began_unix: now.map_or(0, |d| d.as_secs()),
    }
}

fn unknown() -> String {
    "unknown".to_owned()
}

fn read_line(path: &str) -> String {
    fs::read_to_string(path).map_or_else(|_| unknown(), |text| text.trim().to_owned())
}

fn cpu_model(cpuinfo: &str) -> String {
    let line = cpuinfo.lines().find(|line| line.starts_with("model name"));
    line.and_then(|line| line.split_once(':')).map_or_else(unknown, |(_, name)| name.trim().to_owned())
}

fn number_after(text: &str, name: &str) -> u64 {
    let line = text.lines().find(|line| line.starts_with(name));
    line.and_then(|line| line.split_whitespace().nth(1)).and_then(|value| value.parse().ok()).unwrap_or(0)
}

/// The mount with the longest point that is a prefix of the directory; the directory may not exist yet.
fn mount_of(data: &Path, mounts: &str) -> MountFacts {
    let existing = data.ancestors().find_map(|path| fs::canonicalize(path).ok());
    let absolute = existing.unwrap_or_else(|| data.to_owned());
    let mut best: Option<(usize, MountFacts)> = None;
    for line in mounts.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let [device, point, kind, options, ..] = words.as_slice() else { continue };
        let longer = best.as_ref().is_none_or(|(length, _)| point.len() >= *length);
        if absolute.starts_with(point) && longer {
            let [device, point, kind, options] =
                [device, point, kind, options].map(|word| (*word).to_owned());
            best = Some((point.len(), MountFacts { point, kind, device, options }));
        }
    }
    best.map_or_else(
        || MountFacts { point: unknown(), kind: unknown(), device: unknown(), options: unknown() },
        |(_, mount)| mount,
    )
}

/// Ticks of all processors since the machine started, and those the host took away.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CpuTicks {
    /// All ticks, idle ones too.
    pub total: u64,
    /// Ticks in which somebody else's machine ran.
    pub steal: u64,
    /// Ticks in which nothing ran.
    pub idle: u64,
}

impl CpuTicks {
    /// The counters now; zero where there is no /proc.
    pub fn now() -> Self {
        Self::parse(&fs::read_to_string("/proc/stat").unwrap_or_default())
    }

    fn parse(stat: &str) -> Self {
        let first = stat.lines().next().unwrap_or_default();
        let mut ticks = first.split_whitespace().skip(1).map(|word| word.parse::<u64>().unwrap_or(0));
        // user nice system idle iowait irq softirq steal; guest time is already inside user and nice.
        let fields: [u64; 8] = std::array::from_fn(|_| ticks.next().unwrap_or(0));
        Self { total: fields.iter().sum(), steal: fields[7], idle: fields[3] + fields[4] }
    }

    /// What passed since an earlier reading.
    pub fn since(self, earlier: Self) -> Self {
        Self {
            total: self.total.saturating_sub(earlier.total),
            steal: self.steal.saturating_sub(earlier.steal),
            idle: self.idle.saturating_sub(earlier.idle),
        }
    }

    /// Stolen time in per cent of all time.
    pub fn steal_percent(self) -> f64 {
        percent(self.steal, self.total)
    }
}

/// Resident memory of a process, in bytes; 0 when it is gone.
pub fn resident_bytes(pid: u32) -> u64 {
    number_after(&fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default(), "VmRSS:") * 1024
}

/// Bytes that a process caused to be written to devices; 0 when it is gone or hidden.
pub fn device_bytes(pid: u32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/io")).unwrap_or_default();
    number_after(&text, "write_bytes:")
}

/// The script that named the commit, for its test.
#[cfg(test)]
#[allow(dead_code, reason = "its main runs when the crate is built")]
#[path = "../../gateway/build.rs"]
mod build;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steal_is_read_from_the_eighth_column_and_guest_time_is_not_counted_twice() {
        let early = CpuTicks::parse("cpu  10 0 10 70 5 0 0 5 3 0\ncpu0 1 2 3\n");
        let late = CpuTicks::parse("cpu  60 0 20 90 5 0 0 25 9 0\n");
        assert_eq!(early, CpuTicks { total: 100, steal: 5, idle: 75 });
        let passed = late.since(early);
        assert_eq!(passed, CpuTicks { total: 100, steal: 20, idle: 20 });
        assert!((passed.steal_percent() - 20.0).abs() < 1e-9);
        assert_eq!(CpuTicks::parse(""), CpuTicks::default());
    }

    fn git(dir: &Path, arguments: &[&str]) -> bool {
        let who = ["-c", "user.name=t", "-c", "user.email=t@t", "-c", "commit.gpgsign=false"];
        let git = std::process::Command::new("git").arg("-C").arg(dir).args(who).args(arguments).output();
        git.is_ok_and(|output| output.status.success())
    }

    /// A figure is compared with the one of another commit: under a wrong name a loss is a gain.
    #[test]
    fn a_build_is_called_by_its_commit_and_marked_where_its_sources_differ() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        assert_eq!(build::commit(root), None, "no repository");
        assert!(build::watched(root).is_empty());
        std::fs::write(root.join("Cargo.toml"), "[workspace]").unwrap();
        let committed =
            git(root, &["init"]) && git(root, &["add", "."]) && git(root, &["commit", "-m", "one"]);
        if !committed {
            return eprintln!("there is no git here: a build is called unknown, and that is all to be seen");
        }
        let first = build::commit(root).unwrap();
        assert_eq!(first.len(), 12, "{first}");
        let seen = build::watched(root);
        assert!(seen.iter().any(|path| path.ends_with("HEAD")), "{seen:?}");
        assert!(seen.iter().any(|path| path.ends_with("Cargo.toml")), "{seen:?}");
        std::fs::write(root.join("notes.txt"), "no source").unwrap();
        assert_eq!(build::commit(root).as_ref(), Some(&first), "what is no source marks nothing");
        std::fs::write(root.join("Cargo.toml"), "[workspace] # changed").unwrap();
        assert_eq!(build::commit(root).unwrap(), format!("{first}-dirty"));
        assert!(git(root, &["commit", "-am", "two"]));
        let second = build::commit(root).unwrap();
        assert!(second.len() == 12 && second != first, "{second}");
        std::fs::create_dir_all(root.join("loadtest/src")).unwrap();
        std::fs::write(root.join("loadtest/src/new.rs"), "").unwrap();
        assert_eq!(build::commit(root).unwrap(), format!("{second}-dirty"), "a source that nobody added");
    }

    #[test]
    fn the_mount_is_the_one_with_the_longest_point() {
        let mounts = "/dev/a / ext4 rw 0 0\ntmpfs /proc tmpfs rw 0 0\n/dev/b /proc/self xfs ro,noatime 0 0\n";
        let mount = mount_of(Path::new("/proc/1/not-there-yet"), mounts);
        assert_eq!((mount.point.as_str(), mount.kind.as_str()), ("/proc", "tmpfs"));
        assert_eq!(mount_of(Path::new("/"), mounts).device, "/dev/a");
        assert_eq!(mount_of(Path::new("/"), "").kind, "unknown");
    }

    #[test]
    fn what_can_not_be_read_is_unknown() {
        assert_eq!(cpu_model(""), "unknown");
        assert_eq!(cpu_model("model name\t: Some CPU @ 2 GHz\n"), "Some CPU @ 2 GHz");
        assert_eq!(resident_bytes(u32::MAX), 0);
        assert!(resident_bytes(std::process::id()) > 0);
    }
}
