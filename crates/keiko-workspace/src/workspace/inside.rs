//! How a workspace looks inside its jails, and Keiko's own scripts in there.

use super::{Meta, Place, deps, prepare};
use keiko_contracts::code::{Code, Fault};
use keiko_contracts::jail::{End, Limits};
use keiko_contracts::said::Said;
use keiko_contracts::say;
use keiko_contracts::step::Step;
use keiko_ports::Cancel;
use keiko_ports::live::LiveSink;
use keiko_sandbox::jail::{Jail, SELF_INSIDE};
use keiko_sandbox::spec::{JailOutput, JailSpec, Mount, Network};
use std::collections::BTreeMap;
use std::path::Path;

/// Where the workspace is.
pub(crate) const WORKSPACE: &str = "/workspace";
/// Where our repository is, read-only, for Keiko's own git only.
pub(crate) const REPO: &str = "/keiko/repo.git";
/// Where the repository of states is, for Keiko's own git only.
pub(crate) const STATE: &str = "/keiko/state.git";
/// Where bundles are put, for Keiko's own git only.
pub(crate) const OUT: &str = "/keiko/out";

/// The workspace itself.
pub(crate) fn tree_mount(place: &Place, writable: bool) -> Mount {
    Mount {
        host: place.tree(),
        inside: WORKSPACE.into(),
        writable,
    }
}

/// Everything that a command of the agent's sees.
pub(crate) fn agent_mounts(
    place: &Place,
    meta: &Meta,
    prepared: &prepare::Prepared,
    cache: &Path,
) -> Vec<Mount> {
    let mut mounts = vec![tree_mount(place, true)];
    let replaced = prepared.replaced_folders();
    if let Some(root) = &meta.root {
        mounts.extend(deps::mounts(place, root, &meta.deps, &replaced));
    }
    mounts.extend(prepared.mounts(place, cache));
    mounts
}

/// Other names of the workspace, as links: the user's own folder, where dependencies of theirs are in use. Programs of a
/// virtual environment name it in their first line, and an editable install points into it: here that means the workspace.
pub(crate) fn agent_links(meta: &Meta) -> Vec<(String, String)> {
    let root = meta
        .root
        .as_deref()
        .filter(|_| !meta.deps.is_empty())
        .and_then(Path::to_str);
    let known = [
        WORKSPACE,
        "/usr",
        "/proc",
        "/dev",
        "/tmp",
        "/home/keiko",
        "/cache",
        "/keiko",
        "/.keiko",
        "/results",
        "/etc",
    ];
    // Not in the place of anything that is there anyway.
    let stands_free = |root: &&str| {
        root.matches('/').count() > 1
            && keiko_sandbox::jail::is_mountable(root)
            && !known
                .iter()
                .any(|known| Path::new(root).starts_with(known) && *known != "/tmp")
    };
    root.filter(stands_free)
        .map(|root| (root.to_owned(), WORKSPACE.to_owned()))
        .into_iter()
        .collect()
}

/// The environment of git inside: no configuration but the repository's own, no questions, no pager.
pub(crate) fn git_env() -> BTreeMap<String, String> {
    let fixed = [
        ("GIT_CONFIG_NOSYSTEM", "1"),
        ("GIT_CONFIG_GLOBAL", "/dev/null"),
        ("GIT_TERMINAL_PROMPT", "0"),
        ("GIT_PAGER", "cat"),
        ("GIT_NO_REPLACE_OBJECTS", "1"),
        ("GIT_NO_LAZY_FETCH", "1"),
        ("GIT_ALLOW_PROTOCOL", "none"),
        ("GIT_CONFIG_COUNT", "11"),
        ("GIT_CONFIG_KEY_0", "core.hooksPath"),
        ("GIT_CONFIG_VALUE_0", "/dev/null"),
        ("GIT_CONFIG_KEY_1", "core.fsmonitor"),
        ("GIT_CONFIG_VALUE_1", "false"),
        ("GIT_CONFIG_KEY_2", "safe.directory"),
        ("GIT_CONFIG_VALUE_2", "*"),
        ("GIT_CONFIG_KEY_3", "gc.auto"),
        ("GIT_CONFIG_VALUE_3", "0"),
        ("GIT_CONFIG_KEY_4", "core.quotePath"),
        ("GIT_CONFIG_VALUE_4", "false"),
        ("GIT_CONFIG_KEY_5", "commit.gpgSign"),
        ("GIT_CONFIG_VALUE_5", "false"),
        ("GIT_CONFIG_KEY_6", "advice.detachedHead"),
        ("GIT_CONFIG_VALUE_6", "false"),
        ("GIT_CONFIG_KEY_7", "advice.addEmbeddedRepo"),
        ("GIT_CONFIG_VALUE_7", "false"),
        // What another machine would refuse is refused here already, where the agent still hears of it.
        ("GIT_CONFIG_KEY_8", "core.protectHFS"),
        ("GIT_CONFIG_VALUE_8", "true"),
        ("GIT_CONFIG_KEY_9", "core.protectNTFS"),
        ("GIT_CONFIG_VALUE_9", "true"),
        // A large file costs its reading, and not its compression.
        ("GIT_CONFIG_KEY_10", "core.compression"),
        ("GIT_CONFIG_VALUE_10", "1"),
    ];
    let identity = super::git::IDENTITY;
    fixed
        .into_iter()
        .chain(identity)
        .map(|(k, v)| (k.to_owned(), v.to_owned()))
        .collect()
}

/// One of Keiko's own scripts, with arguments as `$1`, `$2`, ...
pub(crate) fn script_spec(
    mounts: Vec<Mount>,
    env: BTreeMap<String, String>,
    script: &str,
    args: &[&str],
    stdin: Vec<u8>,
) -> JailSpec {
    let mut argv: Vec<String> = ["/bin/sh", "-c", script, "keiko"].map(str::to_owned).into();
    argv.extend(args.iter().map(|a| (*a).to_owned()));
    let limits = Limits {
        wall_ms: 300_000,
        output_bytes: 8 << 20,
        file_mib: 4096,
        ..Limits::default()
    };
    JailSpec {
        argv,
        cwd: WORKSPACE.into(),
        env,
        mounts,
        limits,
        network: Network::None,
        stdin,
        links: Vec::new(),
    }
}

/// A script of Keiko's on the repository of states.
pub(crate) async fn on_state(
    jail: &Jail,
    place: &Place,
    writable_tree: bool,
    wall_ms: u32,
    script: &str,
    args: &[&str],
    cancel: Cancel,
) -> Result<JailOutput, Fault> {
    let mounts = vec![
        tree_mount(place, writable_tree),
        Mount {
            host: place.repo(),
            inside: REPO.into(),
            writable: false,
        },
        Mount {
            host: place.state(),
            inside: STATE.into(),
            writable: true,
        },
        Mount {
            host: place.out(),
            inside: OUT.into(),
            writable: true,
        },
    ];
    let mut env = git_env();
    env.insert("GIT_DIR".into(), STATE.into());
    env.insert("GIT_WORK_TREE".into(), WORKSPACE.into());
    env.insert("LOOK".into(), SELF_INSIDE.into());
    let mut spec = script_spec(mounts, env, script, args, Vec::new());
    spec.limits.wall_ms = wall_ms;
    jail.run(spec, LiveSink::none(), cancel).await
}

/// Standard output of a script that must succeed.
pub(crate) fn succeeded(what: &str, output: &JailOutput) -> Result<Vec<u8>, Fault> {
    if output.end == End::Exit(0) && output.stdout.omitted == 0 {
        return Ok([output.stdout.head.as_slice(), output.stdout.tail.as_slice()].concat());
    }
    let said = output.stderr.text();
    let reason = said
        .lines()
        .rev()
        .find(|l| !l.trim().is_empty())
        .map_or_else(
            || format!("{:?}", output.end),
            |l| l.chars().take(300).collect(),
        );
    Err(Fault::new(
        Code::FAILED_IN_JAIL,
        say!(
            "{what} failed in the jail: {reason}",
            what = Said::words(what.to_string()),
            reason
        ),
    )
    .hint(Step::Doctor))
}

#[cfg(test)]
mod tests {
    use super::*;
    use keiko_sandbox::spec::Captured;

    #[test]
    fn a_failed_script_is_never_taken_for_output() {
        let out = JailOutput {
            end: End::Exit(1),
            stderr: Captured {
                head: b"fatal: no\n".to_vec(),
                ..Captured::default()
            },
            ..JailOutput::default()
        };
        assert!(
            succeeded("x", &out)
                .unwrap_err()
                .message
                .contains("fatal: no")
        );
        let cut = JailOutput {
            stdout: Captured {
                omitted: 1,
                ..Captured::default()
            },
            ..JailOutput::default()
        };
        assert!(succeeded("x", &cut).is_err());
    }
}
