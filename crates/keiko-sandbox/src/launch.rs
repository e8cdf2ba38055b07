//! The outer stage: this same binary, freshly started and single-threaded, gives up what it may do and becomes bubblewrap.
//!
//! In order: join the control groups; as root, make the sources reachable in a private mount namespace and become an
//! unprivileged user for good; write bubblewrap's arguments to a memory file; `exec`. Bubblewrap started by uid 0 would
//! keep capabilities in its namespaces, and through them write host files.

use crate::plan::{INIT, Identity, LaunchPlan, Layer, SELF_INSIDE, encode};
use rustix::fs::{MemfdFlags, SeekFrom, memfd_create, seek};
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_bind_recursive, mount_change};
use rustix::process::{getegid, geteuid, getgid, getuid};
use rustix::thread::{
    UnshareFlags, set_thread_groups, set_thread_res_gid, set_thread_res_uid, unshare_unsafe,
};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Write as _;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// User and group inside. Never 0, whoever it is outside.
pub(crate) const INSIDE_ID: u32 = 1000;

/// Why the outer stage gave up, as a sentence for the supervisor.
pub(crate) type Why = String;

/// Becomes bubblewrap; comes back only with a reason why not. `control` stays open for the inner stage.
pub(crate) fn launch(mut plan: LaunchPlan, control: RawFd) -> Why {
    match prepare(&mut plan).and_then(|()| bubblewrap(&plan, control)) {
        Ok(mut command) => format!(
            "{} cannot be started: {}",
            plan.bwrap.display(),
            command.exec()
        ),
        Err(why) => why,
    }
}

fn prepare(plan: &mut LaunchPlan) -> Result<(), Why> {
    for procs in &plan.join {
        std::fs::write(procs, "0")
            .map_err(|e| format!("cannot join the control group {}: {e}", procs.display()))?;
    }
    if let Some(identity) = plan.become_user {
        let stage = plan.stage.as_deref().ok_or("no staging folder was given")?;
        stage_sources(stage, &mut plan.layers)?;
        become_user(identity)?;
    }
    if getuid().is_root() || geteuid().is_root() || getgid().is_root() && plan.become_user.is_some()
    {
        return Err("refusing to start a jail as root".into());
    }
    Ok(())
}

/// Binds every source into a folder that any user can walk to, seen by this process and its children only.
fn stage_sources(stage: &Path, layers: &mut [Layer]) -> Result<(), Why> {
    let failed = |what: &str, place: &Path, e: &dyn std::fmt::Display| {
        format!("{what} {}: {e}", place.display())
    };
    #[expect(
        unsafe_code,
        reason = "only CLONE_FILES is dangerous here; a new mount namespace takes nothing from this single-threaded process"
    )]
    unsafe { unshare_unsafe(UnshareFlags::NEWNS) }
        .map_err(|e| format!("cannot make a mount namespace: {e}"))?;
    let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    mount_change("/", private).map_err(|e| format!("cannot make mounts private: {e}"))?;
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    mount("keiko", stage, "tmpfs", flags, Some(c"size=1m,mode=0755"))
        .map_err(|e| failed("cannot mount", stage, &e))?;
    for (index, layer) in layers.iter_mut().enumerate() {
        let Layer::Bind { host, .. } = layer else {
            continue;
        };
        let target = stage.join(index.to_string());
        let folder = std::fs::metadata(&*host)
            .map_err(|e| failed("cannot find", host, &e))?
            .is_dir();
        let made = if folder {
            std::fs::create_dir(&target)
        } else {
            File::create(&target).map(drop)
        };
        made.map_err(|e| failed("cannot make", &target, &e))?;
        mount_bind_recursive(&*host, &target).map_err(|e| failed("cannot bind", host, &e))?;
        *host = target;
    }
    Ok(())
}

fn become_user(identity: Identity) -> Result<(), Why> {
    let (uid, gid) = (
        rustix::fs::Uid::from_raw(identity.uid),
        rustix::fs::Gid::from_raw(identity.gid),
    );
    set_thread_groups(&[]).map_err(|e| format!("cannot leave groups: {e}"))?;
    set_thread_res_gid(gid, gid, gid)
        .map_err(|e| format!("cannot become group {}: {e}", identity.gid))?;
    set_thread_res_uid(uid, uid, uid)
        .map_err(|e| format!("cannot become user {}: {e}", identity.uid))?;
    let held =
        rustix::thread::capabilities(None).map_err(|e| format!("cannot read capabilities: {e}"))?;
    let clean = held.effective.is_empty() && held.permitted.is_empty();
    if getuid() != uid || geteuid() != uid || getgid() != gid || getegid() != gid || !clean {
        return Err("becoming an unprivileged user left privileges behind".into());
    }
    Ok(())
}

/// The command line: arguments by descriptor (no limit of length, nothing to read in `/proc`), then the inner stage.
fn bubblewrap(plan: &LaunchPlan, control: RawFd) -> Result<Command, Why> {
    let mut inherited = Vec::new();
    let mut hand_over = |content: &[u8]| -> Result<String, Why> {
        let fd = memory_file(content).map_err(|e| format!("cannot make a memory file: {e}"))?;
        let name = fd.as_raw_fd().to_string();
        inherited.push(fd);
        Ok(name)
    };
    let mut bytes = Vec::new();
    for argument in arguments(plan, &mut hand_over)? {
        bytes.extend_from_slice(argument.as_bytes());
        bytes.push(0);
    }
    let args = hand_over(&bytes)?;
    let init = hand_over(&encode(&plan.init).map_err(|e| e.to_string())?)?;
    let mut command = Command::new(&plan.bwrap);
    command
        .args([
            "--args",
            &args,
            "--",
            SELF_INSIDE,
            INIT,
            &control.to_string(),
            &init,
        ])
        .env_clear()
        .current_dir("/");
    // `exec` follows at once: the descriptors must outlive this function, and this process is about to be replaced.
    inherited.into_iter().for_each(std::mem::forget);
    Ok(command)
}

/// Not closed on exec: made to be inherited.
fn memory_file(content: &[u8]) -> std::io::Result<OwnedFd> {
    let mut file = File::from(memfd_create("keiko", MemfdFlags::empty())?);
    file.write_all(content)?;
    seek(&file, SeekFrom::Start(0))?;
    Ok(file.into())
}

/// Bubblewrap's arguments; `hand_over` makes a content available and names its descriptor.
pub(crate) fn arguments(
    plan: &LaunchPlan,
    hand_over: &mut impl FnMut(&[u8]) -> Result<String, Why>,
) -> Result<Vec<OsString>, Why> {
    let id = INSIDE_ID.to_string();
    let mut all: Vec<OsString> = Vec::new();
    let mut add = |arguments: &[&OsStr]| all.extend(arguments.iter().map(|a| a.to_os_string()));
    let words = |text: &'static str| text.split(' ').map(OsStr::new).collect::<Vec<_>>();
    add(&words(
        "--unshare-user --disable-userns --unshare-ipc --unshare-pid --unshare-uts --unshare-cgroup-try",
    ));
    add(&words(
        "--unshare-net --as-pid-1 --die-with-parent --new-session --cap-drop ALL --clearenv --hostname keiko --chdir / --uid",
    ));
    add(&[id.as_ref(), "--gid".as_ref(), id.as_ref()]);
    for layer in &plan.layers {
        match layer {
            Layer::Bind {
                host,
                inside,
                writable,
            } => {
                let option = if *writable { "--bind" } else { "--ro-bind" };
                add(&[option.as_ref(), host.as_os_str(), inside.as_ref()]);
            }
            Layer::Symlink { target, inside } => {
                add(&["--symlink".as_ref(), target.as_ref(), inside.as_ref()])
            }
            Layer::File { inside, text } => {
                let fd = hand_over(text.as_bytes())?;
                add(&[
                    "--perms".as_ref(),
                    "0444".as_ref(),
                    "--ro-bind-data".as_ref(),
                    fd.as_ref(),
                    inside.as_ref(),
                ]);
            }
            // The size holds for the next tmpfs only.
            Layer::Tmpfs { inside, bytes } => {
                add(&[
                    "--size".as_ref(),
                    bytes.to_string().as_ref(),
                    "--tmpfs".as_ref(),
                    inside.as_ref(),
                ]);
            }
            Layer::Dir { inside } => add(&["--dir".as_ref(), inside.as_ref()]),
            Layer::Dev => add(&["--dev".as_ref(), "/dev".as_ref()]),
            Layer::Proc => add(&["--proc".as_ref(), "/proc".as_ref()]),
            Layer::Seal { inside } => add(&["--remount-ro".as_ref(), inside.as_ref()]),
        }
    }
    Ok(all)
}

/// Whether something can be mounted there: an absolute path, without `..`. Bubblewrap takes no others.
#[must_use]
pub fn is_mountable(path: &str) -> bool {
    let path = PathBuf::from(path);
    path.is_absolute()
        && path.components().all(|c| {
            matches!(
                c,
                std::path::Component::RootDir | std::path::Component::Normal(_)
            )
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::InitPlan;

    fn plan(layers: Vec<Layer>) -> LaunchPlan {
        let init = InitPlan {
            argv: vec!["secret-argument".into()],
            cwd: "/".into(),
            env: [("TOKEN".into(), "secret".into())].into(),
            file_bytes: 1,
            open_files: 1,
            processes: None,
            watch_memory: None,
            writable: vec![],
            placed: vec![],
            gate: Some(7),
            need_landlock: true,
        };
        LaunchPlan {
            bwrap: "/usr/bin/bwrap".into(),
            become_user: None,
            stage: None,
            join: vec![],
            layers,
            init,
        }
    }

    fn lines(plan: &LaunchPlan) -> String {
        let all = arguments(plan, &mut |_| Ok("9".into())).unwrap();
        all.iter()
            .map(|a| a.to_string_lossy().into_owned())
            .collect::<Vec<_>>()
            .join(" ")
    }

    #[test]
    fn a_size_stands_right_before_each_tmpfs() {
        let layers = vec![
            Layer::Tmpfs {
                inside: "/tmp".into(),
                bytes: 10,
            },
            Layer::Tmpfs {
                inside: "/home".into(),
                bytes: 20,
            },
        ];
        assert!(lines(&plan(layers)).ends_with("--size 10 --tmpfs /tmp --size 20 --tmpfs /home"));
    }

    #[test]
    fn no_jail_shares_the_network_of_the_host() {
        assert!(
            lines(&plan(vec![])).contains("--unshare-net "),
            "also with a way to the proxy"
        );
    }

    #[test]
    fn no_argument_and_no_variable_of_the_command_is_in_the_list() {
        assert!(!lines(&plan(vec![])).contains("secret"));
    }

    #[test]
    fn only_plain_absolute_paths_are_mounted() {
        for good in ["/workspace", "/", "/a/ü b"] {
            assert!(is_mountable(good), "{good}");
        }
        for bad in ["workspace", "", "/a/../b", "../x"] {
            assert!(!is_mountable(bad), "{bad}");
        }
    }
}
