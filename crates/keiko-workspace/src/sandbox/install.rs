//! Installing dependencies: the only jail with network, and only because an approval permitted the operation.

use super::Shared;
use super::session::Session;
use crate::workspace::prepare::{BUILT, Origin, SCRATCH, Set};
use crate::workspace::registry::Registries;
use crate::workspace::{copy, inside, io_fault, toolchain, tree};
use keiko_contracts::code::{Code, Fault};
use keiko_contracts::id::RunId;
use keiko_contracts::jail::{
    End, JailBody, JailOp, Limits, Preparation, Prepared, PreparedSet, Survey, Toolchain,
};
use keiko_ports::Cancel;
use keiko_ports::live::LiveSink;
use keiko_sandbox::egress::Egress;
use keiko_sandbox::spec::{JailSpec, Mount, Network};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Longest log that is reported, bytes.
const LOG_CAP: usize = 64 << 10;
/// Limits of the commands of one set, the time of all together.
const LIMITS: Limits = Limits {
    wall_ms: 900_000,
    memory_mib: 4096,
    pids: 512,
    output_bytes: 64 << 10,
    file_mib: 2048,
};

/// The registry of Rust, as a survey names it.
const CRATES: &str = "crates.io";
/// Projects that one set of dependencies is bound into.
const DIRS_MOST: usize = 64;
/// Lines of our own that are repeated at the end.
const NOTES_MOST: usize = 40;
/// Most sets of one installation.
const SETS_MOST: usize = 64;

impl Shared {
    /// Installs what is not there yet. One set that fails leaves the others as they are.
    pub(super) async fn install(
        &self,
        session: &mut Session,
        run: RunId,
        sets: Vec<Preparation>,
        live: LiveSink,
        cancel: &Cancel,
    ) -> Result<Option<JailBody>, Fault> {
        let mut rows = Vec::new();
        for wanted in sets.into_iter().take(SETS_MOST) {
            let set = set_of(session, run, &wanted)?;
            if set.is_done(&self.cache) {
                let said = from_cache(&set, &self.cache);
                self.adopt_cached(session, set).await?;
                rows.push(row(&wanted, true, said, 0));
                continue;
            }
            let Some((log, exit_code)) =
                self.fill(session, run, set, &wanted, &live, cancel).await?
            else {
                return Ok(None);
            };
            rows.push(row(&wanted, false, log, exit_code));
        }
        Ok(Some(JailBody::Prepared(Prepared { sets: rows })))
    }

    /// Runs the commands of a set. What they said and the exit code; nothing when it was stopped.
    async fn fill(
        &self,
        session: &mut Session,
        run: RunId,
        set: Set,
        wanted: &Preparation,
        live: &LiveSink,
        cancel: &Cancel,
    ) -> Result<Option<(String, i32)>, Fault> {
        let registries = Registries::read();
        let egress = registries.egress(&toolchains(wanted, &registries), self.jail.registries())?;
        let host = set.make(&self.cache, run, self.jail.identity(), &registries)?;
        self.make_mount_points(session, &set)?;
        let before = tree::record(&self.jail, &session.place, cancel).await?.tree;
        let until = Instant::now() + Duration::from_millis(u64::from(LIMITS.wall_ms));
        let (mut log, mut notes, mut exit_code) = (String::new(), Vec::new(), 0);
        for command in wanted.commands.clone() {
            log.push_str(&format!("$ {}\n", in_short(&command)));
            let mut spec = self.spec(session, &set, &host, &registries, &egress, command);
            let left = until.saturating_duration_since(Instant::now()).as_millis();
            spec.limits.wall_ms = u32::try_from(left).unwrap_or(LIMITS.wall_ms).max(1);
            let output = self.jail.run(spec, live.clone(), cancel.clone()).await?;
            if output.cancelled {
                copy::wipe(&host)?;
                return Ok(None);
            }
            let said = output.stdout.text() + &output.stderr.text();
            log.push_str(&said);
            notes.extend(
                said.lines()
                    .filter(|line| line.starts_with("keiko: "))
                    .take(NOTES_MOST)
                    .map(|line| format!("\n{line}")),
            );
            exit_code = match output.end {
                End::Exit(code) => code,
                other => {
                    log.push_str(&format!("\n{other:?}\n"));
                    125
                }
            };
            if exit_code != 0 {
                break;
            }
        }
        log.push_str(&refused(&egress));
        notes.extend(
            egress
                .failed()
                .iter()
                .map(|place| format!("\nkeiko: registry {place}")),
        );
        // Said at the end once more: what was left out is not to be lost in what an installer says.
        log.push_str(&notes.concat());
        // Installers write beside manifests what nobody asked for. What git ignores stays: it is what was built.
        session.tree = Some(tree::restore(&self.jail, &session.place, &before).await?);
        copy::wipe(&host.join(SCRATCH))?;
        if exit_code == 0 {
            set.finish(&self.cache, run, &notes.concat())?;
            self.adopt(session, set).await?;
        } else {
            copy::wipe(&host)?;
        }
        Ok(Some((
            keiko_governance::redact::redact(&log).into_owned(),
            exit_code,
        )))
    }

    /// What an installation that may have been interrupted left, if all of it is complete. Nothing is done otherwise.
    pub(super) async fn installed(
        &self,
        session: &mut Session,
        run: RunId,
        sets: &[Preparation],
    ) -> Result<Option<JailBody>, Fault> {
        let mut found = Vec::new();
        for wanted in sets.iter().take(SETS_MOST) {
            let set = set_of(session, run, wanted)?;
            if !set.is_done(&self.cache) {
                return Ok(None);
            }
            found.push((row(wanted, true, from_cache(&set, &self.cache), 0), set));
        }
        let mut rows = Vec::new();
        for (row, set) in found {
            self.adopt_cached(session, set).await?;
            rows.push(row);
        }
        Ok(Some(JailBody::Prepared(Prepared { sets: rows })))
    }

    /// Looks the workspace over. What was installed for the same declarations of the same source is taken into use, without
    /// anybody being asked: a person allowed these very packages' code for it before.
    pub(super) async fn survey(
        &self,
        session: &mut Session,
        run: RunId,
        cancel: &Cancel,
    ) -> Result<Option<JailBody>, Fault> {
        let Some(mut survey) = self.look(session, cancel).await? else {
            return Ok(None);
        };
        let mut adopted = false;
        let known = survey
            .projects
            .iter()
            .filter_map(|project| Some((project.needs_prepare, project.preparation.as_ref()?)));
        for (missing, wanted) in known.take(SETS_MOST) {
            // A survey comes out of the jail: what makes no sense is not used.
            let Ok(set) = set_of(session, run, wanted) else {
                continue;
            };
            let serves = missing || set.is_kernel_only(&self.cache);
            if serves && set.is_done(&self.cache) && !session.prepared.holds(&set) {
                self.adopt_cached(session, set).await?;
                adopted = true;
            }
        }
        if adopted {
            let Some(again) = self.look(session, cancel).await? else {
                return Ok(None);
            };
            survey = again;
        }
        let registries = Registries::read();
        for wanted in survey
            .projects
            .iter_mut()
            .filter_map(|project| project.preparation.as_mut())
        {
            // Which mirror is configured is not seen inside.
            let further = toolchains(wanted, &registries)
                .into_iter()
                .skip(1)
                .map(|other| registries.mirror(other).unwrap_or(CRATES.into()));
            let further: Vec<String> = further.collect();
            if let Some(mirror) = registries.mirror(wanted.toolchain) {
                wanted.registries = vec![mirror];
            } else {
                wanted.registries.truncate(1);
            }
            wanted.registries.extend(further);
            wanted.cached = set_of(session, run, wanted)
                .is_ok_and(|set| session.prepared.holds(&set) && set.is_done(&self.cache));
        }
        Ok(Some(JailBody::Surveyed(survey)))
    }

    async fn look(&self, session: &mut Session, cancel: &Cancel) -> Result<Option<Survey>, Fault> {
        match self.ask_worker(session, JailOp::Survey, cancel).await? {
            Some(JailBody::Surveyed(survey)) => Ok(Some(survey)),
            Some(_) => Err(Fault::new(
                Code::OPERATION_ANSWER_LOST,
                "the worker answered something else than a survey",
            )),
            None => Ok(None),
        }
    }

    fn spec(
        &self,
        session: &Session,
        set: &Set,
        host: &Path,
        registries: &Registries,
        egress: &Egress,
        argv: Vec<String>,
    ) -> JailSpec {
        let mut mounts = vec![inside::tree_mount(&session.place, true)];
        mounts.extend(registries.mounts());
        mounts.push(Mount {
            host: host.to_owned(),
            inside: set.inside(),
            writable: true,
        });
        mounts.extend(set.modules(host, &session.place, true));
        let mut env = set.install_env(registries);
        env.extend(Egress::environment());
        let dir = set
            .dirs
            .first()
            .filter(|_| set.toolchain == Toolchain::Rust);
        env.extend(dir.and_then(|dir| toolchain::variable(&session.place.tree(), dir)));
        let network = Network::Through(egress.clone());
        JailSpec {
            argv,
            cwd: inside::WORKSPACE.to_owned(),
            env,
            mounts,
            limits: LIMITS,
            network,
            stdin: Vec::new(),
            links: Vec::new(),
        }
    }

    /// Uses a set from now on.
    async fn adopt(&self, session: &mut Session, set: Set) -> Result<(), Fault> {
        // What they see changes; and nothing of the agent's shall move folders about meanwhile.
        session.end().await;
        self.make_mount_points(session, &set)?;
        let cache = session.place.module_cache();
        if set.toolchain == Toolchain::Node && !cache.exists() {
            std::fs::create_dir(&cache).map_err(|e| io_fault("make a folder", &cache, &e))?;
            copy::give(&cache, self.jail.identity().uid, self.jail.identity().gid)?;
        }
        set.used(&self.cache);
        session.prepared.add(set, &session.place)
    }

    /// The same for one that was installed for another copy of the workspace.
    async fn adopt_cached(&self, session: &mut Session, set: Set) -> Result<(), Fault> {
        let built = set.built(&self.cache).map(|host| Mount {
            host,
            inside: format!("{}/{BUILT}", set.inside()),
            writable: false,
        });
        self.adopt(session, set).await?;
        match built {
            Some(archive) => self.put_built(session, archive).await,
            None => Ok(()),
        }
    }

    /// Puts what an installation built in its copy of the workspace into this one: what git ignores, and only where nothing is.
    async fn put_built(&self, session: &mut Session, archive: Mount) -> Result<(), Fault> {
        let before = tree::record(&self.jail, &session.place, &Cancel::new())
            .await?
            .tree;
        let from = archive.inside.clone();
        let mounts = vec![inside::tree_mount(&session.place, true), archive];
        let script = "exec tar -C /workspace --skip-old-files --no-same-owner -xf \"$1\"";
        let spec = inside::script_spec(mounts, Default::default(), script, &[&from], Vec::new());
        let output = self.jail.run(spec, LiveSink::none(), Cancel::new()).await?;
        // An install script may have put anything into the archive: what git would see of it goes again.
        session.tree = Some(tree::restore(&self.jail, &session.place, &before).await?);
        if output.end != End::Exit(0) {
            tracing::warn!(said = %output.stderr.text(), "what was built could not be put back");
        }
        Ok(())
    }

    fn make_mount_points(&self, session: &Session, set: &Set) -> Result<(), Fault> {
        for dir in set.dirs.iter().filter(|_| set.toolchain == Toolchain::Node) {
            mount_point(
                &session.place.tree(),
                &dir.join("node_modules"),
                self.jail.identity(),
            )?;
        }
        Ok(())
    }
}

/// The toolchain of a set, and that of Rust where packages of Python's are built with it.
fn toolchains(wanted: &Preparation, registries: &Registries) -> Vec<Toolchain> {
    let crates = registries.mirror(Toolchain::Rust);
    let with_rust = wanted
        .registries
        .iter()
        .skip(1)
        .any(|name| name == CRATES || Some(name) == crates.as_ref());
    let rust = (wanted.toolchain == Toolchain::Python && with_rust).then_some(Toolchain::Rust);
    [Some(wanted.toolchain), rust]
        .into_iter()
        .flatten()
        .collect()
}

/// Where a set of this workspace is kept. Its folders name places inside the workspace, whoever made them up.
fn set_of(session: &Session, run: RunId, wanted: &Preparation) -> Result<Set, Fault> {
    let inside = |dir: &PathBuf| {
        dir.components()
            .all(|part| matches!(part, std::path::Component::Normal(_)))
    };
    let dirs = wanted
        .dirs
        .iter()
        .map(PathBuf::from)
        .filter(inside)
        .take(DIRS_MOST)
        .collect();
    Set::new(
        wanted.toolchain,
        &wanted.cache_key,
        Origin::of(&session.meta, run),
        dirs,
    )
}

fn row(wanted: &Preparation, cached: bool, log: String, exit_code: i32) -> PreparedSet {
    let log = tree::cut(log, LOG_CAP, false).text;
    PreparedSet {
        toolchain: Some(wanted.toolchain),
        dirs: wanted.dirs.clone(),
        cached,
        log,
        exit_code,
    }
}

fn from_cache(set: &Set, cache: &Path) -> String {
    format!("taken from the cache\n{}", set.notes(cache))
        .trim_end()
        .to_owned()
}

/// A command for the log; a script was shown to the person who was asked.
fn in_short(command: &[String]) -> String {
    command
        .iter()
        .map(|word| {
            if word.contains('\n') {
                "[script]"
            } else {
                word.as_str()
            }
        })
        .collect::<Vec<_>>()
        .join(" ")
}

/// What the person who approved it should know of.
fn refused(egress: &Egress) -> String {
    let refused = egress.refused();
    if refused.is_empty() {
        return String::new();
    }
    format!(
        "\nKeiko's sandbox refused connections while installing:\n  {}\nA host that belongs to your registries: keiko config set sandbox.registries HOST\n",
        refused.join("\n  ")
    )
}

/// Makes the empty folder that installed modules are bound to.
fn mount_point(
    tree: &Path,
    path: &Path,
    owner: keiko_sandbox::jail::Identity,
) -> Result<(), Fault> {
    copy::make_beneath(tree, path, owner).map_err(|e| match e.raw_os_error() {
        // A link, a file, or nothing.
        Some(libc::ELOOP | libc::ENOTDIR | libc::EXDEV | libc::ENOENT) => Fault::new(
            Code::NOT_INSTALLABLE,
            "something stands where installed modules belong",
        )
        .at(path.display())
        .hint("remove it from the workspace"),
        _ => io_fault("make a folder", &tree.join(path), &e),
    })
}
