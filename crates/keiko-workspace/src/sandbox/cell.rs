//! Cells of the run's Python kernel.

use super::Shared;
use super::session::Session;
use crate::workspace::{copy, inside, write_atomically};
use keiko_contracts::code::{Code, Fault};
use keiko_contracts::digest::Content;
use keiko_contracts::jail::{JailBody, Limits};
use keiko_ports::Cancel;
use keiko_ports::live::LiveSink;
use keiko_sandbox::kernel::{self, CONNECTION_FILE, Connection, Kernel, KernelError, Process};
use keiko_sandbox::spec::{JailSpec, Mount, Network};
use std::time::Duration;

/// How long a kernel may take to be ready; importing it alone takes a second on a quiet machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Prints the first interpreter that has ipykernel, or that takes the one in a folder; then the folder, too. The folder is
/// `$1`, or nothing.
const FIND: &str = r#"
kernel=$1; shift
has() { "$1" -c 'import importlib.util as u, sys; sys.exit(u.find_spec("ipykernel") is None)' 2>/dev/null; }
takes() { "$1" -c 'import sys; sys.path.append(sys.argv[1]); import ipykernel.kernelapp' "$kernel" 2>/dev/null; }
for python; do
    has "$python" && echo "$python" && exit
    [ -n "$kernel" ] && takes "$python" && echo "$python" && echo "$kernel" && exit
done
exit 1
"#;

/// What of an interpreter runs cells.
struct Found {
    python: String,
    /// The folder that lends it ipykernel, where it has none.
    kernel: Option<String>,
}

/// Lends the packages of the prepared environment to an interpreter that has ipykernel.
const LEND: &str = r#"for site in "$1"/lib/python3*/site-packages; do PYTHONPATH=$site; export PYTHONPATH; done; shift; exec "$@""#;

impl Shared {
    pub(super) async fn cell(
        &self,
        session: &mut Session,
        code: &Content,
        timeout_ms: u32,
        live: LiveSink,
        cancel: &Cancel,
    ) -> Result<Option<JailBody>, Fault> {
        let Some(code) = code.text() else {
            return Err(Fault::new(
                Code::COMMAND_TEXT_MISSING,
                "the text of the cell was not read from its blob",
            ));
        };
        if session.kernel.as_ref().is_some_and(Kernel::is_lost) {
            session.end_kernel().await;
        }
        // What was there before this kernel is gone, whichever process of ours it was that lost it.
        let lost_before = session.kernel.is_none() && session.had_kernel();
        if session.kernel.is_none() {
            let Some(found) = self.find_python(session).await? else {
                return Ok(Some(no_ipykernel(session.prepared.has_python(&self.cache))));
            };
            match self.start_kernel(session, &found, cancel).await {
                Ok(kernel) => session.kernel = Some(kernel),
                Err(KernelError::Cancelled) => return Ok(None),
                Err(error) => return Err(error.fault()),
            }
            write_atomically(&session.kernel_mark(), b"")?;
        }
        if let Some(run) = session.place.run() {
            self.sessions.watch(run, session);
        }
        let Some(kernel) = session.kernel.as_mut() else {
            return Err(KernelError::Lost.fault());
        };
        let limit = Duration::from_millis(u64::from(timeout_ms.max(1)));
        let mut report = kernel
            .execute(code, limit, &live, cancel)
            .await
            .map_err(|e| e.fault())?;
        report.state_lost |= lost_before;
        Ok(if cancel.is_cancelled() {
            None
        } else {
            Some(JailBody::Cell(report))
        })
    }

    async fn find_python(&self, session: &Session) -> Result<Option<Found>, Fault> {
        let own = session.prepared.python(&self.cache);
        let kernel = session.prepared.kernel(&self.cache).unwrap_or_default();
        let pythons = own
            .as_deref()
            .into_iter()
            .chain(["python3", "/usr/bin/python3"]);
        let candidates: Vec<&str> = [kernel.as_str()].into_iter().chain(pythons).collect();
        let mounts = inside::agent_mounts(
            &session.place,
            &session.meta,
            &session.prepared,
            &self.cache,
        );
        let spec = inside::script_spec(mounts, self.env(session), FIND, &candidates, Vec::new());
        let output = self.jail.run(spec, LiveSink::none(), Cancel::new()).await?;
        let said = output.stdout.text();
        let mut lines = said.lines().map(str::to_owned);
        Ok(lines.next().map(|python| Found {
            python,
            kernel: lines.next(),
        }))
    }

    async fn start_kernel(
        &self,
        session: &Session,
        found: &Found,
        cancel: &Cancel,
    ) -> Result<Kernel, KernelError> {
        let failed = |what: &'static str| {
            move |fault: Fault| KernelError::Io {
                what,
                source: std::sync::Arc::new(std::io::Error::other(fault.to_string())),
            }
        };
        let folder = session.place.dir.join("kernel");
        copy::wipe(&folder).map_err(failed("clear the folder of the kernel"))?;
        let identity = self.jail.identity();
        let connection =
            Connection::prepare(&folder, kernel::INSIDE, Some((identity.uid, identity.gid)))?;
        let mut argv = kernel::command(
            &found.python,
            found.kernel.as_deref(),
            &format!("{}/{CONNECTION_FILE}", kernel::INSIDE),
        );
        let other = session
            .prepared
            .python(&self.cache)
            .filter(|own| *own != found.python);
        if let Some(venv) = other.and_then(|p| p.strip_suffix("/bin/python").map(str::to_owned)) {
            argv = ["/bin/sh", "-c", LEND, "keiko", &venv]
                .map(str::to_owned)
                .into_iter()
                .chain(argv)
                .collect();
        }
        let mut mounts = inside::agent_mounts(
            &session.place,
            &session.meta,
            &session.prepared,
            &self.cache,
        );
        mounts.push(Mount {
            host: folder,
            inside: kernel::INSIDE.into(),
            writable: true,
        });
        let mut env = self.env(session);
        env.extend(
            [
                ("IPYTHONDIR", "/tmp/ipython"),
                ("MPLBACKEND", "Agg"),
                ("PYTHONNOUSERSITE", "1"),
            ]
            .map(|(k, v)| (k.to_owned(), v.to_owned())),
        );
        let spec = JailSpec {
            argv,
            cwd: inside::WORKSPACE.to_owned(),
            env,
            mounts,
            limits: Limits::default(),
            network: Network::None,
            links: inside::agent_links(&session.meta),
            stdin: Vec::new(),
        };
        let process = self
            .jail
            .spawn(spec)
            .await
            .map_err(failed("start the kernel's jail"))?;
        Kernel::connect(connection, Process::in_jail(process), PATIENCE, cancel).await
    }
}

/// No interpreter has it: why, and the way out.
fn no_ipykernel(prepared: bool) -> JailBody {
    let why = "there is no Python kernel: no Python in the sandbox has the package ipykernel";
    let way = if prepared {
        ", and it could not be installed with the project's packages. Run Python with `execute` instead; to get the kernel, \
         a person runs `apt-get install python3-ipykernel`"
    } else {
        ". It is installed with the packages of a Python project: call `prepare` with `dir` (`.` is the top of the workspace). \
         Where that cannot be had, run Python with `execute`, or a person runs `apt-get install python3-ipykernel`"
    };
    JailBody::Refused {
        why: format!("{why}{way}").into(),
        nearest: Content::default(),
    }
}
