//! Installing dependencies: the only jail with network, and only because an approval permitted the operation.

use super::Shared;
use super::session::Session;
use crate::egress::Egress;
use crate::ops::OpRequest;
use crate::spec::{JailSpec, Mount, Network};
use crate::workspace::prepare::{Origin, Set};
use crate::workspace::registry::Registries;
use crate::workspace::{copy, inside, io_fault, tree};
use keiko_contracts::code::{Code, Fault};
use keiko_contracts::id::RunId;
use keiko_contracts::jail::{End, JailBody, Limits, Toolchain};
use keiko_ports::Cancel;
use keiko_ports::live::LiveSink;
use std::path::{Path, PathBuf};

/// Longest log that is reported, bytes.
const LOG_CAP: usize = 64 << 10;
/// Limits of one installing command.
const LIMITS: Limits = Limits { wall_ms: 900_000, memory_mib: 4096, pids: 512, output_bytes: 64 << 10, file_mib: 2048 };

/// Projects that one set of dependencies is bound into.
const DIRS_MOST: usize = 64;

/// What is to be installed.
pub(super) struct Order {
    pub(super) toolchain: Toolchain,
    pub(super) commands: Vec<Vec<String>>,
    pub(super) cache_key: String,
}

impl Shared {
    pub(super) async fn install(
        &self,
        session: &mut Session,
        run: RunId,
        order: Order,
        live: LiveSink,
        cancel: &Cancel,
    ) -> Result<Option<JailBody>, Fault> {
        let set = self.set_of(session, run, &order, cancel).await?;
        if let Some(body) = self.cached(session, &set).await? {
            return Ok(Some(body));
        }
        let registries = Registries::read();
        let egress = registries.egress(order.toolchain, self.jail.registries())?;
        let host = set.make(&self.cache, run, self.jail.identity(), &registries)?;
        let (mut log, mut exit_code) = (String::new(), 0);
        for command in order.commands {
            log.push_str(&format!("$ {}\n", command.join(" ")));
            let spec = self.spec(session, &set, &host, &registries, &egress, command);
            let output = self.jail.run(spec, live.clone(), cancel.clone()).await?;
            if output.cancelled {
                copy::wipe(&host)?;
                return Ok(None);
            }
            log.push_str(&inside::text(&output.stdout));
            log.push_str(&inside::text(&output.stderr));
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
        if exit_code == 0 {
            set.finish(&self.cache, run)?;
            self.adopt(session, set).await?;
        } else {
            copy::wipe(&host)?;
        }
        let log = tree::cut(keiko_governance::redact::redact(&log).into_owned(), LOG_CAP, false).text;
        Ok(Some(JailBody::Prepared { cached: false, log, exit_code }))
    }

    /// What an installation that may have been interrupted left, if that is complete. Nothing is done otherwise.
    pub(super) async fn installed(
        &self,
        session: &mut Session,
        run: RunId,
        order: &Order,
        cancel: &Cancel,
    ) -> Result<Option<JailBody>, Fault> {
        let set = self.set_of(session, run, order, cancel).await?;
        self.cached(session, &set).await
    }

    async fn set_of(&self, session: &mut Session, run: RunId, order: &Order, cancel: &Cancel) -> Result<Set, Fault> {
        let dirs = self.projects(session, order, cancel).await;
        Set::new(order.toolchain, &order.cache_key, Origin::of(&session.meta, run), dirs)
    }

    async fn cached(&self, session: &mut Session, set: &Set) -> Result<Option<JailBody>, Fault> {
        if !set.is_done(&self.cache) {
            return Ok(None);
        }
        self.adopt(session, set.clone()).await?;
        Ok(Some(JailBody::Prepared { cached: true, log: "taken from the cache".into(), exit_code: 0 }))
    }

    fn spec(&self, session: &Session, set: &Set, host: &Path, registries: &Registries, egress: &Egress, argv: Vec<String>) -> JailSpec {
        let mut mounts = vec![inside::tree_mount(&session.place, true)];
        mounts.extend(registries.mounts());
        mounts.push(Mount { host: host.to_owned(), inside: set.inside(), writable: true });
        let mut env = set.install_env(registries);
        env.extend(Egress::environment());
        let network = Network::Through(egress.clone());
        JailSpec { argv, cwd: inside::WORKSPACE.to_owned(), env, mounts, limits: LIMITS, network, stdin: Vec::new(), links: Vec::new() }
    }

    /// The folders of the projects that the key belongs to, as a survey finds them.
    async fn projects(&self, session: &mut Session, order: &Order, cancel: &Cancel) -> Vec<PathBuf> {
        let Ok(Some(JailBody::Surveyed(survey))) = self.ask_worker(session, OpRequest::Survey, cancel).await else {
            return Vec::new();
        };
        let ours = survey.projects.into_iter().filter(|p| p.toolchain == order.toolchain && p.cache_key == order.cache_key);
        ours.map(|p| PathBuf::from(p.dir))
            .filter(|d| d.components().all(|c| matches!(c, std::path::Component::Normal(_))))
            .take(DIRS_MOST)
            .collect()
    }

    /// Uses a set from now on.
    async fn adopt(&self, session: &mut Session, set: Set) -> Result<(), Fault> {
        // What they see changes; and nothing of the agent's shall move folders about meanwhile.
        session.end().await;
        if set.toolchain == Toolchain::Node {
            for dir in &set.dirs {
                mount_point(&session.place.tree(), &dir.join("node_modules"), self.jail.identity())?;
            }
        }
        session.prepared.add(set, &session.place)
    }
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
fn mount_point(tree: &Path, path: &Path, owner: crate::jail::Identity) -> Result<(), Fault> {
    copy::make_beneath(tree, path, owner).map_err(|e| match e.raw_os_error() {
        // A link, a file, or nothing.
        Some(libc::ELOOP | libc::ENOTDIR | libc::EXDEV | libc::ENOENT) => {
            Fault::new(Code(5130), "something stands where installed modules belong")
                .at(path.display())
                .hint("remove it from the workspace")
        }
        _ => io_fault("make a folder", &tree.join(path), &e),
    })
}
