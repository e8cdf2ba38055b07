//! Pushing a commit: out of the jail as a bundle, checked, and from our own repository to the remote.
//!
//! This is the one call of git that may use the user's own configuration: credential helpers, ssh settings, proxies and
//! URL rewrites are what makes a push work. It runs in our bare repository, whose configuration is ours, with hooks off.
//! The remote is handed over in the environment, so that a password in its URL is in no argument list.

use crate::workspace::export::Wanted;
use crate::workspace::source::{full_remote, is_branch};
use crate::workspace::tree::is_object_id;
use crate::workspace::{Meta, Place, Workspaces};
use async_trait::async_trait;
use keiko_contracts::action::{HostAction, HostReport, Outcome, Probe};
use keiko_contracts::code::{Code, Fault};
use keiko_contracts::id::EffectKey;
use keiko_contracts::jail::CommitId;
use keiko_contracts::say;
use keiko_governance::permit::Permit;
use keiko_governance::redact::redact;
use keiko_ports::Cancel;
use keiko_ports::live::LiveSink;
use keiko_ports::perform::Perform;
use keiko_sandbox::jail::Jail;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tokio::process::Command;

/// How long a remote may take.
const LIMIT: Duration = Duration::from_secs(300);

/// Most subjects of commits that are shown.
const SUBJECTS_MOST: u32 = 100;

/// What a push would publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// Commits, short id and subject, the newest first.
    pub subjects: Vec<String>,
    /// The difference, as a unified diff.
    pub diff: String,
}

/// Carries out [`HostAction`]s.
#[derive(Clone)]
pub struct Push {
    spaces: Workspaces,
    jail: Jail,
}

struct Said {
    ok: bool,
    stdout: String,
    stderr: String,
}

impl Push {
    /// Out of these workspaces.
    #[must_use]
    pub fn new(spaces: Workspaces, jail: Jail) -> Push {
        Push { spaces, jail }
    }

    /// What a push would publish, for the person who decides: the subjects of its commits, the newest first, and the
    /// difference from the base of the run.
    ///
    /// # Errors
    /// As a push: when there is no such commit, or it cannot be brought out of the jail.
    pub async fn published(&self, action: &HostAction) -> Result<Published, Fault> {
        let HostAction::Push {
            workspace,
            branch,
            commit,
            expected,
            ..
        } = action;
        check(branch, commit, expected.as_deref())?;
        let (place, meta) = self.spaces.must(*workspace)?;
        self.spaces
            .export(
                &self.jail,
                &place,
                &meta,
                &Wanted::Commit(CommitId(commit.clone())),
            )
            .await?;
        let (git, repo, commit, base) = (
            self.spaces.git.clone(),
            place.repo(),
            commit.clone(),
            meta.opened.base.0.clone(),
        );
        let looked = tokio::task::spawn_blocking(move || {
            let range = format!("{base}..{commit}");
            let most = format!("--max-count={SUBJECTS_MOST}");
            let subjects = git
                .call(
                    &repo,
                    [
                        "log",
                        &most,
                        "--no-show-signature",
                        "--format=%h %s",
                        &range,
                        "--",
                    ],
                )
                .run()?;
            let plain = [
                "diff",
                "--no-color",
                "--no-ext-diff",
                "--no-textconv",
                "--no-renames",
                &base,
                &commit,
                "--",
            ];
            let diff = git.call(&repo, plain).run()?;
            Ok(Published {
                subjects: subjects.line().lines().map(str::to_owned).collect(),
                diff: String::from_utf8_lossy(&diff.stdout).into_owned(),
            })
        });
        looked.await.map_err(|e| {
            Fault::new(
                Code::REMOTE_UNREACHABLE,
                say!("looking at the change was interrupted: {e}", e),
            )
        })?
    }

    async fn push(&self, action: &HostAction, cancel: &Cancel) -> Result<HostReport, Fault> {
        let HostAction::Push {
            workspace,
            remote,
            branch,
            commit,
            expected,
        } = action;
        check(branch, commit, expected.as_deref())?;
        let (place, meta) = self.spaces.must(*workspace)?;
        self.spaces
            .export(
                &self.jail,
                &place,
                &meta,
                &Wanted::Commit(CommitId(commit.clone())),
            )
            .await?;
        // An empty expectation means that the branch must not exist yet.
        let lease = format!(
            "--force-with-lease=refs/heads/{branch}:{}",
            expected.as_deref().unwrap_or("")
        );
        let spec = format!("{commit}:refs/heads/{branch}");
        let mut args = vec![
            "push",
            "--porcelain",
            "--no-verify",
            "--no-signed",
            "--recurse-submodules=no",
            &lease,
        ];
        // The lease guards against a moved branch; this, against leaving out what was expected to be there.
        let forwards = match expected {
            Some(old) => self.is_ancestor(&place, old, commit).await?,
            None => true,
        };
        if !forwards {
            return Err(not_forward(branch));
        }
        args.extend(["keiko", &spec]);
        let said = self.git(&place, &meta, remote, &args, cancel).await?;
        if said.ok {
            return Ok(HostReport::Pushed {
                remote: remote.clone(),
                branch: branch.clone(),
                commit: commit.clone(),
            });
        }
        Err(explain(&said, remote, branch))
    }

    async fn is_ancestor(&self, place: &Place, old: &str, commit: &str) -> Result<bool, Fault> {
        let (git, repo, old, commit) = (
            self.spaces.git.clone(),
            place.repo(),
            old.to_owned(),
            commit.to_owned(),
        );
        let asked = tokio::task::spawn_blocking(move || {
            git.call(&repo, ["merge-base", "--is-ancestor", &old, &commit])
                .try_run()
                .map(|s| s.ok)
        });
        asked.await.map_err(|e| {
            Fault::new(
                Code::REMOTE_UNREACHABLE,
                say!("the push was interrupted: {e}", e),
            )
        })?
    }

    async fn stands_at(&self, action: &HostAction) -> Result<Option<String>, Fault> {
        let HostAction::Push {
            workspace,
            remote,
            branch,
            ..
        } = action;
        let (place, meta) = self.spaces.must(*workspace)?;
        let name = format!("refs/heads/{branch}");
        let said = self
            .git(
                &place,
                &meta,
                remote,
                &["ls-remote", "--", "keiko", &name],
                &Cancel::new(),
            )
            .await?;
        if !said.ok {
            return Err(explain(&said, remote, branch));
        }
        let found = said
            .stdout
            .lines()
            .filter_map(|l| l.split_once('\t'))
            .find(|(_, at)| *at == name);
        Ok(found.map(|(id, _)| id.to_owned()))
    }

    async fn git(
        &self,
        place: &Place,
        meta: &Meta,
        remote: &str,
        args: &[&str],
        cancel: &Cancel,
    ) -> Result<Said, Fault> {
        if remote.is_empty()
            || remote.starts_with('-')
            || remote.contains("::")
            || remote.contains(['\n', '\0'])
        {
            return Err(Fault::new(
                Code::NO_REMOTE,
                "this is not a remote that can be pushed to",
            )
            .at(redact(remote))
            .hint("give a path or an https or ssh URL"));
        }
        let url = meta
            .root
            .as_deref()
            .and_then(|root| full_remote(&self.spaces.git, root, remote))
            .unwrap_or_else(|| remote.to_owned());
        refuse_own_folders(&url, meta.root.as_deref(), &place.dir)?;
        let mut command = Command::new("git");
        command.args([
            "-c",
            "core.hooksPath=/dev/null",
            "-c",
            "core.fsmonitor=false",
            "-c",
            "push.gpgSign=false",
            "-c",
            "push.followTags=false",
        ]);
        command
            .arg("--git-dir")
            .arg(place.repo())
            .args(args)
            .current_dir(&place.dir);
        let inherited: Vec<_> = std::env::vars_os()
            .filter(|(k, _)| k.to_string_lossy().starts_with("GIT_"))
            .map(|(k, _)| k)
            .collect();
        for key in inherited.iter().filter(|k| {
            !matches!(
                k.to_str(),
                Some(
                    "GIT_SSH"
                        | "GIT_SSH_COMMAND"
                        | "GIT_SSL_CAINFO"
                        | "GIT_SSL_CAPATH"
                        | "GIT_ASKPASS"
                )
            )
        }) {
            command.env_remove(key);
        }
        command.envs([
            ("GIT_TERMINAL_PROMPT", "0"),
            ("GIT_ALLOW_PROTOCOL", "file:https:http:ssh:git"),
            ("LC_ALL", "C"),
        ]);
        command.envs([
            ("GIT_CONFIG_COUNT", "1"),
            ("GIT_CONFIG_KEY_0", "remote.keiko.url"),
            ("GIT_CONFIG_VALUE_0", url.as_str()),
        ]);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let output = tokio::select! {
            output = command.output() => output.map_err(|e| Fault::new(Code::NO_GIT, say!("git could not be started: {e}", e)).hint("apt-get install git"))?,
            () = tokio::time::sleep(LIMIT) => return Err(unreachable(remote, "it did not answer in time").transient(None)),
            () = cancel.cancelled() => return Err(Fault::new(Code::PUSH_STOPPED, "the push was stopped")),
        };
        let text = |bytes: &[u8]| {
            String::from_utf8_lossy(&bytes[..bytes.len().min(64 << 10)]).into_owned()
        };
        Ok(Said {
            ok: output.status.success(),
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
        })
    }
}

fn check(branch: &str, commit: &str, expected: Option<&str>) -> Result<(), Fault> {
    if !is_branch(branch) {
        return Err(
            Fault::new(Code::NO_REMOTE, "this cannot be the name of a branch")
                .at(branch.chars().take(80).collect::<String>()),
        );
    }
    match [Some(commit), expected]
        .into_iter()
        .flatten()
        .find(|id| !is_object_id(id))
    {
        Some(odd) => Err(
            Fault::new(Code::NO_REMOTE, "this is not the id of a commit")
                .at(odd.chars().take(80).collect::<String>()),
        ),
        None => Ok(()),
    }
}

/// A remote on this machine runs its own hooks as the operator: one inside the work itself would let the agent, or the
/// repository's author, write them.
fn refuse_own_folders(url: &str, root: Option<&Path>, place: &Path) -> Result<(), Fault> {
    let path = url.strip_prefix("file://").unwrap_or(url);
    let is_address = url.contains("://") && !url.starts_with("file://")
        || path
            .split_once(':')
            .is_some_and(|(host, _)| !host.contains('/'));
    if is_address {
        return Ok(());
    }
    let refused = |why: &str| {
        let hint = "push by hand, or name a remote outside of the repository by its absolute path";
        Err(Fault::new(Code::NO_REMOTE, why.to_owned())
            .at(redact(url))
            .hint(hint))
    };
    let Ok(real) = Path::new(path).canonicalize() else {
        return if Path::new(path).is_absolute() {
            Ok(())
        } else {
            refused("a remote with a relative path is not pushed to")
        };
    };
    let inside = |folder: &Path| {
        folder
            .canonicalize()
            .is_ok_and(|folder| real.starts_with(folder))
    };
    if !Path::new(path).is_absolute() {
        return refused("a remote with a relative path is not pushed to");
    }
    if root.is_some_and(inside) || place.parent().is_some_and(inside) {
        return refused("a remote inside the work itself is not pushed to");
    }
    Ok(())
}

fn unreachable(remote: &str, why: &str) -> Fault {
    Fault::new(
        Code::REMOTE_UNREACHABLE,
        say!(
            "the remote could not be reached: {why}",
            why = keiko_contracts::said::Said::words(redact(why).to_string())
        ),
    )
    .at(redact(remote))
    .hint("try it yourself: git ls-remote REMOTE")
}

fn not_forward(branch: &str) -> Fault {
    let hint = "bring the branch's new commits into the workspace first, or push to a new branch";
    Fault::new(
        Code::REMOTE_MOVED,
        "the commit does not continue the remote branch",
    )
    .at(branch)
    .hint(hint)
}

/// What git's refusal means.
fn explain(said: &Said, remote: &str, branch: &str) -> Fault {
    let all = format!("{}\n{}", said.stdout, said.stderr);
    if all.contains("(stale info)")
        || all.contains("(fetch first)")
        || all.contains("already exists")
        || all.contains("reference already exists")
    {
        let hint = "look at the branch, then push again or to a new branch";
        return Fault::new(Code::REMOTE_MOVED, "the remote branch has moved")
            .at(branch)
            .hint(hint);
    }
    if all.contains("(non-fast-forward)") {
        return not_forward(branch);
    }
    if let Some(line) = all.lines().find(|l| l.contains("[remote rejected]")) {
        let why = line
            .rsplit_once('(')
            .map_or(line, |(_, why)| why.trim_end_matches(')'));
        return Fault::new(
            Code::PUSH_REFUSED,
            say!(
                "the remote refused the push: {why}",
                why = keiko_contracts::said::Said::words(redact(why).to_string())
            ),
        )
        .at(branch);
    }
    let line = said
        .stderr
        .lines()
        .find(|l| l.starts_with("fatal:") || l.starts_with("error:"))
        .unwrap_or("no reason given");
    unreachable(remote, &line.chars().take(300).collect::<String>())
}

#[async_trait]
impl Perform<HostAction> for Push {
    async fn perform(
        &self,
        permit: Permit<HostAction>,
        _live: LiveSink,
        cancel: Cancel,
    ) -> Outcome<HostReport> {
        let (_, action) = permit.consume();
        match self.push(&action, &cancel).await {
            Ok(report) => Outcome::Done(report),
            Err(fault) if fault.code == Code::PUSH_STOPPED => stopped(self, &action).await,
            Err(fault) => Outcome::Failed(fault),
        }
    }

    async fn probe(&self, _key: &EffectKey, action: &HostAction) -> Probe<HostReport> {
        let HostAction::Push {
            remote,
            branch,
            commit,
            ..
        } = action;
        match self.stands_at(action).await {
            Ok(Some(at)) if at == *commit => Probe::Happened(HostReport::Pushed {
                remote: remote.clone(),
                branch: branch.clone(),
                commit: commit.clone(),
            }),
            Ok(_) => Probe::DidNot,
            Err(fault) => Probe::CannotTell { why: fault.said() },
        }
    }
}

/// A push that was stopped may have gone through: the remote is asked.
async fn stopped(push: &Push, action: &HostAction) -> Outcome<HostReport> {
    let HostAction::Push {
        remote,
        branch,
        commit,
        ..
    } = action;
    match push.stands_at(action).await {
        Ok(Some(at)) if at == *commit => Outcome::Done(HostReport::Pushed {
            remote: remote.clone(),
            branch: branch.clone(),
            commit: commit.clone(),
        }),
        Ok(_) => Outcome::Cancelled,
        Err(fault) => Outcome::Unknown {
            why: say!("the push was stopped, and then {fault}", fault),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_remote_inside_the_work_is_not_pushed_to() {
        let dir = tempfile::tempdir().unwrap();
        let (root, runs, outside) = (
            dir.path().join("user"),
            dir.path().join("workspaces"),
            dir.path().join("remote.git"),
        );
        let place = runs.join("run");
        for folder in [
            root.join("vendor.git"),
            place.join("tree"),
            runs.join("other/tree"),
            outside.clone(),
        ] {
            std::fs::create_dir_all(folder).unwrap();
        }
        std::os::unix::fs::symlink(&root, dir.path().join("alias")).unwrap();
        std::os::unix::fs::symlink(root.join("vendor.git"), dir.path().join("remote-link.git"))
            .unwrap();
        let at = |path: &str| dir.path().join(path).display().to_string();
        let judge = |url: &str| refuse_own_folders(url, Some(&root), &place);
        let inside = [
            at("user"),
            at("user/vendor.git"),
            at("alias/vendor.git"),
            at("remote-link.git"),
            at("user/../user/vendor.git"),
            at("workspaces/run/tree"),
            at("workspaces/other/tree"),
            format!("file://{}", at("user/vendor.git")),
            // Relative ones would be looked for in the work.
            ".".into(),
            "..".into(),
            "vendor.git".into(),
            "./vendor.git".into(),
            "not-there.git".into(),
            "file://vendor.git".into(),
        ];
        for url in &inside {
            let fault = judge(url).unwrap_err();
            assert!(
                fault.code == "KEI-5140" && fault.hint.is_some(),
                "{url}: {fault:?}"
            );
        }
        for url in [
            &at("remote.git"),
            &at("not-there.git"),
            &format!("file://{}", at("remote.git")),
        ] {
            judge(url).unwrap();
        }
        for url in [
            "https://host.example/a.git",
            "ssh://git@host.example/a.git",
            "git@host.example:a.git",
            "host.example:user/vendor.git",
        ] {
            judge(url).unwrap();
        }
    }
}
