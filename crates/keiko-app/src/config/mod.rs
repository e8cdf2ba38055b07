//! Configuration, in layers: defaults, the system's file, the user's, the project's, the environment; flags come on
//! top, in the commands. Every value knows where it comes from.

mod edit;
mod env;
mod key;
mod layer;
mod model;
mod policy;
mod raw;
pub(crate) mod shape;
mod stack;
mod template;

pub(crate) use edit::{set, write_new};
pub(crate) use key::KeyPath;
pub(crate) use layer::{Kind, unknown};
pub(crate) use shape::{Field, Shape};
pub(crate) use stack::{Origin, Stack};
pub(crate) use template::{config_file, risk_file};

use crate::home::Home;
use crate::retention::{Age, Bytes};
use keiko_contracts::approval::Installing;
use keiko_contracts::code::{Code, Fault};
use keiko_contracts::language::Language as Spoken;
use keiko_contracts::model::Effort;
use keiko_contracts::run::{ApprovalMode, RunLimits};
use keiko_contracts::say;
use keiko_governance::class::ActionClass;
use keiko_governance::policy::RiskPolicy;
use keiko_models::{Models, ModelsConfig};
use layer::{Layer, Leaf, Source};
use raw::{Language, LogFormat, RawConfig};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where the system's files are.
const SYSTEM: &str = "/etc/keiko";

/// What holds, ready for use.
#[derive(Debug, Clone, Default)]
pub struct Config {
    pub(crate) run: RunConfig,
    /// Logs.
    pub log: LogConfig,
    pub(crate) sandbox: SandboxConfig,
    pub(crate) retention: RetentionConfig,
    pub(crate) policy: RiskPolicy,
    pub(crate) models: ModelsConfig,
    language: Option<Language>,
    stack: Arc<Stack>,
}

/// What runs may use up, and who is asked.
#[derive(Debug, Clone, Default)]
pub(crate) struct RunConfig {
    /// `vendor/model` or a profile.
    pub(crate) model: Option<String>,
    pub(crate) approval: ApprovalMode,
    pub(crate) install: Installing,
    pub(crate) effort: Option<Effort>,
    limits: RunLimits,
}

/// Logs.
#[derive(Debug, Clone, Default)]
pub struct LogConfig {
    /// From which weight on.
    pub level: String,
    /// As JSON, one object a line.
    pub json: bool,
}

/// The sandbox.
#[derive(Debug, Clone)]
pub(crate) struct SandboxConfig {
    /// Hosts, besides the usual ones, that dependencies may be installed from.
    pub(crate) registries: Vec<String>,
    /// The most that the folders of a run may hold.
    pub(crate) workspace_mib: u32,
}

/// What `runs prune` keeps.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RetentionConfig {
    /// What was of no use for so long goes.
    pub(crate) older_than: Age,
    /// The most that may stay.
    pub(crate) keep: Option<Bytes>,
}

impl Default for RetentionConfig {
    fn default() -> Self {
        RetentionConfig {
            older_than: Age::DEFAULT,
            keep: None,
        }
    }
}

impl Default for SandboxConfig {
    fn default() -> Self {
        raw::RawSandbox::default().into()
    }
}

impl From<raw::RawSandbox> for SandboxConfig {
    fn from(raw: raw::RawSandbox) -> Self {
        SandboxConfig {
            registries: words(raw.registries.as_deref().unwrap_or_default()),
            workspace_mib: raw.workspace_mib,
        }
    }
}

impl RunConfig {
    /// The limits of a run that is given no others.
    ///
    /// # Errors
    /// None today: values were checked when they were read. Flags over them can be wrong, so callers expect a fault.
    pub(crate) fn limits(&self) -> Result<RunLimits, Fault> {
        Ok(self.limits)
    }
}

impl Config {
    /// Reads all layers.
    ///
    /// # Errors
    /// KEI-13xx with file, line and column, and what to write instead.
    pub fn load(home: &Home) -> Result<Config, Fault> {
        Loaded::read(&Places::of(home)).config()
    }

    /// The same, with the policy that holds where nobody has written one.
    #[must_use]
    pub fn under_the_default_policy(self) -> Config {
        Config {
            policy: RiskPolicy::default(),
            ..self
        }
    }

    /// The models.
    ///
    /// # Errors
    /// When a base URL or a price is none, with the line where it stands.
    pub(crate) fn models(&self) -> Result<Models, Fault> {
        Models::new(&self.models, keiko_models::key::process_env())
            .map_err(|fault| located(&self.stack, fault))
    }

    /// Checks every name of a model.
    ///
    /// # Errors
    /// The first that names none, with the place where it stands.
    pub(crate) fn check_names(&self) -> Result<(), Fault> {
        let models = self.models()?;
        for key in self
            .stack
            .keys(&KeyPath::default())
            .into_iter()
            .filter(model::is_named_by)
        {
            let origin = self.stack.get(&key);
            if let Some(name) = origin
                .as_ref()
                .and_then(|origin| origin.leaf.value.as_str())
            {
                model::check(&models, &key, name).map_err(|fault| located(&self.stack, fault))?;
            }
        }
        Ok(())
    }

    /// The language for people: the configured one, else that of the environment, else English.
    #[must_use]
    pub fn language(&self) -> Spoken {
        match self.language {
            Some(Language::De) => Spoken::German,
            Some(Language::En) => Spoken::English,
            None => language_of_environment(),
        }
    }

    /// Takes the language that was asked for on the command line, which goes before all others.
    pub fn speak(&mut self, asked: Option<Spoken>) {
        self.language = match asked {
            Some(Spoken::German) => Some(Language::De),
            Some(Spoken::English) => Some(Language::En),
            None => self.language,
        };
    }
}

/// The language of the environment: the first of `LC_ALL`, `LC_MESSAGES` and `LANG` that is set.
#[must_use]
pub fn language_of_environment() -> Spoken {
    let set = |name: &&str| std::env::var(name).ok().filter(|value| !value.is_empty());
    ["LC_ALL", "LC_MESSAGES", "LANG"]
        .iter()
        .find_map(set)
        .map_or(Spoken::English, |locale| Spoken::of(&locale))
}

/// The language that the configuration says, even if something else in it is wrong.
#[must_use]
pub fn configured_language(home: &Home) -> Option<Spoken> {
    let loaded = Loaded::read(&Places::of(home));
    let key = KeyPath::parse("language").ok()?;
    let origin = loaded.stack.get(&key)?;
    origin.leaf.value.as_str().map(Spoken::of)
}

/// Adds the line to a fault that only knows the key.
fn located(stack: &Stack, fault: Fault) -> Fault {
    let Some(key) = fault
        .place
        .as_deref()
        .and_then(|place| KeyPath::parse(place).ok())
    else {
        return fault;
    };
    let origin = stack
        .keys(&key)
        .into_iter()
        .find_map(|key| Some(stack.get(&key)?.leaf.place.clone()));
    match origin {
        Some(place) => fault.at(format!("{place} ({key})")),
        None => fault,
    }
}

/// Where configuration is looked for.
#[derive(Debug, Clone)]
pub(crate) struct Places {
    system: PathBuf,
    user: PathBuf,
    project: Option<PathBuf>,
    variables: Vec<(OsString, OsString)>,
}

impl Places {
    /// The usual ones.
    pub(crate) fn of(home: &Home) -> Places {
        let project = std::env::current_dir()
            .ok()
            .and_then(|dir| project_file(&dir));
        Places {
            system: SYSTEM.into(),
            user: home.config.clone(),
            project,
            variables: std::env::vars_os().collect(),
        }
    }
}

/// The nearest `keiko.toml` between a folder and the root of its repository; outside of one, only the folder's own.
fn project_file(dir: &Path) -> Option<PathBuf> {
    let is_root = |dir: &Path| dir.join(".git").symlink_metadata().is_ok();
    let root = dir.ancestors().find(|dir| is_root(dir)).unwrap_or(dir);
    let inside = dir.ancestors().take_while(|dir| dir.starts_with(root));
    inside
        .map(|dir| dir.join("keiko.toml"))
        .find(|file| file.symlink_metadata().is_ok())
}

/// A file that was looked at.
#[derive(Debug, Clone)]
pub(crate) struct FileState {
    pub(crate) path: PathBuf,
    pub(crate) kind: Kind,
    pub(crate) there: bool,
    pub(crate) problems: usize,
}

/// Everything that was read, also when some of it is wrong.
#[derive(Debug, Default)]
pub(crate) struct Loaded {
    pub(crate) stack: Stack,
    pub(crate) files: Vec<FileState>,
    pub(crate) problems: Vec<Fault>,
    pub(crate) policy: RiskPolicy,
    /// Classes that the user's risk.toml would loosen although the system forbids them.
    pub(crate) kept_forbidden: Vec<ActionClass>,
}

/// The shape of `config.toml`.
pub(crate) fn shape() -> Field {
    Field::of(&schemars::schema_for!(RawConfig))
}

/// The JSON Schema of `config.toml`, for editors.
///
/// # Errors
/// None that is known.
pub fn schema() -> Result<String, Fault> {
    serde_json::to_string_pretty(&schemars::schema_for!(RawConfig))
        .map_err(|error| Fault::new(Code::NO_JSON, error.to_string()))
}

impl Loaded {
    /// Reads all layers, and goes on after a mistake.
    pub(crate) fn read(places: &Places) -> Loaded {
        let shape = shape();
        let mut loaded = Loaded::default();
        let mut layers = vec![defaults()];
        let user_file = places.user.join("config.toml");
        let mut files = vec![
            (places.system.join("config.toml"), Kind::System),
            (user_file.clone(), Kind::User),
        ];
        files.extend(places.project.clone().map(|file| (file, Kind::Project)));
        for (path, kind) in files {
            layers.extend(loaded.file(path, kind, &shape, &user_file));
        }
        let (environment, problems) = env::read(&places.variables, &shape);
        layers.push(environment);
        loaded.problems.extend(problems);
        loaded.stack = Stack::new(layers);
        loaded.read_policy(places);
        loaded
    }

    fn file(
        &mut self,
        path: PathBuf,
        kind: Kind,
        shape: &Field,
        user_file: &Path,
    ) -> Option<Layer> {
        let (layer, problems) = match layer::read_file(&path, kind) {
            Ok(Some(text)) => {
                let (leaves, mut problems) = read_text(&path, &text, shape);
                let layer = Layer { kind, leaves };
                if kind == Kind::Project {
                    problems.extend(stack::not_for_projects(&layer, user_file));
                }
                (Some(layer), problems)
            }
            Ok(None) => (None, Vec::new()),
            Err(fault) => (None, vec![fault]),
        };
        let there = layer.is_some() || !problems.is_empty();
        self.files.push(FileState {
            path,
            kind,
            there,
            problems: problems.len(),
        });
        self.problems.extend(problems);
        layer
    }

    fn read_policy(&mut self, places: &Places) {
        let mut read = |dir: &Path, kind| {
            let path = dir.join("risk.toml");
            let (file, problems) = match policy::read(&path, kind) {
                Ok(file) => (file, Vec::new()),
                Err(problems) => (None, problems),
            };
            let there = file.is_some() || !problems.is_empty();
            self.files.push(FileState {
                path,
                kind,
                there,
                problems: problems.len(),
            });
            self.problems.extend(problems);
            file
        };
        let system = read(&places.system, Kind::System);
        let user = read(&places.user, Kind::User);
        (self.policy, self.kept_forbidden) = policy::over(system, user);
    }

    /// What holds.
    ///
    /// # Errors
    /// The first problem; it says how many more there are.
    pub(crate) fn config(self) -> Result<Config, Fault> {
        if let Some(first) = self.problems.first() {
            let more = self.problems.len() - 1;
            let hint = first.hint.clone().unwrap_or_default();
            return Err(match more {
                0 => first.clone(),
                _ => first.clone().hint(match hint.is_empty() {
                    true => say!("(and {more} more problems: keiko config validate)", more),
                    false => say!(
                        "{hint} (and {more} more problems: keiko config validate)",
                        hint,
                        more
                    ),
                }),
            });
        }
        build(self.stack, self.policy)
    }
}

/// Reads a text as `config.toml`: the shape first, whose words are better, then the types.
fn read_text(path: &Path, text: &str, shape: &Field) -> (BTreeMap<KeyPath, Leaf>, Vec<Fault>) {
    let source = Source {
        path: path.to_owned(),
        text,
    };
    let (leaves, mut problems) = layer::read(&source, shape);
    if problems.is_empty()
        && let Err(error) = toml::from_str::<RawConfig>(text)
    {
        problems.push(source.parse_fault(&error));
    }
    (leaves, problems)
}

fn defaults() -> Layer {
    let mut leaves = BTreeMap::new();
    if let Ok(toml::Value::Table(table)) = toml::Value::try_from(RawConfig::default()) {
        flatten(&KeyPath::default(), table, &mut leaves);
    }
    Layer {
        kind: Kind::Default,
        leaves,
    }
}

fn flatten(at: &KeyPath, table: toml::Table, leaves: &mut BTreeMap<KeyPath, Leaf>) {
    for (name, value) in table {
        let key = at.child(&name);
        match value {
            toml::Value::Table(table) => flatten(&key, table, leaves),
            value => {
                leaves.insert(
                    key,
                    Leaf {
                        value,
                        place: "default".into(),
                    },
                );
            }
        }
    }
}

fn build(stack: Stack, policy: RiskPolicy) -> Result<Config, Fault> {
    let table = toml::Value::Table(stack.table(&KeyPath::default()));
    let raw: RawConfig = table.try_into().map_err(|error: toml::de::Error| {
        Fault::new(Code::VALUE_WRONG, error.message().to_owned()).hint("keiko config validate")
    })?;
    let limits = RunLimits {
        max_steps: raw.run.max_steps,
        budget: raw.run.budget.map(|money| money.0),
        max_seconds: raw.run.max_seconds,
        max_output_tokens: raw.run.max_output_tokens,
        context_tokens: raw.run.context_tokens,
        ..RunLimits::default()
    };
    Ok(Config {
        run: RunConfig {
            model: raw.run.model,
            approval: raw.run.approval,
            install: raw.run.install,
            effort: raw.run.effort,
            limits,
        },
        log: LogConfig {
            level: raw.log.level.name().into(),
            json: raw.log.format == LogFormat::Json,
        },
        sandbox: raw.sandbox.into(),
        retention: RetentionConfig {
            older_than: raw.retention.older_than,
            keep: raw.retention.keep,
        },
        policy,
        models: raw.models,
        language: raw.language,
        stack: Arc::new(stack),
    })
}

/// The words of a list that is written as one text.
fn words(text: &str) -> Vec<String> {
    text.split([',', ' ', '\t', '\n'])
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use keiko_contracts::money::Micros;

    struct Ground {
        dir: tempfile::TempDir,
        places: Places,
    }
    fn ground(files: &[(&str, &str)], variables: &[(&str, &str)]) -> Ground {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let places = Places {
            system: dir.path().join("system"),
            user: dir.path().join("user"),
            project: project_file(&dir.path().join("repo/src")),
            variables: variables
                .iter()
                .map(|(n, v)| (n.into(), v.into()))
                .collect(),
        };
        Ground { dir, places }
    }

    proptest::proptest! {
        /// A real file with a piece of it replaced by something else.
        #[test]
        fn any_text_is_a_configuration_or_has_faults(from in 0usize..4_000, len in 0usize..200, junk in "[a-z.=\\[\\]{}\"'# \n0-9ü-]{0,40}") {
            let real = "language = 'de'\n[run]\nmax_steps = 40\nbudget = '0.50'\nmodel = 'a/b'\n[log]\nlevel = 'info'\n[models.prices.\"a/b\"]\ninput = 1\n";
            let cut = |at: usize| (0..=at.min(real.len())).rev().find(|at| real.is_char_boundary(*at)).unwrap_or(0);
            let hurt = format!("{}{junk}{}", &real[..cut(from % real.len())], &real[cut(from % real.len() + len)..]);
            for text in [hurt.as_str(), junk.as_str()] {
                let (_, faults) = read_text(Path::new("config.toml"), text, &shape());
                proptest::prop_assert!(faults.iter().all(|fault| fault.place.is_some()), "{:?}", faults);
            }
        }
    }

    #[test]
    fn layers_in_their_order() {
        let ground = ground(
            &[
                (
                    "system/config.toml",
                    "run.max_steps = 50\nrun.max_seconds = 100\nlog.level = 'info'\n",
                ),
                (
                    "user/config.toml",
                    "language = 'de'\n[run]\nmax_steps = 40\nbudget = '0.50'\nmodel = 'a/b'\n",
                ),
                ("repo/.git/HEAD", ""),
                ("repo/keiko.toml", "[run]\nmax_steps = 30\nbudget = 5\n"),
                ("repo/src/x", ""),
            ],
            &[("KEIKO_RUN__MODEL", "c/d")],
        );
        let config = Loaded::read(&ground.places).config().unwrap();
        let limits = config.run.limits().unwrap();
        assert_eq!(
            (limits.max_steps, limits.max_seconds, limits.budget),
            (30, 100, Some(Micros(500_000)))
        );
        assert_eq!(
            (
                config.run.model.as_deref(),
                config.log.level.as_str(),
                config.language().code()
            ),
            (Some("c/d"), "info", "de")
        );
        assert_eq!(limits.context_tokens, RunLimits::default().context_tokens);
    }

    #[test]
    fn a_project_is_found_within_its_repository_only() {
        let ground = ground(
            &[
                ("keiko.toml", ""),
                ("repo/.git/HEAD", ""),
                ("repo/src/x", ""),
                ("loose/sub/x", ""),
                ("loose/keiko.toml", ""),
            ],
            &[],
        );
        assert_eq!(
            ground.places.project, None,
            "above the repository is not looked"
        );
        let root = ground.dir.path();
        assert_eq!(project_file(&root.join("loose/sub")), None);
        assert_eq!(
            project_file(&root.join("loose")),
            Some(root.join("loose/keiko.toml"))
        );
    }

    #[test]
    fn all_problems_are_gathered_and_the_first_is_told() {
        let ground = ground(
            &[
                ("user/config.toml", "[run]\nmax_stpes = 4\n"),
                ("user/risk.toml", "colour = 1\n"),
                ("repo/keiko.toml", ""),
                ("repo/src/keiko.toml", "run.approval = 'never'"),
            ],
            &[("KEIKO_RUN__MAX_STEPS", "0")],
        );
        let loaded = Loaded::read(&ground.places);
        let codes: Vec<_> = loaded.problems.iter().map(|fault| fault.code).collect();
        assert_eq!(codes, ["KEI-1302", "KEI-1305", "KEI-1303", "KEI-1302"]);
        assert_eq!(loaded.files.iter().filter(|file| file.there).count(), 3);
        let fault = loaded.config().unwrap_err();
        assert!(fault.hint.unwrap().contains("and 3 more problems"));
    }

    #[test]
    fn a_bad_address_is_told_with_its_line() {
        let ground = ground(
            &[(
                "user/config.toml",
                "[models.vendors.mine]\nbase_url = 'ftp://x'\n",
            )],
            &[],
        );
        let fault = Loaded::read(&ground.places)
            .config()
            .unwrap()
            .models()
            .unwrap_err();
        assert!(
            fault.place.as_ref().unwrap().contains("user/config.toml:2"),
            "{fault:?}"
        );
    }

    #[test]
    fn without_any_file_the_defaults_hold() {
        let ground = ground(&[], &[]);
        let config = Loaded::read(&ground.places).config().unwrap();
        assert_eq!(config.run.limits().unwrap(), RunLimits::default());
        assert_eq!(
            (config.log.level.as_str(), config.log.json),
            ("error", false)
        );
        assert_eq!(
            (
                config.sandbox.registries.len(),
                config.sandbox.workspace_mib
            ),
            (0, 16_384)
        );
        assert_eq!(config.policy, RiskPolicy::default());
    }

    #[test]
    fn the_committed_schema_is_that_of_the_types() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../schemas/config.json");
        let committed = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            committed.trim() == schema().unwrap(),
            "schemas/config.json is out of date; write it: ./keiko config schema > schemas/config.json"
        );
    }

    #[test]
    fn how_long_things_are_kept_is_the_operators_to_say() {
        let text = "[retention]\nolder_than = '3d'\nkeep = '2GiB'\n";
        let config = Loaded::read(&ground(&[("user/config.toml", text)], &[]).places)
            .config()
            .unwrap();
        assert_eq!(
            (
                config.retention.older_than.to_string().as_str(),
                config.retention.keep
            ),
            ("3d", Some(Bytes(2 << 30)))
        );
        let by_variable = ground(&[], &[("KEIKO_RETENTION__KEEP", "1M")]);
        assert_eq!(
            Loaded::read(&by_variable.places)
                .config()
                .unwrap()
                .retention
                .keep,
            Some(Bytes(1 << 20))
        );
        let without = Loaded::read(&ground(&[], &[]).places)
            .config()
            .unwrap()
            .retention;
        assert_eq!((without.older_than, without.keep), (Age::DEFAULT, None));
        for bad in ["older_than = '14'", "older_than = 14", "keep = 'much'"] {
            let fault = Loaded::read(
                &ground(
                    &[("user/config.toml", &format!("[retention]\n{bad}\n"))],
                    &[],
                )
                .places,
            )
            .config()
            .unwrap_err();
            assert_eq!(fault.code, "KEI-1303", "{bad}");
            assert!(fault.place.unwrap().contains("config.toml:2"), "{bad}");
        }
        let of_a_project = ground(
            &[
                ("repo/.git/HEAD", ""),
                ("repo/src/x", ""),
                ("repo/keiko.toml", text),
            ],
            &[],
        );
        assert_eq!(
            Loaded::read(&of_a_project.places)
                .config()
                .unwrap_err()
                .code,
            "KEI-1305"
        );
    }

    #[test]
    fn hosts_for_installing_are_the_operators_to_name() {
        let text = "[sandbox]\nregistries = 'github.com, *.corp.example'\nworkspace_mib = 100\n";
        let config = Loaded::read(&ground(&[("user/config.toml", text)], &[]).places)
            .config()
            .unwrap();
        assert_eq!(config.sandbox.registries, ["github.com", "*.corp.example"]);
        assert_eq!(config.sandbox.workspace_mib, 100);
        let of_a_project = ground(
            &[
                ("repo/.git/HEAD", ""),
                ("repo/src/x", ""),
                ("repo/keiko.toml", text),
            ],
            &[],
        );
        assert_eq!(
            Loaded::read(&of_a_project.places)
                .config()
                .unwrap_err()
                .code,
            "KEI-1305"
        );
    }
}
