//! The layers on top of each other: which value holds, and where it comes from.

use super::key::KeyPath;
use super::layer::{Kind, Layer, Leaf};
use keiko_contracts::code::{Code, Fault};
use keiko_contracts::money::Micros;
use keiko_contracts::say;
use std::collections::BTreeSet;

/// Keys that a project may set although its file may come from somebody else's repository. Limits only downwards.
const FREE: [&str; 1] = ["language"];
const LIMITS: [&str; 5] = [
    "run.budget",
    "run.max_steps",
    "run.max_seconds",
    "run.context_tokens",
    "run.max_output_tokens",
];

/// All layers, the weakest first.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stack(Vec<Layer>);

/// A value and where it comes from.
#[derive(Debug, Clone)]
pub(crate) struct Origin<'a> {
    pub(crate) kind: Kind,
    pub(crate) leaf: &'a Leaf,
    /// Why it does not hold, if it does not.
    pub(crate) passed_over: Option<&'static str>,
}

impl Stack {
    pub(crate) fn new(mut layers: Vec<Layer>) -> Stack {
        layers.sort_by_key(|layer| layer.kind);
        Stack(layers)
    }

    /// Every value that some layer gives to a key, the strongest first, with why those do not hold that do not.
    pub(crate) fn all(&self, key: &KeyPath) -> Vec<Origin<'_>> {
        let mut found: Vec<Origin<'_>> = Vec::new();
        let mut holds: Option<usize> = None;
        for layer in &self.0 {
            let Some(leaf) = layer.leaves.get(key) else {
                continue;
            };
            let below = holds.map(|at| &found[at].leaf.value);
            let raises = layer.kind == Kind::Project
                && is_limit(key)
                && below.is_some_and(|below| amount(&leaf.value) >= amount(below));
            if raises {
                found.push(Origin {
                    kind: layer.kind,
                    leaf,
                    passed_over: Some("a project may lower a limit, not raise it"),
                });
                continue;
            }
            if let Some(at) = holds.replace(found.len()) {
                found[at].passed_over = Some("a stronger layer sets it, too");
            }
            found.push(Origin {
                kind: layer.kind,
                leaf,
                passed_over: None,
            });
        }
        found.reverse();
        found.sort_by_key(|origin| origin.passed_over.is_some());
        found
    }

    /// The value that holds.
    pub(crate) fn get(&self, key: &KeyPath) -> Option<Origin<'_>> {
        self.all(key)
            .into_iter()
            .find(|origin| origin.passed_over.is_none())
    }

    /// The keys at or below a section that have a value.
    pub(crate) fn keys(&self, section: &KeyPath) -> BTreeSet<KeyPath> {
        self.0
            .iter()
            .flat_map(|layer| layer.leaves.keys())
            .filter(|key| key.is_under(section))
            .cloned()
            .collect()
    }

    /// All keys that have a value.
    pub(crate) fn every(&self) -> BTreeSet<KeyPath> {
        self.0
            .iter()
            .flat_map(|layer| layer.leaves.keys())
            .cloned()
            .collect()
    }

    /// What holds, as one table.
    pub(crate) fn table(&self, section: &KeyPath) -> toml::Table {
        let mut table = toml::Table::new();
        for key in self.keys(section) {
            if let Some(origin) = self.get(&key) {
                insert(&mut table, key.parts(), origin.leaf.value.clone());
            }
        }
        table
    }
}

fn insert(table: &mut toml::Table, parts: &[String], value: toml::Value) {
    match parts {
        [] => {}
        [last] => {
            table.insert(last.clone(), value);
        }
        [first, rest @ ..] => {
            let slot = table
                .entry(first.clone())
                .or_insert_with(|| toml::Value::Table(toml::Table::new()));
            if let toml::Value::Table(table) = slot {
                insert(table, rest, value);
            }
        }
    }
}

fn is_limit(key: &KeyPath) -> bool {
    LIMITS.contains(&key.to_string().as_str())
}

/// A limit as a number that can be compared: dollars in millionths.
fn amount(value: &toml::Value) -> u64 {
    match value {
        toml::Value::Integer(number) => u64::try_from(*number)
            .unwrap_or(0)
            .saturating_mul(1_000_000),
        toml::Value::String(text) => text.parse::<Micros>().map_or(0, |micros| micros.0),
        _ => 0,
    }
}

/// What a project's file sets but may not: it comes with a repository, which may be anybody's.
pub(crate) fn not_for_projects(layer: &Layer, user_file: &std::path::Path) -> Vec<Fault> {
    let permitted = |key: &KeyPath| is_limit(key) || FREE.contains(&key.to_string().as_str());
    let fault = |(key, leaf): (&KeyPath, &Leaf)| {
        Fault::new(Code::NOT_FOR_PROJECTS, say!("a project may not set {key}: its file comes with the repository, which may be anybody's", key))
            .at(&leaf.place)
            .hint(say!("if you want it, put it into your own file, {file}: keiko config set {key} VALUE", file = user_file.display(), key))
    };
    layer
        .leaves
        .iter()
        .filter(|(key, _)| !permitted(key))
        .map(fault)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(kind: Kind, pairs: &[(&str, toml::Value)]) -> Layer {
        let leaf = |value: &toml::Value| Leaf {
            value: value.clone(),
            place: kind.name().into(),
        };
        Layer {
            kind,
            leaves: pairs
                .iter()
                .map(|(key, value)| (KeyPath::parse(key).unwrap(), leaf(value)))
                .collect(),
        }
    }
    fn key(text: &str) -> KeyPath {
        KeyPath::parse(text).unwrap()
    }

    #[test]
    fn stronger_layers_win_and_projects_only_lower() {
        let steps = |kind, n: i64| layer(kind, &[("run.max_steps", n.into())]);
        let holds = |layers: Vec<Layer>| {
            Stack::new(layers)
                .get(&key("run.max_steps"))
                .map(|o| (o.kind, o.leaf.value.as_integer().unwrap()))
        };
        assert_eq!(
            holds(vec![
                steps(Kind::User, 50),
                steps(Kind::Default, 60),
                steps(Kind::System, 55)
            ]),
            Some((Kind::User, 50))
        );
        assert_eq!(
            holds(vec![steps(Kind::User, 50), steps(Kind::Project, 40)]),
            Some((Kind::Project, 40))
        );
        assert_eq!(
            holds(vec![steps(Kind::User, 50), steps(Kind::Project, 400)]),
            Some((Kind::User, 50))
        );
        assert_eq!(
            holds(vec![steps(Kind::Environment, 90), steps(Kind::Project, 40)]),
            Some((Kind::Environment, 90))
        );
        let stack = Stack::new(vec![steps(Kind::User, 50), steps(Kind::Project, 400)]);
        let all = stack.all(&key("run.max_steps"));
        assert_eq!(all.len(), 2);
        assert!(all[1].passed_over.unwrap().contains("lower"));
    }

    #[test]
    fn a_budget_may_be_set_by_a_project_where_there_is_none() {
        let budget = |kind, text: &str| layer(kind, &[("run.budget", text.into())]);
        let holds = |layers: Vec<Layer>| Stack::new(layers).get(&key("run.budget")).unwrap().kind;
        assert_eq!(holds(vec![budget(Kind::Project, "1")]), Kind::Project);
        assert_eq!(
            holds(vec![
                budget(Kind::Project, "1.00"),
                budget(Kind::User, "0.99")
            ]),
            Kind::User
        );
    }

    #[test]
    fn a_project_is_kept_from_what_matters() {
        let project = layer(
            Kind::Project,
            &[
                ("run.max_steps", 3.into()),
                ("language", "de".into()),
                ("run.approval", "never".into()),
                ("models.vendors.x.base_url", "http://evil".into()),
            ],
        );
        let faults = not_for_projects(&project, std::path::Path::new("/u/config.toml"));
        assert_eq!(faults.len(), 2, "{faults:?}");
        assert!(faults.iter().all(|fault| fault.code == "KEI-1305"));
    }

    #[test]
    fn the_table_is_what_holds() {
        let stack = Stack::new(vec![
            layer(
                Kind::Default,
                &[("run.max_steps", 60.into()), ("log.level", "error".into())],
            ),
            layer(
                Kind::User,
                &[
                    ("run.max_steps", 5.into()),
                    ("models.profiles.fast", "a/b".into()),
                ],
            ),
        ]);
        let table = stack.table(&KeyPath::default());
        assert_eq!(table["run"]["max_steps"].as_integer(), Some(5));
        assert_eq!(table["models"]["profiles"]["fast"].as_str(), Some("a/b"));
        assert_eq!(stack.table(&key("run")).len(), 1);
    }
}
