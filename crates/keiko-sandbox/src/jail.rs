//! Finds out once what isolation this machine gives, and then prepares jails.

use crate::allowlist::{self, HOME, SearchFrom, Sizes, Toolchains};
use crate::disk::Space;
use crate::identity::{self, Decision, Surroundings};
use crate::limits::{self, Group, OWN_PIDS, Places, Version};
use crate::plan::{InitPlan, LandlockState, LaunchPlan, Layer, Locked, Placed};
use crate::remedy;
use crate::spec::{JailSpec, Mount, Network};
use crate::start::{self, Prepared};
use keiko_contracts::code::{Code, Fault};
use keiko_contracts::jail::{End, Limits};
use keiko_contracts::said::Said;
use keiko_contracts::say;
use keiko_contracts::step::Step;
use rustix::fs::{CWD, FileType, Mode as RawMode, OFlags, ResolveFlags, openat2};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use crate::allowlist::rustup;
pub use crate::launch::is_mountable;
pub use crate::plan::{Identity, SELF_INSIDE};

/// Open files of one process inside.
const OPEN_FILES: u64 = 16_384;
/// Where bubblewrap is looked for. Not on the search path: what is found there may be anybody's.
const BWRAP: [&str; 3] = ["/usr/bin/bwrap", "/usr/local/bin/bwrap", "/bin/bwrap"];

/// How jails are made.
#[derive(Debug, Clone)]
pub struct JailOptions {
    /// The binary whose `main` calls [`crate::roles::play`]: usually the running one. It is seen in every jail.
    pub inner: PathBuf,
    /// Bubblewrap, if not in its usual place.
    pub bwrap: Option<PathBuf>,
    /// Whom to become when Keiko is root; a free user id if absent.
    pub identity: Option<Identity>,
    /// A folder for mount points that any user can walk to, used only when Keiko is root.
    pub runtime_dir: PathBuf,
    /// Further folders of the host, for all jails.
    pub mounts: Vec<Mount>,
    /// Size of `/tmp` and of `/dev/shm`, mebibytes. Counts as memory where control groups limit it.
    pub tmp_mib: u32,
    /// Size of the home folder, mebibytes.
    pub home_mib: u32,
    /// Free disk space that commands must leave, mebibytes: one that goes below is stopped. Only single files have a
    /// limit of their own.
    pub disk_reserve_mib: u32,
    /// What the folders that a command writes may hold together, mebibytes. One that makes them larger is stopped, and the
    /// agent's next commands can only remove.
    pub workspace_mib: u32,
    /// Limit and measure by control groups where they can be made. Without them memory is watched.
    pub control_groups: bool,
    /// Hosts that dependencies may be installed from, besides the usual registries and those that the settings of package
    /// managers name; `*.name` for all below a name.
    pub registries: Vec<String>,
}

impl JailOptions {
    /// The usual options with the binary that contains the stages.
    pub fn new(inner: impl Into<PathBuf>) -> Self {
        let runtime_dir = "/run/keiko".into();
        JailOptions {
            inner: inner.into(),
            bwrap: None,
            identity: None,
            runtime_dir,
            mounts: Vec::new(),
            tmp_mib: 1024,
            home_mib: 512,
            disk_reserve_mib: 256,
            workspace_mib: 16_384,
            control_groups: true,
            registries: Vec::new(),
        }
    }
}

/// What really isolates a command on this machine. Goes into the audit log; `keiko doctor` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IsolationReport {
    /// Bubblewrap's path and version.
    pub bubblewrap: String,
    /// Who commands run as, on the host.
    pub identity: Identity,
    /// Keiko is root and becomes that user first.
    pub switches_user: bool,
    /// Namespaces that are always new.
    pub namespaces: Vec<String>,
    /// File rules of the kernel below the mounts.
    pub landlock: LandlockState,
    /// System calls are filtered: always, or nothing runs.
    pub seccomp: bool,
    /// What limits memory.
    pub memory: LimitedBy,
    /// What limits processes.
    pub processes: LimitedBy,
    /// The kernel kills a whole jail in one step; otherwise by its process 1.
    pub group_kill: bool,
    /// What is weaker here than it could be, in sentences. Empty is best.
    pub degraded: Vec<String>,
}

/// What holds a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LimitedBy {
    /// Control groups, version 1.
    CgroupV1,
    /// Control groups, version 2.
    CgroupV2,
    /// A process resource limit.
    Rlimit,
    /// Process 1 of the jail, which looks every 50 ms.
    Watching,
    /// Nothing.
    Nothing,
}

/// Makes jails. Cheap to clone.
#[derive(Clone)]
pub struct Jail(pub(crate) Arc<Ground>);

pub(crate) struct Ground {
    options: JailOptions,
    bwrap: PathBuf,
    decision: Decision,
    stage: Option<PathBuf>,
    places: Places,
    found: Toolchains,
    base_env: BTreeMap<String, String>,
    report: IsolationReport,
    pub(crate) space: Space,
    /// Process counts are kept per user namespace: a resource limit concerns one jail only.
    counts_per_jail: bool,
}

impl std::fmt::Debug for Jail {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Jail").field(&self.0.report).finish()
    }
}

impl Jail {
    /// Finds bubblewrap, decides the user, finds the toolchains, and makes one jail to see that it works. Blocks for
    /// some ten milliseconds.
    ///
    /// # Errors
    /// KEI-5001 no bubblewrap, KEI-5002 the machine does not permit jails, KEI-5003 no unprivileged user, KEI-5004 the
    /// runtime folder cannot be used; each with the remedy.
    pub fn detect(options: JailOptions) -> Result<Jail, Fault> {
        let decision = identity::decide(&Surroundings::read(), options.identity)?;
        let bwrap = find_bwrap(&options)?;
        let stage = if decision.switch {
            Some(make_stage(&options.runtime_dir)?)
        } else {
            None
        };
        let places = if options.control_groups {
            Places::find()
        } else {
            Places::default()
        };
        limits::sweep(&places);
        let mut found = allowlist::toolchains(&SearchFrom::environment());
        found.mounts.extend(options.mounts.iter().cloned());
        let base_env = allowlist::base_environment(&found);
        let counts_per_jail = kernel_at_least(5, 14);
        let report = first_report(&bwrap, decision, &places, counts_per_jail)?;
        let mib = |mib: u32| u64::from(mib) << 20;
        let space = Space::new(mib(options.disk_reserve_mib), mib(options.workspace_mib));
        let mut ground = Ground {
            space,
            options,
            bwrap,
            decision,
            stage,
            places,
            found,
            base_env,
            report,
            counts_per_jail,
        };
        let locked = probe(&mut ground)?;
        ground.report.landlock = locked.landlock;
        ground.report.degraded.extend(landlock_note(&locked));
        Ok(Jail(Arc::new(ground)))
    }

    /// Who the files of workspaces must belong to: whom Keiko becomes when it is root, otherwise its own user.
    #[must_use]
    pub fn identity(&self) -> Identity {
        self.0.decision.identity
    }

    /// The isolation in force.
    #[must_use]
    pub fn report(&self) -> IsolationReport {
        self.0.report.clone()
    }

    /// The host's folders that every jail sees beyond the system's own: toolchains and what the options add.
    #[must_use]
    pub fn toolchains(&self) -> &[Mount] {
        &self.0.found.mounts
    }

    /// The hosts that dependencies may be installed from besides the usual ones.
    #[must_use]
    pub fn registries(&self) -> &[String] {
        &self.0.options.registries
    }

    /// Whether the folders that these mounts let commands write hold more together than they may, as far as is known
    /// without measuring too often.
    pub async fn is_overfull(&self, mounts: &[Mount]) -> bool {
        self.0.space.is_overfull(mounts).await
    }

    /// The folders that the jail's `PATH` names.
    #[must_use]
    pub fn search_path(&self) -> &[String] {
        &self.0.found.path
    }
}

impl Ground {
    fn stage_binary(&self) -> &Path {
        &self.options.inner
    }

    /// Checks a command and turns it into everything that starting its jail needs.
    pub(crate) fn prepare(&self, spec: &JailSpec) -> Result<Prepared, Fault> {
        let (plan, group) = self.plan(spec)?;
        let egress = match &spec.network {
            Network::None => None,
            Network::Through(egress) => Some(egress.clone()),
        };
        Ok(Prepared {
            binary: self.stage_binary().to_owned(),
            plan,
            group,
            egress,
        })
    }

    fn plan(&self, spec: &JailSpec) -> Result<(LaunchPlan, Group), Fault> {
        check(spec)?;
        // A tool that was removed since must not keep everything else from running.
        let toolchains = self.found.mounts.iter().filter(|m| m.host.exists());
        // What a link leads to is seen through it; an environment that is activated in the shell is one of the folder's.
        let linked = |mount: &Mount| {
            spec.links
                .iter()
                .any(|(from, _)| Path::new(&mount.inside).starts_with(from))
        };
        let toolchains: Vec<Mount> = toolchains.filter(|mount| !linked(mount)).cloned().collect();
        let all: Vec<&Mount> = toolchains.iter().chain(&spec.mounts).collect();
        if let Some(astray) = spec.mounts.iter().find(|mount| !is_straight(mount, &all)) {
            let what = "a mount would lead through something else than folders, in a folder that commands can change";
            return Err(Fault::new(Code::COMMAND_CANNOT_RUN, what).at(&astray.inside));
        }
        let placed = placed(&spec.mounts)?;
        let group = Group::make(&self.places, &spec.limits).map_err(|e| {
            Fault::new(
                Code::JAIL_NOT_MADE,
                say!("control groups for a jail cannot be made: {e}", e),
            )
            .hint(Step::Doctor)
        })?;
        let sizes = self.sizes(&spec.limits);
        let mut layers = allowlist::system_layers(
            &self.options.inner,
            &toolchains,
            &self.found.links,
            sizes,
            &spec.limits,
        );
        layers.extend(spec.links.iter().map(|(inside, target)| Layer::Symlink {
            target: target.clone(),
            inside: inside.clone(),
        }));
        layers.extend(spec.mounts.iter().map(allowlist::layer));
        layers.push(Layer::Seal { inside: "/".into() });
        let mut env = self.base_env.clone();
        env.extend(spec.env.clone());
        let mounts = toolchains
            .iter()
            .chain(&spec.mounts)
            .filter(|m| m.writable)
            .map(|m| m.inside.clone());
        let writable = ["/tmp", "/dev/shm", HOME]
            .map(str::to_owned)
            .into_iter()
            .chain(mounts)
            .collect();
        let bytes = |mib: u32| u64::from(mib) << 20;
        let init = InitPlan {
            argv: spec.argv.clone(),
            cwd: spec.cwd.clone(),
            env,
            file_bytes: bytes(spec.limits.file_mib),
            open_files: OPEN_FILES,
            processes: (self.places.pids.is_none() && self.counts_per_jail)
                .then(|| u64::from(spec.limits.pids) + OWN_PIDS),
            watch_memory: self
                .places
                .memory
                .is_none()
                .then(|| bytes(spec.limits.memory_mib)),
            writable,
            placed,
            gate: None,
            need_landlock: self.report.landlock != LandlockState::Absent,
        };
        let plan = LaunchPlan {
            bwrap: self.bwrap.clone(),
            become_user: self.decision.switch.then_some(self.decision.identity),
            stage: self.stage.clone(),
            join: group.join_files(),
            layers,
            init,
        };
        Ok((plan, group))
    }

    /// Memory-backed folders are never larger than the memory that the command may use.
    fn sizes(&self, limits: &Limits) -> Sizes {
        let bytes = |mib: u32| u64::from(mib.min(limits.memory_mib).max(1)) << 20;
        Sizes {
            tmp: bytes(self.options.tmp_mib),
            home: bytes(self.options.home_mib),
        }
    }
}

/// What would otherwise come out as a riddle, or as a way around.
fn check(spec: &JailSpec) -> Result<(), Fault> {
    let bad = |what: Said| Err(Fault::new(Code::COMMAND_CANNOT_RUN, what));
    if spec.argv.first().is_none_or(String::is_empty) {
        return bad("the command is empty".into());
    }
    let variables = spec.env.iter().flat_map(|(name, value)| [name, value]);
    let paths = spec.mounts.iter().map(|m| &m.inside);
    if spec
        .argv
        .iter()
        .chain(variables)
        .chain(paths)
        .chain([&spec.cwd])
        .any(|text| text.contains('\0'))
    {
        return bad("a zero byte stands in the command, its environment or a path".into());
    }
    if let Some(name) = spec
        .env
        .keys()
        .find(|name| name.is_empty() || name.contains('='))
    {
        return bad(say!("`{name}` is no name of an environment variable", name));
    }
    if let Some(mount) = spec
        .mounts
        .iter()
        .find(|m| !is_mountable(&m.inside) || m.inside == "/" || !m.host.is_absolute())
    {
        return bad(say!(
            "{from} cannot be mounted at {to}",
            from = mount.host.display(),
            to = mount.inside
        ));
    }
    if let Some(mount) = spec.mounts.iter().find(|m| !m.host.exists()) {
        return bad(say!("{path} does not exist", path = mount.host.display()));
    }
    if !is_mountable(&spec.cwd) {
        return bad(say!("`{path}` is no absolute folder", path = spec.cwd));
    }
    Ok(())
}

/// Whether the place of a mount can be walked to without a link, where it lies below another mount. Bubblewrap before 0.12
/// follows links when it makes the place, also out of the new root. Somebody may put a link there after this: what came of
/// it is looked at again by process 1, see [`Placed`].
fn is_straight(mount: &Mount, all: &[&Mount]) -> bool {
    all.iter().all(|outer| {
        let Ok(below) = Path::new(&mount.inside).strip_prefix(&outer.inside) else {
            return true;
        };
        if below.as_os_str().is_empty() {
            return true;
        }
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        let Ok(root) = rustix::fs::openat(
            CWD,
            &outer.host,
            flags | OFlags::DIRECTORY,
            RawMode::empty(),
        ) else {
            return false;
        };
        let resolve =
            ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        match openat2(
            &root,
            below,
            flags | OFlags::NOFOLLOW,
            RawMode::empty(),
            resolve,
        ) {
            // Without following, a link at the end is opened itself.
            Ok(place) => rustix::fs::fstat(&place)
                .is_ok_and(|about| FileType::from_raw_mode(about.st_mode) != FileType::Symlink),
            // Bubblewrap makes what is missing.
            Err(error) => error == rustix::io::Errno::NOENT,
        }
    })
}

/// What must be seen at the place of each mount. A later mount above it hides an earlier one.
fn placed(mounts: &[Mount]) -> Result<Vec<Placed>, Fault> {
    let hidden = |at: usize| {
        mounts[at + 1..]
            .iter()
            .any(|later| Path::new(&mounts[at].inside).starts_with(&later.inside))
    };
    let look = |mount: &Mount| {
        let about = std::fs::symlink_metadata(&mount.host)
            .ok()
            .filter(|about| about.is_dir() || about.is_file());
        let about = about.ok_or_else(|| {
            Fault::new(
                Code::COMMAND_CANNOT_RUN,
                "what is mounted must be a folder or a file",
            )
            .at(mount.host.display())
        })?;
        Ok(Placed {
            inside: mount.inside.clone(),
            device: about.dev(),
            inode: about.ino(),
        })
    };
    mounts
        .iter()
        .enumerate()
        .filter(|(at, _)| !hidden(*at))
        .map(|(_, mount)| look(mount))
        .collect()
}

fn find_bwrap(options: &JailOptions) -> Result<PathBuf, Fault> {
    let usual = BWRAP.iter().map(PathBuf::from);
    let found = options
        .bwrap
        .clone()
        .into_iter()
        .chain(usual.filter(|_| options.bwrap.is_none()))
        .find(|p| p.is_file());
    found.ok_or_else(|| {
        Fault::new(
            Code::NO_BUBBLEWRAP,
            "the sandbox program bubblewrap is not installed",
        )
        .hint(remedy::install("bubblewrap"))
    })
}

/// A folder of root's own below folders that nobody else can change.
fn make_stage(runtime: &Path) -> Result<PathBuf, Fault> {
    let stage = runtime.join("stage");
    let unusable = |why: Said| {
        Fault::new(Code::RUNTIME_FOLDER_UNUSABLE, why)
            .at(stage.display())
            .hint("it must be a folder that only this user can write: ls -ld shows who can")
    };
    let made = std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o755)
        .create(&stage);
    made.map_err(|e| unusable(say!("the runtime folder cannot be made: {e}", e)))?;
    let stage = std::fs::canonicalize(&stage).map_err(|e| unusable(say!("{e}", e)))?;
    for folder in stage.ancestors() {
        let about = std::fs::symlink_metadata(folder).map_err(|e| unusable(say!("{e}", e)))?;
        let mode = about.permissions().mode();
        let foreign = about.uid() != 0 || (mode & 0o022 != 0 && mode & 0o1000 == 0);
        if foreign || mode & 0o001 == 0 {
            return Err(unusable(say!(
                "{path} is not a folder of root's that all users can walk through",
                path = folder.display()
            )));
        }
    }
    Ok(stage)
}

fn kernel_at_least(major: u32, minor: u32) -> bool {
    let name = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let mut numbers = name
        .split(|c: char| !c.is_ascii_digit())
        .map(|n| n.parse::<u32>().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) >= (major, minor)
}

fn first_report(
    bwrap: &Path,
    decision: Decision,
    places: &Places,
    counts_per_jail: bool,
) -> Result<IsolationReport, Fault> {
    let version = std::process::Command::new(bwrap)
        .arg("--version")
        .env_clear()
        .output();
    let version = version.map_err(|e| {
        Fault::new(
            Code::NO_BUBBLEWRAP,
            say!("bubblewrap cannot be started: {e}", e),
        )
        .hint(remedy::install("bubblewrap"))
    })?;
    let by = |place: &limits::Place| {
        if place.version == Version::One {
            LimitedBy::CgroupV1
        } else {
            LimitedBy::CgroupV2
        }
    };
    let memory = places.memory.as_ref().map_or(LimitedBy::Watching, by);
    let without = if counts_per_jail {
        LimitedBy::Rlimit
    } else {
        LimitedBy::Nothing
    };
    let processes = places.pids.as_ref().map_or(without, by);
    let mut degraded = Vec::new();
    if memory == LimitedBy::Watching {
        degraded.push(
            "memory is limited by looking every 50 ms: no control group for it can be made".into(),
        );
    }
    match processes {
        LimitedBy::Rlimit => degraded.push("processes are limited by a resource limit: no control group for it can be made".into()),
        LimitedBy::Nothing => {
            degraded.push("processes are not limited: no control group can be made and the kernel is older than 5.14".into())
        }
        _ => {}
    }
    Ok(IsolationReport {
        bubblewrap: format!(
            "{} ({})",
            bwrap.display(),
            String::from_utf8_lossy(&version.stdout).trim()
        ),
        identity: decision.identity,
        switches_user: decision.switch,
        namespaces: ["user", "mnt", "pid", "ipc", "uts", "cgroup", "net"]
            .map(str::to_owned)
            .to_vec(),
        landlock: LandlockState::Absent,
        seccomp: true,
        memory,
        processes,
        group_kill: places.kill.is_some(),
        degraded,
    })
}

fn landlock_note(locked: &Locked) -> Option<String> {
    match locked.landlock {
        LandlockState::Full => None,
        LandlockState::Partial => Some(
            "the kernel is older than 6.12: its file rules (Landlock) are enforced in part".into(),
        ),
        LandlockState::Absent => {
            Some("the kernel has no file rules (Landlock): mounts alone draw the borders".into())
        }
    }
}

/// Makes one jail and does nothing in it.
fn probe(ground: &mut Ground) -> Result<Locked, Fault> {
    let limits = Limits {
        wall_ms: 10_000,
        ..Limits::default()
    };
    let argv = vec![
        crate::plan::SELF_INSIDE.to_owned(),
        crate::inner::NOTHING.to_owned(),
    ];
    let spec = JailSpec {
        argv,
        cwd: "/".into(),
        env: BTreeMap::new(),
        mounts: vec![],
        limits,
        network: Network::None,
        stdin: vec![],
        links: vec![],
    };
    match start::blocking(ground.prepare(&spec)?, &spec)? {
        (Some(locked), End::Exit(0)) => Ok(locked),
        (_, end) => Err(Fault::new(
            Code::JAILS_NOT_PERMITTED,
            say!(
                "a first jail did not work: {end}",
                end = format_args!("{end:?}")
            ),
        )
        .hint(Step::Doctor)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec() -> JailSpec {
        JailSpec {
            argv: vec!["true".into()],
            cwd: "/".into(),
            env: BTreeMap::new(),
            mounts: vec![],
            limits: Limits::default(),
            network: Network::None,
            links: vec![],
            stdin: vec![],
        }
    }

    #[test]
    fn what_cannot_be_run_is_a_coded_fault() {
        let mount = |host: &str, inside: &str| {
            vec![Mount {
                host: host.into(),
                inside: inside.into(),
                writable: false,
            }]
        };
        let bad = [
            JailSpec {
                argv: vec![],
                ..spec()
            },
            JailSpec {
                argv: vec![String::new()],
                ..spec()
            },
            JailSpec {
                argv: vec!["a\0b".into()],
                ..spec()
            },
            JailSpec {
                env: [("A=B".into(), String::new())].into(),
                ..spec()
            },
            JailSpec {
                env: [(String::new(), String::new())].into(),
                ..spec()
            },
            JailSpec {
                cwd: "relative".into(),
                ..spec()
            },
            JailSpec {
                cwd: "/workspace/../..".into(),
                ..spec()
            },
            JailSpec {
                mounts: mount("/usr", "/"),
                ..spec()
            },
            JailSpec {
                mounts: mount("/usr", "/a/../b"),
                ..spec()
            },
            JailSpec {
                mounts: mount("usr", "/a"),
                ..spec()
            },
            JailSpec {
                mounts: mount("/does/not/exist", "/a"),
                ..spec()
            },
        ];
        for spec in bad {
            assert_eq!(check(&spec).unwrap_err().code, "KEI-5010", "{spec:?}");
        }
        assert_eq!(check(&spec()), Ok(()));
    }

    #[test]
    fn missing_bubblewrap_names_the_command_that_installs_it() {
        let options = JailOptions {
            bwrap: Some("/nowhere/bwrap".into()),
            ..JailOptions::new("/x")
        };
        let fault = find_bwrap(&options).unwrap_err();
        assert_eq!(fault.code, "KEI-5001");
        assert!(fault.hint.unwrap().contains("install bubblewrap"));
    }
}
