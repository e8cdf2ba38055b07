//! What the inner stage takes from itself before the command runs: resources, privileges, files, system calls.
//!
//! Any step that fails ends the jail: a layer that the report promises is there, or nothing runs.

use crate::launch::INSIDE_ID;
use crate::plan::{InitPlan, LandlockState, Locked, Placed};
use crate::seccomp;
use landlock::{
    ABI, Access as _, AccessFs, CompatLevel, Compatible as _, PathBeneath, PathFd, Ruleset,
    RulesetAttr as _, RulesetCreatedAttr as _, RulesetStatus, Scope,
};
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat2};
use rustix::process::{
    DumpableBehavior, Resource, Rlimit, getegid, geteuid, getgid, getrlimit, getuid, setrlimit,
};

/// The newest level of Landlock that the rules below were written for.
const NEWEST: ABI = ABI::V7;

/// How much commands stand back behind the supervisor when the processor is short.
const NICE: i32 = 5;

/// Locks the calling process in. Its children inherit all of it.
pub(crate) fn lock(plan: &InitPlan) -> Result<Locked, String> {
    check_privileges()?;
    plan.placed.iter().try_for_each(check_mount)?;
    // No other process of this user may look into process 1 or borrow its descriptors.
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)
        .map_err(|e| format!("cannot hide process 1: {e}"))?;
    close_on_exec()?;
    limit(plan)?;
    // A bomb shall not starve whoever has to end it.
    rustix::process::nice(NICE).map_err(|e| format!("cannot lower the priority: {e}"))?;
    rustix::thread::set_no_new_privs(true)
        .map_err(|e| format!("cannot give up new privileges: {e}"))?;
    let locked = landlock(plan)?;
    seccomp::install(plan.watch_memory.is_some()).map_err(|e| e.to_string())?;
    let mode = rustix::thread::secure_computing_mode();
    if !matches!(mode, Ok(rustix::thread::SecureComputingMode::Filter)) {
        return Err("the system call filter is not in force".into());
    }
    Ok(locked)
}

fn check_privileges() -> Result<(), String> {
    let ids = [
        getuid().as_raw(),
        geteuid().as_raw(),
        getgid().as_raw(),
        getegid().as_raw(),
    ];
    if ids != [INSIDE_ID; 4] || !rustix::process::getpid().is_init() {
        return Err("the jail has the wrong user or is not a jail".into());
    }
    let held =
        rustix::thread::capabilities(None).map_err(|e| format!("cannot read capabilities: {e}"))?;
    if held.effective.is_empty() && held.permitted.is_empty() && held.inheritable.is_empty() {
        Ok(())
    } else {
        Err("the jail kept capabilities".into())
    }
}

/// Bubblewrap follows links on the way to the place of a mount; one that was put there in time leads it elsewhere.
fn check_mount(placed: &Placed) -> Result<(), String> {
    let resolve = ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let seen = openat2(CWD, placed.inside.as_str(), flags, Mode::empty(), resolve)
        .and_then(rustix::fs::fstat);
    if seen.is_ok_and(|about| (about.st_dev, about.st_ino) == (placed.device, placed.inode)) {
        return Ok(());
    }
    Err(format!(
        "{} is not what was to be mounted there",
        placed.inside
    ))
}

/// Whatever was left open by anyone before stays in this process.
fn close_on_exec() -> Result<(), String> {
    #[expect(
        unsafe_code,
        reason = "takes three numbers and touches no memory of this process"
    )]
    let result = unsafe {
        libc::syscall(
            libc::SYS_close_range,
            3_u32,
            u32::MAX,
            libc::CLOSE_RANGE_CLOEXEC,
        )
    };
    if result == 0 {
        Ok(())
    } else {
        Err(format!(
            "cannot close inherited files: {}",
            std::io::Error::last_os_error()
        ))
    }
}

fn limit(plan: &InitPlan) -> Result<(), String> {
    let limits = [
        (Resource::Core, Some(0)),
        (Resource::Fsize, Some(plan.file_bytes)),
        (Resource::Nofile, Some(plan.open_files)),
        (Resource::Nproc, plan.processes),
        (Resource::Msgqueue, Some(1 << 20)),
        (Resource::Memlock, Some(64 << 20)),
    ];
    for (resource, wanted) in limits {
        let Some(wanted) = wanted else { continue };
        // A lower ceiling set by someone else stays.
        let most = getrlimit(resource)
            .maximum
            .map_or(wanted, |m| m.min(wanted));
        setrlimit(
            resource,
            Rlimit {
                current: Some(most),
                maximum: Some(most),
            },
        )
        .map_err(|e| format!("cannot limit {resource:?}: {e}"))?;
    }
    Ok(())
}

/// The same borders as the mounts draw, from a second, independent part of the kernel.
fn landlock(plan: &InitPlan) -> Result<Locked, String> {
    let failed = |e: &dyn std::fmt::Display| format!("cannot set file rules: {e}");
    let everything = AccessFs::from_all(NEWEST);
    let rules = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(everything)
        .and_then(|r| r.scope(Scope::AbstractUnixSocket | Scope::Signal))
        .and_then(|r| r.create())
        .map_err(|e| failed(&e))?;
    let mut rules = rules;
    let device = AccessFs::ReadFile | AccessFs::WriteFile | AccessFs::IoctlDev;
    let grants = [
        ("/", AccessFs::from_read(NEWEST)),
        (
            "/proc",
            AccessFs::from_read(NEWEST) | AccessFs::WriteFile | AccessFs::Truncate,
        ),
        ("/dev", device | AccessFs::ReadDir),
    ];
    let writable = plan.writable.iter().map(|path| {
        (
            path.as_str(),
            everything & !AccessFs::MakeBlock & !AccessFs::MakeChar,
        )
    });
    for (path, access) in grants.into_iter().chain(writable) {
        let fd = PathFd::new(path).map_err(|e| failed(&e))?;
        // Folder rights on a single file are refused by the kernel.
        let access = if std::fs::metadata(path).is_ok_and(|m| m.is_dir()) {
            access
        } else {
            access & AccessFs::from_file(NEWEST)
        };
        rules = rules
            .add_rule(PathBeneath::new(fd, access))
            .map_err(|e| failed(&e))?;
    }
    let status = rules.restrict_self().map_err(|e| failed(&e))?;
    let landlock = match status.ruleset {
        RulesetStatus::FullyEnforced => LandlockState::Full,
        RulesetStatus::PartiallyEnforced => LandlockState::Partial,
        RulesetStatus::NotEnforced => LandlockState::Absent,
    };
    if plan.need_landlock && landlock == LandlockState::Absent {
        return Err(
            "the file rules of the kernel (Landlock), which worked before, do not work".into(),
        );
    }
    Ok(Locked {
        landlock,
        scoped: landlock == LandlockState::Full,
    })
}
