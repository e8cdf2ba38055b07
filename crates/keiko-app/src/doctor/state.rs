//! What belongs to Keiko itself: its folders, the journal, the configuration, the models, the workspaces.

use super::{Row, State};
use crate::config::{Loaded, Places};
use crate::holders;
use crate::holdings::gather;
use crate::home::Home;
use crate::models;
use crate::retention::Bytes;
use keiko_contracts::code::{Code, Fault};
use keiko_contracts::id::RunId;
use keiko_contracts::journal::StreamId;
use keiko_contracts::said::Said;
use keiko_contracts::say;
use keiko_contracts::step::Step;
use keiko_models::detect::{self, Found};
use keiko_models::key::process_env;
use keiko_ports::journal::{Journal as _, ViewQuery};
use keiko_ports::shell::{Clock as _, SystemClock};
use keiko_runtime::views;
use keiko_store::{OpenError, Options, SqliteJournal};
use keiko_workspace::space::{Patience, Rule, Space, plan};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Below this, warn; below the second, no run gets far. Bytes.
const LITTLE: u64 = 2 << 30;
const TOO_LITTLE: u64 = 200 << 20;
/// Most findings, leases and workspaces that are named.
const NAMED: usize = 5;
/// How long space is measured.
const PATIENCE: Duration = Duration::from_secs(2);

/// Whether Keiko's folders are ours alone.
pub(super) fn folders(home: &Home) -> Vec<Row> {
    let all = [
        ("configuration folder", &home.config),
        ("data folder", &home.data),
        ("cache folder", &home.cache),
    ];
    all.into_iter()
        .map(|(name, path)| folder(name, path))
        .collect()
}

fn folder(name: &'static str, path: &Path) -> Row {
    let shown = path.display();
    let meta = match path.metadata() {
        Ok(meta) => meta,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Row::ok(name, say!("{path} (made when it is needed)", path = shown));
        }
        Err(error) => {
            return Row::new(name, State::Broken, say!("{shown}: {error}", shown, error))
                .todo(Step::shell(format!("ls -ld {shown}")));
        }
    };
    let me = rustix::process::geteuid();
    if !meta.is_dir() {
        return Row::new(
            name,
            State::Broken,
            say!("{path} is not a folder", path = shown),
        )
        .todo(say!(
            "move it away: mv {path} {again}.old",
            path = shown,
            again = shown
        ));
    }
    if meta.uid() != me.as_raw() && !me.is_root() {
        return Row::new(
            name,
            State::Broken,
            say!("{path} belongs to another user", path = shown),
        )
        .todo(Step::shell(format!("sudo chown -R \"$USER\" {shown}")));
    }
    // The cache holds downloads that anybody could make; what others could write, though, would run here.
    let bits = if name == "cache folder" { 0o022 } else { 0o077 };
    if meta.mode() & bits != 0 {
        return Row::new(
            name,
            State::Warn,
            say!(
                "others can look into or change {path} ({mode})",
                path = shown,
                mode = format_args!("{:o}", meta.mode() & 0o777)
            ),
        )
        .private(path);
    }
    Row::ok(name, shown.to_string())
}

/// Room on the disk that holds the data.
pub(super) fn disk(data: &Path) -> Row {
    let there = data
        .ancestors()
        .find(|path| path.is_dir())
        .unwrap_or(Path::new("/"));
    match rustix::fs::statvfs(there) {
        Ok(stat) => room(stat.f_bavail.saturating_mul(stat.f_frsize)).todo_if_bad(there),
        Err(error) => Row::new(
            "disk",
            State::Warn,
            say!("{place}: {error}", place = there.display(), error),
        ),
    }
}

fn room(free: u64) -> Row {
    let state = match free {
        n if n < TOO_LITTLE => State::Broken,
        n if n < LITTLE => State::Warn,
        _ => State::Ok,
    };
    Row::new("disk", state, say!("{size} free", size = size(free)))
}

impl Row {
    fn todo_if_bad(self, there: &Path) -> Row {
        if self.state == State::Ok {
            self
        } else {
            self.todo(say!("make room: df -h {path}", path = there.display()))
        }
    }
}

fn size(bytes: u64) -> String {
    Bytes(bytes).to_string()
}

/// The journal, who works in it, and workspaces that nothing refers to.
pub(super) async fn journal(home: &Home) -> Vec<Row> {
    let path = home.journal();
    if let Some(position) = keiko_store::missing(&path) {
        let what = say!(
            "the journal is gone: it had reached position {position}, and only its anchor is left",
            position
        );
        let hint = "put the newest backup back; to begin anew, remove the files that begin with the journal's name";
        return vec![Row::fault(
            "journal",
            State::Broken,
            &Fault::new(Code::JOURNAL_GONE, what)
                .at(path.display())
                .hint(hint),
        )];
    }
    if !path.exists() {
        return vec![Row::ok(
            "journal",
            say!("{path} (made with the first run)", path = path.display()),
        )];
    }
    let beside = |end: &str| {
        let mut name = path.clone().into_os_string();
        name.push(end);
        PathBuf::from(name)
    };
    let (log, shared) = (beside("-wal"), beside("-shm"));
    let open_in = holders::of(&[&path, &shared]);
    let journal = match SqliteJournal::open(&path, Options::default()) {
        Ok(journal) => journal,
        Err(error) => return vec![unopened(&error, &open_in)],
    };
    let length = |path: &Path| path.metadata().map_or(0, |meta| meta.len());
    let (size, log) = (size(length(&path)), size(length(&log)));
    let findings = journal.check().await;
    let mut rows: Vec<Row> = findings
        .iter()
        .take(NAMED)
        .map(|finding| Row::fault("journal", State::Broken, &finding.fault()))
        .collect();
    if findings.is_empty() {
        let seen = if open_in.is_empty() {
            say!("sound; {size}, write-ahead log {log}", size, log)
        } else {
            say!(
                "sound; {size}, write-ahead log {log}; open in process {pids}",
                size,
                log,
                pids = open_in.join(", ")
            )
        };
        rows.push(Row::ok("journal", seen));
    }
    rows.push(super::lists::look(&journal).await);
    rows.push(leases(&journal).await);
    rows.extend(workspaces(&journal, &home.data).await);
    rows.extend(space(&journal, home).await);
    journal.close().await;
    rows
}

/// A journal that cannot be opened, and who holds it when it is locked.
fn unopened(error: &OpenError, holders: &[String]) -> Row {
    let row = Row::fault("journal", State::Broken, &error.fault());
    match (error, holders.split_first()) {
        (OpenError::Locked { .. }, Some((first, _))) => {
            let pid = first.split(' ').next().unwrap_or_default().to_owned();
            let seen = say!(
                "{seen}; held by process {pids}",
                seen = row.seen,
                pids = holders.join(", ")
            );
            Row { seen, ..row }.todo(say!("wait for it, or look at it: ps -fp {pid}", pid))
        }
        _ => row,
    }
}

/// Runs that some process drives at this moment.
async fn leases(journal: &SqliteJournal) -> Row {
    let query = ViewQuery {
        newest_first: true,
        limit: 200,
        ..ViewQuery::default()
    };
    let rows = match journal.view_list(views::RUNS, query).await {
        Ok(rows) => rows,
        Err(error) => return Row::fault("runs at work", State::Broken, &error.fault()),
    };
    let mut held = Vec::new();
    for run in rows.iter().filter_map(|row| row.key.parse::<RunId>().ok()) {
        if let Ok(Some((worker, ms))) = journal.holder(&StreamId::run(run)).await {
            held.push(say!(
                "{run} by worker {worker}, for another {n} s",
                run,
                worker,
                n = ms.div_ceil(1000)
            ));
        }
    }
    let more = held.len().saturating_sub(NAMED);
    held.truncate(NAMED);
    if more > 0 {
        held.push(say!("and {n} more", n = more));
    }
    let seen = match held.is_empty() {
        true => "none".into(),
        false => Said::in_a_row(held),
    };
    Row::ok("runs at work", seen)
}

/// Workspaces: how many there are, and which belong to no run.
async fn workspaces(journal: &SqliteJournal, data: &Path) -> Option<Row> {
    let entries = std::fs::read_dir(data.join("workspaces")).ok()?;
    let runs: Vec<RunId> = entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect();
    let mut orphans = Vec::new();
    for run in &runs {
        if matches!(
            journal.view_get(views::RUNS, &run.to_string()).await,
            Ok(None)
        ) {
            orphans.push(data.join("workspaces").join(run.to_string()));
        }
    }
    if orphans.is_empty() {
        return Some(Row::ok(
            "workspaces",
            say!("{n} kept for their runs", n = runs.len()),
        ));
    }
    let named: Vec<String> = orphans
        .iter()
        .take(NAMED)
        .map(|path| format!("'{}'", path.display()))
        .collect();
    let (n, all) = (orphans.len(), runs.len());
    let seen = say!("{n} of {all} belong to no run", n, all);
    Some(
        Row::new("workspaces", State::Warn, seen)
            .todo(Step::shell(format!("rm -r {}", named.join(" ")))),
    )
}

/// What workspaces and installed dependencies take, and what of it could be given back. Huge trees are looked at for a
/// moment only.
async fn space(journal: &SqliteJournal, home: &Home) -> Option<Row> {
    let space = Space::below(&home.data, &home.cache);
    let found = match gather(journal, &space, &mut Patience::of(PATIENCE)).await {
        Ok(found) => found,
        Err(error) => return Some(Row::fault("space", State::Warn, &error)),
    };
    if found.holdings.is_empty() && found.rest == 0 {
        return None;
    }
    let kept = Loaded::read(&Places::of(home))
        .config()
        .map(|config| config.retention)
        .unwrap_or_default();
    let rule = Rule {
        older_than: kept.older_than.duration(),
        keep: kept.keep.map(|keep| keep.0),
        unapplied: false,
    };
    let ((runs, caches), whole) = (found.bytes(), found.whole);
    let gives = plan(found.holdings, rule, SystemClock.now())
        .gives()
        .saturating_add(found.rest);
    let (runs, caches, gives) = (size(runs), size(caches), size(gives));
    Some(match whole {
        true => Row::ok(
            "space",
            say!(
                "workspaces take {runs}, installed dependencies {caches}; `keiko runs prune` gives back {gives}",
                runs,
                caches,
                gives
            ),
        ),
        false => Row::ok(
            "space",
            say!(
                "workspaces take at least {runs}, installed dependencies {caches}; `keiko runs prune` gives back at least {gives}",
                runs,
                caches,
                gives
            ),
        ),
    })
}

/// Configuration, policy, and models.
pub(super) async fn configuration(home: &Home) -> Vec<Row> {
    let loaded = Loaded::read(&Places::of(home));
    let mut rows = Vec::new();
    for file in loaded.files.iter().filter(|file| file.there) {
        if let Ok(meta) = file.path.metadata()
            && file.kind != crate::config::Kind::Project
            && meta.mode() & 0o022 != 0
        {
            rows.push(
                Row::new(
                    "configuration",
                    State::Warn,
                    say!("others can change {path}", path = file.path.display()),
                )
                .private(&file.path),
            );
        }
    }
    for class in &loaded.kept_forbidden {
        let seen = say!(
            "your risk.toml would loosen {class}, which /etc/keiko/risk.toml forbids: it stays forbidden",
            class = class.name()
        );
        rows.push(Row::new("risk policy", State::Warn, seen));
    }
    let files: Vec<String> = loaded
        .files
        .iter()
        .filter(|file| file.there)
        .map(|file| file.path.display().to_string())
        .collect();
    let problems = loaded.problems.clone();
    rows.extend(
        problems
            .iter()
            .take(NAMED)
            .map(|problem| Row::fault("configuration", State::Broken, problem)),
    );
    match loaded.config() {
        Ok(config) => {
            let seen = if files.is_empty() {
                "no files; the defaults hold".into()
            } else {
                say!("valid: {files}", files)
            };
            rows.push(Row::ok("configuration", seen));
            rows.push(model(&config).await);
        }
        // Told above, one by one; what only shows in the whole is told here.
        Err(fault) if problems.is_empty() => {
            rows.push(Row::fault("configuration", State::Broken, &fault))
        }
        Err(_) => {}
    }
    rows
}

async fn model(config: &crate::config::Config) -> Row {
    let env = process_env();
    let keys = detect::keys(&env)
        .into_iter()
        .filter_map(|found| match found {
            Found::Key { variable, .. } => Some(variable),
            Found::Ollama { .. } => None,
        });
    let mut seen: Vec<Said> = keys
        .map(|variable| say!("a key in {variable}", variable))
        .collect();
    if let Some(Found::Ollama { base_url, models }) = detect::ollama(&env).await {
        seen.push(say!(
            "Ollama at {url} with {n} models",
            url = base_url,
            n = models.len()
        ));
    }
    match models::found(config).await {
        Err(error) => Row::fault("models", State::Broken, &error),
        Ok(Some(model)) => Row::ok(
            "models",
            match seen.is_empty() {
                true => say!("runs use {model}", model),
                false => say!("runs use {model}; {seen}", model, seen = seen),
            },
        )
        .todo(say!("try it: keiko models probe {model}", model)),
        Ok(None) => {
            let what = if seen.is_empty() {
                Said::from("none found; agents of rules work without one")
            } else {
                say!("none chosen; {seen}", seen)
            };
            Row::new("models", State::Missing, what)
                .todo("keiko models list (it says how to get one)")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn a_folder_that_others_can_enter_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let set = |mode| {
            std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(mode)).unwrap()
        };
        set(0o700);
        assert_eq!(folder("data folder", dir.path()).state, State::Ok);
        set(0o755);
        let row = folder("data folder", dir.path());
        assert_eq!(
            (row.state, row.remedy),
            (
                State::Warn,
                Some(super::super::Remedy::Private(dir.path().to_owned()))
            )
        );
        assert_eq!(folder("cache folder", dir.path()).state, State::Ok);
        let file = dir.path().join("file");
        std::fs::write(&file, "").unwrap();
        assert_eq!(folder("data folder", &file).state, State::Broken);
        assert_eq!(
            folder("data folder", &dir.path().join("none")).state,
            State::Ok
        );
    }

    #[test]
    fn little_room_is_told_before_it_hurts() {
        assert_eq!(room(100 << 20).state, State::Broken);
        assert_eq!(room(1 << 30).state, State::Warn);
        assert_eq!(
            (room(64 << 30).state, room(64 << 30).seen.to_string()),
            (State::Ok, "64 GiB free".into())
        );
        assert_eq!(disk(Path::new("/does/not/exist")).name, "disk");
    }
}
