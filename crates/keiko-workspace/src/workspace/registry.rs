//! Where this machine's package managers get packages from: the parts that are no secrets, for the one jail with network.

use keiko_contracts::code::Fault;
use keiko_contracts::jail::Toolchain;
use keiko_sandbox::egress::{Destinations, Egress, Upstream};
use keiko_sandbox::foreign;
use keiko_sandbox::spec::Mount;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Environment variables that name registries and certificates. Proxies are used by our own, outside.
const VARIABLES: [&str; 22] = [
    "PIP_INDEX_URL",
    "PIP_EXTRA_INDEX_URL",
    "PIP_TRUSTED_HOST",
    "PIP_FIND_LINKS",
    "PIP_CERT",
    "PIP_DEFAULT_TIMEOUT",
    "UV_INDEX_URL",
    "UV_DEFAULT_INDEX",
    "UV_INDEX",
    "NPM_CONFIG_REGISTRY",
    "npm_config_registry",
    "NODE_EXTRA_CA_CERTS",
    "CARGO_HTTP_CAINFO",
    "GOPROXY",
    "GOSUMDB",
    "GONOSUMDB",
    "GOPRIVATE",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "GIT_SSL_CAINFO",
];

/// Longest settings file that is read, bytes.
const SETTINGS_BYTES_MAX: u64 = 1 << 20;

/// Keys of npm's configuration that say where packages come from. Tokens and passwords are other keys.
const NPM_KEYS: [&str; 4] = ["registry", "cafile", "strict-ssl", "replace-registry-host"];

/// What is passed on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Registries {
    pub(crate) env: BTreeMap<String, String>,
    /// Text of an npm configuration file.
    pub(crate) npmrc: String,
    /// Text of a cargo configuration file.
    pub(crate) cargo: String,
    /// Certificates and folders of packages that the settings name.
    pub(crate) paths: Vec<PathBuf>,
    /// The proxy of this machine, for ours; a fault if there is one that it cannot use.
    upstream: Upstream,
    upstream_fault: Option<Fault>,
}

/// The texts of configuration files, least important first.
#[derive(Debug, Clone, Default)]
pub(crate) struct Files {
    pub(crate) pip: Vec<String>,
    pub(crate) npm: Vec<String>,
    pub(crate) cargo: Vec<String>,
}

impl Files {
    /// The proxy that a package manager's own settings name, the most important one.
    fn proxy(&self) -> Option<&str> {
        let named = |(key, value): &(&str, &str)| {
            matches!(*key, "proxy" | "https-proxy") && !value.contains("${") && *value != "null"
        };
        let of = |files: &'_ [String]| -> Option<usize> {
            files
                .iter()
                .rposition(|text| pairs(text).any(|pair| named(&pair)))
        };
        let all = [&self.cargo, &self.pip, &self.npm];
        let text = all
            .into_iter()
            .find_map(|files| of(files).and_then(|at| files.get(at)))?;
        pairs(text).filter(named).last().map(|(_, value)| value)
    }
}

impl Registries {
    /// Of this machine and user.
    pub(crate) fn read() -> Registries {
        let home = std::env::var_os("HOME")
            .map(PathBuf::from)
            .unwrap_or_default();
        let cargo =
            std::env::var_os("CARGO_HOME").map_or_else(|| home.join(".cargo"), PathBuf::from);
        // Dotfiles are often links into a folder of their own, so these are followed; a pipe at the end is not waited for.
        let text =
            |path: &PathBuf| foreign::read_text(&path.canonicalize().ok()?, SETTINGS_BYTES_MAX);
        let all = |paths: &[PathBuf]| paths.iter().filter_map(text).collect();
        let files = Files {
            pip: all(&[
                "/etc/pip.conf".into(),
                home.join(".pip/pip.conf"),
                home.join(".config/pip/pip.conf"),
            ]),
            npm: all(&[
                "/usr/etc/npmrc".into(),
                "/usr/local/etc/npmrc".into(),
                "/etc/npmrc".into(),
                home.join(".npmrc"),
            ]),
            cargo: all(&[cargo.join("config"), cargo.join("config.toml")]),
        };
        Registries::of(&std::env::vars().collect(), &files)
    }

    /// Of given variables and files.
    pub(crate) fn of(env: &BTreeMap<String, String>, files: &Files) -> Registries {
        let mut out = Registries::default();
        for (key, value) in files.pip.iter().flat_map(|text| pairs(text)) {
            let name = format!("PIP_{}", key.replace('-', "_").to_uppercase());
            if VARIABLES.contains(&name.as_str()) && is_public(value) {
                out.env.insert(name, value.to_owned());
            }
        }
        for (name, value) in env {
            let upper = name.to_uppercase();
            let cargo_index = name.starts_with("CARGO_REGISTRIES_") && name.ends_with("_INDEX");
            if (VARIABLES.contains(&name.as_str())
                || VARIABLES.contains(&upper.as_str())
                || cargo_index)
                && is_public(value)
            {
                out.env.insert(name.clone(), value.clone());
            }
        }
        let mut npm = BTreeMap::new();
        for (key, value) in files.npm.iter().flat_map(|text| pairs(text)) {
            let scoped = key.starts_with('@') && key.ends_with(":registry");
            if (NPM_KEYS.contains(&key) || scoped) && is_public(value) {
                npm.insert(key, value);
            }
        }
        out.npmrc = npm.iter().map(|(k, v)| format!("{k}={v}\n")).collect();
        out.cargo = files.cargo.iter().map(|text| public_cargo(text)).collect();
        match Upstream::of(env, files.proxy()) {
            Ok(upstream) => out.upstream = upstream,
            Err(fault) => out.upstream_fault = Some(fault),
        }
        let certificates = npm.get("cafile").copied().into_iter().chain(
            out.env
                .iter()
                .filter(|(k, _)| names_a_path(k))
                .map(|(_, v)| v.as_str()),
        );
        let mut paths: Vec<PathBuf> = certificates
            .map(PathBuf::from)
            .filter(|p| p.is_absolute() && p.exists())
            .collect();
        paths.sort();
        paths.dedup();
        out.paths = paths;
        out
    }

    /// The way to the network for installing: the usual registries, the places that these settings name, and `further` ones.
    pub(crate) fn egress(
        &self,
        toolchains: &[Toolchain],
        further: &[String],
    ) -> Result<Egress, Fault> {
        if let Some(fault) = &self.upstream_fault {
            return Err(fault.clone());
        }
        let usual = toolchains
            .iter()
            .fold(Destinations::default(), |all, toolchain| {
                all.and(*toolchain)
            });
        let usual = further.iter().fold(usual, |all, name| all.and_name(name));
        let settings = self
            .env
            .values()
            .map(String::as_str)
            .chain([self.npmrc.as_str(), self.cargo.as_str()]);
        Ok(Egress::new(
            settings.fold(usual, Destinations::and_configured),
            self.upstream.clone(),
        ))
    }

    /// The host of the mirror that stands in for a toolchain's usual registry, if one is configured.
    pub(crate) fn mirror(&self, toolchain: Toolchain) -> Option<String> {
        let of = |names: &[&str]| names.iter().find_map(|name| self.env.get(*name)).cloned();
        let address = match toolchain {
            Toolchain::Python => of(&["UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL"]),
            Toolchain::Node => of(&["NPM_CONFIG_REGISTRY", "npm_config_registry"]).or_else(|| {
                self.npmrc
                    .lines()
                    .find_map(|line| line.strip_prefix("registry="))
                    .map(str::to_owned)
            }),
            Toolchain::Rust => {
                let source = self
                    .cargo
                    .split("[source.")
                    .find(|part| !part.starts_with("crates-io"))?;
                self.cargo.contains("replace-with").then(|| {
                    source
                        .split('"')
                        .find(|word| word.contains("://"))
                        .map(str::to_owned)
                })?
            }
            Toolchain::Go => of(&["GOPROXY"]),
        }?;
        let place = address
            .split([',', '|'])
            .next()?
            .split_once("://")?
            .1
            .split(['/', '?', '#'])
            .next()?;
        let place = place.rsplit_once('@').map_or(place, |(_, place)| place);
        (!place.is_empty() && place.len() < 200).then(|| place.to_owned())
    }

    /// What of it lies in files.
    pub(crate) fn mounts(&self) -> Vec<Mount> {
        // A link is followed on the host: inside, its target need not exist.
        let inside = |path: &Path| {
            Some(Mount {
                host: path.canonicalize().ok()?,
                inside: path.to_str()?.to_owned(),
                writable: false,
            })
        };
        // What lies below /usr and /etc/ssl is in every jail already.
        self.paths
            .iter()
            .filter(|p| !p.starts_with("/usr") && !p.starts_with("/etc/ssl"))
            .filter_map(|p| inside(p))
            .collect()
    }
}

fn names_a_path(variable: &str) -> bool {
    variable.contains("CERT")
        || variable.contains("CA_BUNDLE")
        || variable.contains("CAINFO")
        || variable == "PIP_FIND_LINKS"
}

/// `key = value` lines of an ini-like file.
fn pairs(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.lines()
        .map(str::trim)
        .filter(|l| !l.starts_with(['#', ';', '[']))
        .filter_map(|l| l.split_once('='))
        .map(|(k, v)| (k.trim(), v.trim().trim_matches('"')))
        .filter(|(_, v)| !v.is_empty())
}

/// A value without user information in any URL, and without references to other variables.
fn is_public(value: &str) -> bool {
    let secret_url = value.split([' ', ',', '|']).any(|word| {
        word.split_once("://").is_some_and(|(_, rest)| {
            rest.split(['/', '?', '#'])
                .next()
                .is_some_and(|authority| authority.contains('@'))
        })
    });
    !secret_url && !value.contains("${") && !value.contains(['\n', '\0'])
}

/// The sections of a cargo configuration that say where crates come from, without tokens and credential programs.
fn public_cargo(text: &str) -> String {
    let mut keep = false;
    let mut out = String::new();
    for line in text.lines() {
        let trimmed = line.trim();
        if let Some(section) = trimmed.strip_prefix('[') {
            keep = [
                "source.",
                "source]",
                "registries.",
                "registry]",
                "http]",
                "net]",
            ]
            .iter()
            .any(|s| section.starts_with(s));
        }
        let key = trimmed.split('=').next().unwrap_or_default().to_lowercase();
        let secret = [
            "token",
            "credential",
            "password",
            "secret",
            "cookie",
            "proxy",
        ]
        .iter()
        .any(|s| key.contains(s));
        if keep
            && !secret
            && is_public(trimmed.trim_end_matches('"'))
            && is_public(&trimmed.replace('"', " "))
        {
            out.push_str(line);
            out.push('\n');
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passes_places_on_and_keeps_secrets() {
        let env = [
            ("PIP_INDEX_URL", "https://mirror.example/simple"),
            (
                "PIP_EXTRA_INDEX_URL",
                "https://user:hidden@other.example/simple",
            ),
            ("https_proxy", "http://user:hidden@proxy:3128"),
            ("OPENAI_API_KEY", "hidden"),
            (
                "CARGO_REGISTRIES_OURS_INDEX",
                "sparse+https://crates.example/",
            ),
            ("CARGO_REGISTRIES_OURS_TOKEN", "hidden"),
        ];
        let env = env
            .into_iter()
            .map(|(k, v)| (k.to_owned(), v.to_owned()))
            .collect();
        let files = Files {
            pip: vec!["[global]\ncert = /nowhere/ca.pem\npassword = hidden\n".into()],
            npm: vec!["registry=https://npm.example/\n//npm.example/:_authToken=hidden\n@ours:registry=https://ours.example\n_auth=hidden\nproxy=http://a:hidden@p\n".into()],
            cargo: vec!["[source.crates-io]\nreplace-with = \"m\"\n[source.m]\nregistry = \"https://u:hidden@x\"\n[registries.o]\nindex = \"sparse+https://c/\"\ntoken = \"hidden\"\n[build]\nrustc-wrapper = \"hidden\"\n".into()],
        };
        let out = Registries::of(&env, &files);
        assert_eq!(
            out.env.keys().map(String::as_str).collect::<Vec<_>>(),
            ["CARGO_REGISTRIES_OURS_INDEX", "PIP_CERT", "PIP_INDEX_URL"]
        );
        assert_eq!(
            out.npmrc,
            "@ours:registry=https://ours.example\nregistry=https://npm.example/\n"
        );
        assert!(out.cargo.contains("replace-with") && out.cargo.contains("sparse+https://c/"));
        assert!(!format!("{out:?}").contains("hidden"), "{out:?}");
        assert!(
            out.paths.is_empty(),
            "a certificate that is not there is not bound"
        );
        let egress = format!(
            "{:?}",
            out.egress(&[Toolchain::Rust], &["*.further.example".into()])
                .unwrap()
        );
        for place in [
            "mirror.example",
            "npm.example",
            "ours.example",
            "crates.example",
            "static.crates.io",
            "*.further.example",
            "proxy:3128",
        ] {
            assert!(egress.contains(place), "{place}: {egress}");
        }
        assert!(
            !egress.contains("hidden") && !egress.contains("other.example"),
            "{egress}"
        );
    }

    #[test]
    fn a_proxy_in_the_files_of_a_package_manager_is_used() {
        let files = Files {
            npm: vec!["https-proxy=http://npm-proxy:1\n".into()],
            cargo: vec!["[http]\nproxy = \"cargo-proxy:2\"\n".into()],
            ..Files::default()
        };
        assert_eq!(files.proxy(), Some("cargo-proxy:2"));
        let out = Registries::of(&BTreeMap::new(), &files);
        assert!(
            !out.cargo.contains("cargo-proxy") && out.npmrc.is_empty(),
            "the jail sees ours only"
        );
        let socks = Files {
            npm: vec!["proxy=socks5://x:1\n".into()],
            ..Files::default()
        };
        assert_eq!(
            Registries::of(&BTreeMap::new(), &socks)
                .egress(&[Toolchain::Node], &[])
                .unwrap_err()
                .code,
            "KEI-5150"
        );
    }
}
