//! Commands of the agent's.

use super::Shared;
use super::report::{Harness, REPORT_CAP};
use super::session::Session;
use crate::workspace::{Place, copy, deps, inside, io_fault, toolchain, tree};
use keiko_contracts::code::{Code, Fault};
use keiko_contracts::digest::Content;
use keiko_contracts::jail::{
    Command, ExecReport, ExecSpec, JailBody, Limits, REPORT, RESULTS, TreeId,
};
use keiko_contracts::said::Said;
use keiko_contracts::say;
use keiko_ports::Cancel;
use keiko_ports::live::LiveSink;
use keiko_sandbox::jail::Identity;
use keiko_sandbox::spec::{JailOutput, JailSpec, Mount, Network};
use std::io::Read as _;
use std::path::{Component, Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// Longest script: the kernel takes no longer argument.
const SCRIPT_CAP: u64 = 120 << 10;
/// Largest file that is brought back, bytes, and how many.
const ARTIFACT_CAP: u64 = 4 << 20;
const ARTIFACTS: usize = 16;

/// Prints length and content of each file that was written since `$1`; a report of an earlier command is not one of this.
const COLLECT: &str = r#"
since=$1; cap=$2; shift 2
for file; do
    if [ -f "$file" ] && [ -n "$(find "$file" -maxdepth 0 -newermt "@$since")" ]; then
        head -c "$cap" -- "$file" > /tmp/collected && wc -c < /tmp/collected && cat /tmp/collected
    else echo -1; fi
done
"#;

impl Shared {
    pub(super) async fn exec(
        &self,
        session: &mut Session,
        before: Option<TreeId>,
        spec: ExecSpec,
        live: LiveSink,
        cancel: &Cancel,
    ) -> Result<Option<JailBody>, Fault> {
        let argv = match argv(&spec) {
            Ok(argv) => argv,
            Err(Odd::Refused(why)) => {
                return Ok(Some(JailBody::Refused {
                    why,
                    nearest: Content::default(),
                }));
            }
            Err(Odd::Missing) => {
                return Err(Fault::new(
                    Code::COMMAND_TEXT_MISSING,
                    "a text of the command was not read from its blob",
                ));
            }
        };
        let tree_before = match before {
            Some(tree) => tree,
            None => tree::record(&self.jail, &session.place, cancel).await?.tree,
        };
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let harness = spec
            .report
            .map(|kind| Harness::prepare(&session.place, kind, self.jail.identity()))
            .transpose()?;
        let results = Results::prepare(
            &session.place,
            &spec.collect,
            harness.is_some(),
            self.jail.identity(),
        )?;
        let output = self
            .run_agent(
                session,
                argv,
                &spec,
                &Beside {
                    results: &results,
                    harness: harness.as_ref(),
                },
                live,
                cancel,
            )
            .await?;
        if output.cancelled {
            return Ok(None);
        }
        // File times are taken from a clock that is up to some milliseconds behind.
        let since = since.saturating_sub(std::time::Duration::from_millis(20));
        let mut artifacts = self
            .collect(session, &spec.collect, since.as_secs_f64())
            .await?;
        artifacts.extend(results.read()?);
        let mut report = report(output, tree_before, artifacts);
        if let Some(harness) = harness {
            let (reported, records) = harness.check(
                &results
                    .bytes("keiko.report", REPORT_CAP)?
                    .unwrap_or_default(),
            );
            report.reported = Some(reported);
            report.artifacts.push((REPORT.to_owned(), records.into()));
        }
        Ok(Some(JailBody::Exec(report)))
    }

    async fn run_agent(
        &self,
        session: &Session,
        argv: Vec<String>,
        spec: &ExecSpec,
        beside: &Beside<'_>,
        live: LiveSink,
        cancel: &Cancel,
    ) -> Result<JailOutput, Fault> {
        let mut env = self.env_at(session, &spec.cwd);
        env.extend(spec.env.clone());
        let cwd = if spec.cwd.is_empty() {
            inside::WORKSPACE.to_owned()
        } else {
            format!("{}/{}", inside::WORKSPACE, spec.cwd.trim_end_matches('/'))
        };
        let given = || {
            spec.stdin
                .as_ref()
                .map(|s| s.text_or_empty().as_bytes().to_vec())
                .unwrap_or_default()
        };
        let stdin = beside.harness.map_or_else(given, Harness::input);
        let mut mounts = inside::agent_mounts(
            &session.place,
            &session.meta,
            &session.prepared,
            &self.cache,
        );
        mounts.extend(beside.results.mount());
        mounts.extend(beside.harness.map(Harness::mount));
        let overfull = self.jail.is_overfull(&mounts).await;
        // With no room left, files can be removed and nothing be written: also not by many short commands.
        let limits = if overfull {
            Limits {
                file_mib: 0,
                ..spec.limits
            }
        } else {
            spec.limits
        };
        let jail = JailSpec {
            argv,
            cwd,
            env,
            mounts,
            limits,
            network: Network::None,
            stdin,
            links: inside::agent_links(&session.meta),
        };
        let mut output = self.jail.run(jail, live, cancel.clone()).await?;
        if overfull {
            output.violations.push("the workspace is larger than it may be: nothing can be written until something is removed".into());
        }
        Ok(output)
    }

    /// What commands at the workspace's root need to find what was prepared, and what the user has there.
    pub(super) fn env(&self, session: &Session) -> std::collections::BTreeMap<String, String> {
        self.env_at(session, "")
    }

    /// The same for commands in a folder. What was prepared comes before a virtual environment of the user's, which it was
    /// prepared in the place of; one that lies in the repository counts without being activated.
    pub(super) fn env_at(
        &self,
        session: &Session,
        cwd: &str,
    ) -> std::collections::BTreeMap<String, String> {
        let mut path = self.jail.search_path().join(":");
        let venv = deps::environment(&session.meta.deps, cwd);
        if let Some(venv) = &venv {
            path = format!("{venv}/bin:{path}");
        }
        let mut env = session
            .prepared
            .env_in(cwd.trim_end_matches('/'), &self.cache, &path);
        if let Some(venv) = venv {
            env.entry("VIRTUAL_ENV".to_owned()).or_insert(venv);
            env.entry("PATH".to_owned()).or_insert(path);
        }
        env.extend(toolchain::variable(&session.place.tree(), Path::new(cwd)));
        env
    }

    async fn collect(
        &self,
        session: &Session,
        files: &[String],
        since: f64,
    ) -> Result<Vec<(String, Content)>, Fault> {
        let files: Vec<&str> = files
            .iter()
            .map(String::as_str)
            .filter(|f| is_below(f))
            .take(ARTIFACTS)
            .collect();
        if files.is_empty() {
            return Ok(Vec::new());
        }
        let (since, cap) = (format!("{since:.3}"), ARTIFACT_CAP.to_string());
        let args: Vec<&str> = [since.as_str(), cap.as_str()]
            .into_iter()
            .chain(files.iter().copied())
            .collect();
        let mounts = vec![inside::tree_mount(&session.place, false)];
        let mut spec = inside::script_spec(mounts, Default::default(), COLLECT, &args, Vec::new());
        spec.limits.output_bytes =
            u32::try_from(ARTIFACTS as u64 * (ARTIFACT_CAP + 64)).unwrap_or(u32::MAX);
        let output = self.jail.run(spec, LiveSink::none(), Cancel::new()).await?;
        Ok(split(
            &inside::succeeded("bringing files back", &output)?,
            &files,
        ))
    }
}

/// What lies beside the workspace for one command.
struct Beside<'a> {
    results: &'a Results,
    harness: Option<&'a Harness>,
}

/// The folder for reports that must not stand in the workspace: made anew for each command that wants it.
struct Results {
    dir: PathBuf,
    names: Vec<String>,
    wanted: bool,
}

impl Results {
    fn prepare(
        place: &Place,
        collect: &[String],
        reported: bool,
        owner: Identity,
    ) -> Result<Results, Fault> {
        let plain =
            |name: &&str| !name.is_empty() && !name.contains('/') && *name != "." && *name != "..";
        let names: Vec<String> = collect
            .iter()
            .filter_map(|path| path.strip_prefix(RESULTS)?.strip_prefix('/'))
            .filter(plain)
            .take(ARTIFACTS)
            .map(str::to_owned)
            .collect();
        let dir = place.results();
        let wanted = reported || !names.is_empty();
        if wanted {
            copy::wipe(&dir)?;
            std::fs::create_dir(&dir).map_err(|e| io_fault("make a folder", &dir, &e))?;
            copy::give(&dir, owner.uid, owner.gid)?;
        }
        Ok(Results { dir, names, wanted })
    }

    fn mount(&self) -> Option<Mount> {
        self.wanted.then(|| Mount {
            host: self.dir.clone(),
            inside: RESULTS.into(),
            writable: true,
        })
    }

    /// What a command left there is hostile: links and devices are passed over, and no file is read beyond its cap.
    fn read(&self) -> Result<Vec<(String, Content)>, Fault> {
        let mut found = Vec::new();
        for name in &self.names {
            if let Some(bytes) = self.bytes(name, ARTIFACT_CAP)? {
                found.push((
                    format!("{RESULTS}/{name}"),
                    String::from_utf8_lossy(&bytes).into_owned().into(),
                ));
            }
        }
        Ok(found)
    }

    fn bytes(&self, name: &str, cap: u64) -> Result<Option<Vec<u8>>, Fault> {
        let path = self.dir.join(name);
        let file = match copy::open_regular(&path) {
            Ok(Some(file)) => file,
            Ok(None) => return Ok(None),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(io_fault("read a report", &path, &e)),
        };
        let mut bytes = Vec::new();
        file.take(cap)
            .read_to_end(&mut bytes)
            .map_err(|e| io_fault("read a report", &path, &e))?;
        Ok(Some(bytes))
    }
}

enum Odd {
    Refused(Said),
    Missing,
}

fn argv(spec: &ExecSpec) -> Result<Vec<String>, Odd> {
    if !spec.cwd.is_empty() && !is_below(&spec.cwd) {
        return Err(Odd::Refused(say!(
            "{path} is not a folder of the workspace",
            path = format_args!("{:?}", spec.cwd)
        )));
    }
    if spec.stdin.as_ref().is_some_and(Content::is_missing) {
        return Err(Odd::Missing);
    }
    match &spec.command {
        Command::Argv(argv) if argv.first().is_none_or(String::is_empty) => {
            Err(Odd::Refused("the command is empty".into()))
        }
        Command::Argv(argv) => Ok(argv.clone()),
        Command::Shell(script) => {
            let text = script.text().ok_or(Odd::Missing)?;
            if script.len() > SCRIPT_CAP {
                return Err(Odd::Refused(say!(
                    "the script is longer than {n} KiB: write it to a file and run that",
                    n = SCRIPT_CAP >> 10
                )));
            }
            let shell = if Path::new("/usr/bin/bash").exists() {
                "/bin/bash"
            } else {
                "/bin/sh"
            };
            Ok(vec![shell.into(), "-c".into(), text.into()])
        }
    }
}

/// A relative path of plain names.
fn is_below(path: &str) -> bool {
    !path.is_empty()
        && !path.contains('\0')
        && !path.starts_with('-')
        && Path::new(path)
            .components()
            .all(|c| matches!(c, Component::Normal(_) | Component::CurDir))
}

fn report(
    output: JailOutput,
    tree_before: TreeId,
    artifacts: Vec<(String, Content)>,
) -> ExecReport {
    ExecReport {
        stdout: output.stdout.text().into(),
        stderr: output.stderr.text().into(),
        truncated_bytes: output.stdout.omitted + output.stderr.omitted,
        end: output.end,
        duration_ms: output.duration_ms,
        cpu_ms: output.cpu_ms,
        peak_kib: output.peak_kib,
        violations: output.violations,
        tree_before: Some(tree_before),
        artifacts,
        reported: None,
    }
}

/// Takes apart what [`COLLECT`] printed.
fn split(mut bytes: &[u8], files: &[&str]) -> Vec<(String, Content)> {
    let mut out = Vec::new();
    for file in files {
        let Some(end) = bytes.iter().position(|b| *b == b'\n') else {
            break;
        };
        let len: i64 = std::str::from_utf8(&bytes[..end])
            .ok()
            .and_then(|n| n.trim().parse().ok())
            .unwrap_or(-1);
        bytes = &bytes[end + 1..];
        let Ok(len) = usize::try_from(len) else {
            continue;
        };
        let Some((content, rest)) = bytes.split_at_checked(len) else {
            break;
        };
        out.push((
            (*file).to_owned(),
            String::from_utf8_lossy(content).into_owned().into(),
        ));
        bytes = rest;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn collected_files_are_taken_apart_whatever_they_hold() {
        let got = split(b"-1\n3\na\nb0\n", &["a", "b", "c"]);
        let names: Vec<_> = got
            .iter()
            .map(|(n, c)| (n.as_str(), c.text_or_empty()))
            .collect();
        assert_eq!(names, [("b", "a\nb"), ("c", "")]);
        assert!(split(b"99\nshort", &["a"]).is_empty());
    }

    #[test]
    fn folders_stay_below() {
        for good in ["a", "a/b", "./a", "ü b"] {
            assert!(is_below(good), "{good}");
        }
        for bad in ["", "/a", "../a", "a/../../b", "-x"] {
            assert!(!is_below(bad), "{bad}");
        }
    }
}
