//! Control groups: memory, processes and the certain end of everything in a jail, on version 1, version 2 and hybrids.

use keiko_contracts::jail::Limits;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

const PREFIX: &str = "keiko-jail-";

/// Where jails' groups are made, per purpose. A purpose without a place is not served by control groups.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Places {
    /// Limits memory.
    pub(crate) memory: Option<Place>,
    /// Limits processes.
    pub(crate) pids: Option<Place>,
    /// Measures processor time.
    pub(crate) cpu: Option<Place>,
    /// Kills a whole group at once.
    pub(crate) kill: Option<Place>,
}

/// A parent folder for groups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) version: Version,
    pub(crate) parent: PathBuf,
}

/// The two interfaces of control groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    One,
    Two,
}

/// One line of `/proc/self/mountinfo` that is a control group file system.
#[derive(Debug, PartialEq, Eq)]
struct Hierarchy {
    version: Version,
    /// Version 1: its controllers.
    controllers: Vec<String>,
    /// Which part of the hierarchy the mount shows.
    root: String,
    mount: PathBuf,
}

fn hierarchies(mountinfo: &str) -> Vec<Hierarchy> {
    let parse = |line: &str| {
        let (left, right) = line.split_once(" - ")?;
        let left: Vec<&str> = left.split(' ').collect();
        let right: Vec<&str> = right.split(' ').collect();
        let version = match *right.first()? {
            "cgroup" => Version::One,
            "cgroup2" => Version::Two,
            _ => return None,
        };
        let controllers = right.get(2)?.split(',').map(str::to_owned).collect();
        Some(Hierarchy {
            version,
            controllers,
            root: (*left.get(3)?).to_owned(),
            mount: left.get(4)?.into(),
        })
    };
    mountinfo.lines().filter_map(parse).collect()
}

/// The folder of the calling process in a hierarchy, from `/proc/self/cgroup`.
fn own_folder(hierarchy: &Hierarchy, cgroup: &str) -> Option<PathBuf> {
    let path = cgroup.lines().find_map(|line| {
        let mut fields = line.splitn(3, ':');
        let (_, names, path) = (fields.next()?, fields.next()?, fields.next()?);
        let mine = match hierarchy.version {
            Version::Two => names.is_empty(),
            Version::One => {
                !names.is_empty()
                    && names
                        .split(',')
                        .all(|name| hierarchy.controllers.iter().any(|c| c == name))
            }
        };
        mine.then_some(path)
    })?;
    let below = path
        .strip_prefix(hierarchy.root.trim_end_matches('/'))
        .unwrap_or(path);
    Some(hierarchy.mount.join(below.trim_start_matches('/')))
}

impl Places {
    /// Looks for places where groups can really be made, by making one.
    pub(crate) fn find() -> Places {
        let text = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let (mountinfo, cgroup) = (text("/proc/self/mountinfo"), text("/proc/self/cgroup"));
        let mut places = Places::default();
        for hierarchy in hierarchies(&mountinfo) {
            let Some(own) = own_folder(&hierarchy, &cgroup) else {
                continue;
            };
            match hierarchy.version {
                Version::One => places.take_version_one(&hierarchy, &own),
                Version::Two => places.take_version_two(&hierarchy, &own),
            }
        }
        places
    }

    fn take_version_one(&mut self, hierarchy: &Hierarchy, own: &Path) {
        let has = |name: &str| hierarchy.controllers.iter().any(|c| c == name);
        let works = |file: &str| trial(own, |group| group.join(file).exists());
        let place = Some(Place {
            version: Version::One,
            parent: own.into(),
        });
        if has("memory") && works("memory.limit_in_bytes") {
            self.memory.clone_from(&place);
        }
        if has("pids") && works("pids.max") {
            self.pids.clone_from(&place);
        }
        if has("cpuacct") && works("cpuacct.usage") {
            self.cpu = place;
        }
    }

    /// A process may not share a group with children that have controllers, so the place is beside its own group where
    /// that is allowed, else below it.
    fn take_version_two(&mut self, hierarchy: &Hierarchy, own: &Path) {
        let beside = own.parent().filter(|p| p.starts_with(&hierarchy.mount));
        for parent in [beside, Some(own), Some(hierarchy.mount.as_path())]
            .into_iter()
            .flatten()
        {
            for controller in ["+memory", "+pids", "+cpu"] {
                // Often enabled already, or not ours to enable: the trial tells.
                let _ = std::fs::write(parent.join("cgroup.subtree_control"), controller);
            }
            let place = || {
                Some(Place {
                    version: Version::Two,
                    parent: parent.into(),
                })
            };
            let works = |file: &str| trial(parent, |group| group.join(file).exists());
            if self.memory.is_none() && works("memory.max") {
                self.memory = place();
            }
            if self.pids.is_none() && works("pids.max") {
                self.pids = place();
            }
            if self.kill.is_none() && works("cgroup.kill") {
                self.kill = place();
                self.cpu = self.cpu.take().or_else(place);
            }
        }
    }
}

/// Makes a group, asks about it, removes it.
fn trial(parent: &Path, ask: impl Fn(&Path) -> bool) -> bool {
    let group = parent.join(fresh_name());
    if std::fs::create_dir(&group).is_err() {
        return false;
    }
    let answer = ask(&group)
        && std::fs::OpenOptions::new()
            .write(true)
            .open(group.join("cgroup.procs"))
            .is_ok();
    std::fs::remove_dir(&group).is_ok() && answer
}

fn fresh_name() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!(
        "{PREFIX}{}-{}",
        std::process::id(),
        NEXT.fetch_add(1, Ordering::Relaxed)
    )
}

/// The groups of one jail. They go when the last clone is dropped, and everything in them with them.
#[derive(Debug, Clone)]
pub(crate) struct Group(Arc<Folders>);

#[derive(Debug, Default)]
struct Folders {
    all: Vec<PathBuf>,
    memory: Option<(Version, PathBuf)>,
    pids: Option<PathBuf>,
    cpu: Option<(Version, PathBuf)>,
    kill: Option<PathBuf>,
}

impl Group {
    /// Makes the groups and sets the limits.
    pub(crate) fn make(places: &Places, limits: &Limits) -> std::io::Result<Group> {
        let name = fresh_name();
        let mut made = Folders::default();
        let mut folder = |place: &Option<Place>| -> std::io::Result<Option<(Version, PathBuf)>> {
            let Some(place) = place else { return Ok(None) };
            let path = place.parent.join(&name);
            if !made.all.contains(&path) {
                std::fs::create_dir(&path)?;
                made.all.push(path.clone());
            }
            Ok(Some((place.version, path)))
        };
        let (memory, pids, cpu, kill) = (
            folder(&places.memory),
            folder(&places.pids),
            folder(&places.cpu),
            folder(&places.kill),
        );
        // From here on a failure removes, by dropping, what was made.
        let mut group = made;
        group.memory = memory?;
        group.pids = pids?.map(|(_, path)| path);
        group.cpu = cpu?;
        group.kill = kill?.map(|(_, path)| path);
        group.limit(limits)?;
        Ok(Group(Arc::new(group)))
    }

    /// The files that a process writes `0` to in order to join.
    pub(crate) fn join_files(&self) -> Vec<PathBuf> {
        self.0
            .all
            .iter()
            .map(|folder| folder.join("cgroup.procs"))
            .collect()
    }

    /// True when the kernel killed something in here for its memory.
    pub(crate) fn out_of_memory(&self) -> bool {
        let Some((version, folder)) = &self.0.memory else {
            return false;
        };
        let file = if *version == Version::One {
            "memory.oom_control"
        } else {
            "memory.events"
        };
        count(&folder.join(file), "oom_kill") > 0
    }

    /// True when a process could not be started because there were too many.
    pub(crate) fn out_of_processes(&self) -> bool {
        self.0
            .pids
            .as_ref()
            .is_some_and(|folder| count(&folder.join("pids.events"), "max") > 0)
    }

    /// Processor time, milliseconds.
    pub(crate) fn cpu_ms(&self) -> Option<u64> {
        let (version, folder) = self.0.cpu.as_ref()?;
        match version {
            Version::One => Some(read_number(&folder.join("cpuacct.usage"))? / 1_000_000),
            Version::Two => Some(count(&folder.join("cpu.stat"), "usage_usec") / 1000),
        }
    }

    /// Peak memory with file cache, KiB.
    pub(crate) fn peak_kib(&self) -> Option<u64> {
        let (version, folder) = self.0.memory.as_ref()?;
        let file = if *version == Version::One {
            "memory.max_usage_in_bytes"
        } else {
            "memory.peak"
        };
        Some(read_number(&folder.join(file))? / 1024)
    }

    /// Kills everything in the jail, where the kernel can do that.
    pub(crate) fn kill(&self) {
        self.0.kill();
    }
}

impl Folders {
    fn limit(&self, limits: &Limits) -> std::io::Result<()> {
        let bytes = (u64::from(limits.memory_mib) << 20).to_string();
        match &self.memory {
            Some((Version::One, folder)) => {
                std::fs::write(folder.join("memory.limit_in_bytes"), &bytes)?;
                optional(folder, "memory.memsw.limit_in_bytes", &bytes)?;
            }
            Some((Version::Two, folder)) => {
                std::fs::write(folder.join("memory.max"), &bytes)?;
                optional(folder, "memory.swap.max", "0")?;
                optional(folder, "memory.oom.group", "0")?;
            }
            None => {}
        }
        match &self.pids {
            Some(folder) => std::fs::write(
                folder.join("pids.max"),
                u64::from(limits.pids).saturating_add(OWN_PIDS).to_string(),
            ),
            None => Ok(()),
        }
    }

    fn kill(&self) {
        if let Some(folder) = &self.kill {
            let _ = std::fs::write(folder.join("cgroup.kill"), "1");
        }
    }
}

/// Bubblewrap, the inner stage and its two threads count as well.
pub(crate) const OWN_PIDS: u64 = 5;

/// A file that not every kernel has.
fn optional(folder: &Path, file: &str, value: &str) -> std::io::Result<()> {
    let path = folder.join(file);
    if path.exists() {
        std::fs::write(path, value)
    } else {
        Ok(())
    }
}

/// The number after a word in a file of `word number` lines.
fn count(file: &Path, word: &str) -> u64 {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    text.lines()
        .find_map(|line| {
            line.strip_prefix(word)?
                .strip_prefix(' ')?
                .trim()
                .parse()
                .ok()
        })
        .unwrap_or(0)
}

fn read_number(file: &Path) -> Option<u64> {
    std::fs::read_to_string(file).ok()?.trim().parse().ok()
}

impl Drop for Folders {
    fn drop(&mut self) {
        self.kill();
        let mut left = std::mem::take(&mut self.all);
        left.retain(|folder| std::fs::remove_dir(folder).is_err());
        if left.is_empty() {
            return;
        }
        // Killed processes need a moment to be gone, hundreds of them a second or two.
        let wait = move || {
            for _ in 0..100 {
                std::thread::sleep(Duration::from_millis(50));
                left.retain(|folder| folder.exists() && std::fs::remove_dir(folder).is_err());
                if left.is_empty() {
                    return;
                }
            }
            tracing::warn!(?left, "control groups of a jail could not be removed");
        };
        let _ = std::thread::Builder::new()
            .name("keiko-jail-sweep".into())
            .spawn(wait);
    }
}

/// Removes groups that a Keiko which was killed left behind.
pub(crate) fn sweep(places: &Places) {
    for place in [&places.memory, &places.pids, &places.cpu, &places.kill]
        .into_iter()
        .flatten()
    {
        for entry in std::fs::read_dir(&place.parent)
            .into_iter()
            .flatten()
            .flatten()
        {
            let name = entry.file_name().to_string_lossy().into_owned();
            let owner = name
                .strip_prefix(PREFIX)
                .and_then(|rest| rest.split('-').next()?.parse::<u32>().ok());
            if owner.is_some_and(|pid| !Path::new(&format!("/proc/{pid}")).exists()) {
                let _ = std::fs::write(entry.path().join("cgroup.kill"), "1");
                let _ = std::fs::remove_dir(entry.path());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HYBRID: &str = "30 25 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n\
        31 25 0:28 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n\
        32 25 0:29 / /proc rw - proc proc rw\n\
        33 25 0:30 /docker/abc /cg/cpu rw shared:5 - cgroup cgroup rw,cpu,cpuacct\n";

    #[test]
    fn hybrid_layouts_are_read() {
        let found = hierarchies(HYBRID);
        let versions: Vec<Version> = found.iter().map(|h| h.version).collect();
        assert_eq!(versions, [Version::One, Version::Two, Version::One]);
        let own = "4:memory:/process/x\n3:cpu,cpuacct:/docker/abc/y\n0::/user.slice\n";
        let folders: Vec<_> = found.iter().map(|h| own_folder(h, own).unwrap()).collect();
        assert_eq!(folders[0], Path::new("/sys/fs/cgroup/memory/process/x"));
        assert_eq!(folders[1], Path::new("/sys/fs/cgroup/unified/user.slice"));
        assert_eq!(
            folders[2],
            Path::new("/cg/cpu/y"),
            "a mount may show a part of its hierarchy only"
        );
    }

    #[test]
    fn nonsense_is_no_hierarchy() {
        assert_eq!(
            hierarchies("\n - \na b - cgroup\n1 2 3 4 5 - cgroup2\n"),
            []
        );
    }

    #[test]
    fn counters_are_found_by_the_whole_word() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "oom_kill_disable 7\noom_kill 3\n").unwrap();
        assert_eq!(count(file.path(), "oom_kill"), 3);
        assert_eq!(count(file.path(), "max"), 0);
        assert_eq!(count(Path::new("/nowhere"), "max"), 0);
    }
}
