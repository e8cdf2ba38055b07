//! The system calls that nothing inside needs and that have been ways out: refused with EPERM.
//!
//! A deny-list, because an allow-list that runs every compiler, package manager and test runner of four languages is
//! not kept up by a small project; the list is the union of what published escapes of comparable sandboxes used.
//! What must keep working, and once did not elsewhere: `link` (npm), `memfd_create` (where a control group counts it), `sendto`/`shutdown` (asyncio),
//! `AF_UNIX` (the Jupyter kernel).

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen as Len, SeccompCmpOp as Op, SeccompCondition,
    SeccompFilter, SeccompRule, sock_filter,
};
use std::collections::BTreeMap;

/// Bit 30 marks x32 numbers. They pass the architecture check and would meet none of the rules.
const X32_BIT: u32 = 0x4000_0000;
/// Size of `struct seccomp_data`'s first field is 4; it is the number of the call.
const OFFSET_OF_NUMBER: u32 = 0;
/// Linux 6.15; the same number everywhere.
const OPEN_TREE_ATTR: i64 = 467;
/// Requests of terminals: typing into one (TIOCSTI), into the console (TIOCLINUX), and loading a line discipline (TIOCSETD).
const TERMINAL_REQUESTS: [u64; 3] = [0x5412, 0x541c, 0x5423];
/// What the internet families are used with: default, ICMP, TCP, UDP, ICMP over IPv6, multipath TCP. Others (SCTP, DCCP,
/// L2TP, UDP-Lite) are modules that nothing here needs, which a socket would load into the kernel.
const PROTOCOLS: [i32; 6] = [
    0,
    libc::IPPROTO_ICMP,
    libc::IPPROTO_TCP,
    libc::IPPROTO_UDP,
    libc::IPPROTO_ICMPV6,
    libc::IPPROTO_MPTCP,
];
/// Kinds of sockets, in the low bits of the argument.
const KIND_MASK: u64 = 0xf;
const NEW_NAMESPACES: [i32; 8] = [
    libc::CLONE_NEWNS,
    libc::CLONE_NEWCGROUP,
    libc::CLONE_NEWUTS,
    libc::CLONE_NEWIPC,
    libc::CLONE_NEWUSER,
    libc::CLONE_NEWPID,
    libc::CLONE_NEWNET,
    0x80, // CLONE_NEWTIME
];

/// Why a filter could not be made or installed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SeccompError {
    #[error("the filter cannot be built: {0}")]
    Build(#[from] seccompiler::BackendError),
    #[error("the kernel does not take the filter: {0}")]
    Install(#[from] seccompiler::Error),
}

/// Calls refused whatever their arguments.
fn refused() -> Vec<i64> {
    let mut calls = vec![
        // reading and steering other processes
        libc::SYS_ptrace,
        libc::SYS_process_vm_readv,
        libc::SYS_process_vm_writev,
        libc::SYS_pidfd_getfd,
        libc::SYS_kcmp,
        libc::SYS_process_madvise,
        libc::SYS_move_pages,
        libc::SYS_migrate_pages,
        // kernel surface
        libc::SYS_bpf,
        libc::SYS_perf_event_open,
        libc::SYS_userfaultfd,
        libc::SYS_io_uring_setup,
        libc::SYS_io_uring_enter,
        libc::SYS_io_uring_register,
        libc::SYS_fanotify_init,
        libc::SYS_lookup_dcookie,
        libc::SYS_vhangup,
        // mounts and roots
        libc::SYS_mount,
        libc::SYS_umount2,
        libc::SYS_pivot_root,
        libc::SYS_chroot,
        libc::SYS_move_mount,
        libc::SYS_open_tree,
        OPEN_TREE_ATTR,
        libc::SYS_fsopen,
        libc::SYS_fsmount,
        libc::SYS_fsconfig,
        libc::SYS_fspick,
        libc::SYS_mount_setattr,
        // namespaces
        libc::SYS_unshare,
        libc::SYS_setns,
        // keyrings have no namespace
        libc::SYS_keyctl,
        libc::SYS_add_key,
        libc::SYS_request_key,
        // the machine
        libc::SYS_kexec_load,
        libc::SYS_init_module,
        libc::SYS_finit_module,
        libc::SYS_delete_module,
        libc::SYS_reboot,
        libc::SYS_swapon,
        libc::SYS_swapoff,
        libc::SYS_acct,
        libc::SYS_quotactl,
        libc::SYS_quotactl_fd,
        libc::SYS_syslog,
        libc::SYS_sethostname,
        libc::SYS_setdomainname,
        libc::SYS_clock_settime,
        libc::SYS_clock_adjtime,
        libc::SYS_settimeofday,
        libc::SYS_adjtimex,
        // files without a path
        libc::SYS_open_by_handle_at,
        libc::SYS_name_to_handle_at,
    ];
    #[cfg(target_arch = "x86_64")]
    calls.extend([
        libc::SYS_kexec_file_load,
        libc::SYS_iopl,
        libc::SYS_ioperm,
        libc::SYS_modify_ldt,
        libc::SYS_uselib,
        libc::SYS_sysfs,
    ]);
    #[cfg(target_arch = "aarch64")]
    calls.push(libc::SYS_kexec_file_load);
    calls
}

fn condition(
    argument: u8,
    length: Len,
    operator: Op,
    value: u64,
) -> Result<SeccompCondition, seccompiler::BackendError> {
    SeccompCondition::new(argument, length, operator, value)
}

fn number(value: i32) -> u64 {
    u64::from(value.cast_unsigned())
}

/// Calls refused for some arguments. Rules of one call are alternatives; conditions of one rule hold together.
fn refused_with() -> Result<Vec<(i64, Vec<SeccompRule>)>, seccompiler::BackendError> {
    let differs = |argument, value| condition(argument, Len::Dword, Op::Ne, number(value));
    let is = |argument, value| condition(argument, Len::Dword, Op::Eq, value);
    let namespaces = NEW_NAMESPACES
        .iter()
        .map(|flag| {
            SeccompRule::new(vec![condition(
                0,
                Len::Qword,
                Op::MaskedEq(number(*flag)),
                number(*flag),
            )?])
        })
        .collect::<Result<Vec<_>, _>>()?;
    let families = [
        libc::AF_UNIX,
        libc::AF_INET,
        libc::AF_INET6,
        libc::AF_NETLINK,
    ];
    let mut sockets = Vec::new();
    for family in [libc::AF_INET, libc::AF_INET6] {
        let mut other_protocol = vec![is(0, number(family))?];
        for protocol in PROTOCOLS {
            other_protocol.push(differs(2, protocol)?);
        }
        sockets.push(SeccompRule::new(other_protocol)?);
        for kind in [libc::SOCK_RAW, libc::SOCK_SEQPACKET, libc::SOCK_DCCP] {
            let is_kind = condition(1, Len::Dword, Op::MaskedEq(KIND_MASK), number(kind))?;
            sockets.push(SeccompRule::new(vec![is(0, number(family))?, is_kind])?);
        }
    }
    let other_family = families
        .iter()
        .map(|family| differs(0, *family))
        .collect::<Result<Vec<_>, _>>()?;
    Ok(vec![
        (libc::SYS_clone, namespaces),
        (
            libc::SYS_socket,
            [
                SeccompRule::new(other_family)?,
                SeccompRule::new(vec![
                    is(0, number(libc::AF_NETLINK))?,
                    differs(2, libc::NETLINK_ROUTE)?,
                ])?,
            ]
            .into_iter()
            .chain(sockets)
            .collect(),
        ),
        (
            libc::SYS_socketpair,
            vec![SeccompRule::new(vec![differs(0, libc::AF_UNIX)?])?],
        ),
        // The kernel looks at 32 bits of the request only: so must the filter, or the upper half goes around it.
        (
            libc::SYS_ioctl,
            TERMINAL_REQUESTS
                .iter()
                .map(|request| SeccompRule::new(vec![is(1, *request)?]))
                .collect::<Result<_, _>>()?,
        ),
        (
            libc::SYS_personality,
            vec![SeccompRule::new(vec![differs(0, 0)?, differs(0, -1)?])?],
        ),
    ])
}

fn deny_list() -> Result<BpfProgram, seccompiler::BackendError> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = refused()
        .into_iter()
        .map(|call| (call, Vec::new()))
        .collect();
    rules.extend(refused_with()?);
    filter(rules, libc::EPERM)
}

/// `clone3` takes its flags by pointer, which no filter can see: "not there" makes C libraries use `clone`. Files without
/// a name hold memory that belongs to no process: where only looking on limits memory, there are none, and programs use
/// files in `/tmp` or `/dev/shm`, as on kernels that have none.
fn not_there(memory_is_watched: bool) -> Result<BpfProgram, seccompiler::BackendError> {
    let mut calls = vec![libc::SYS_clone3];
    if memory_is_watched {
        calls.extend([libc::SYS_memfd_create, libc::SYS_memfd_secret]);
    }
    filter(
        calls.into_iter().map(|call| (call, Vec::new())).collect(),
        libc::ENOSYS,
    )
}

/// `seccompiler` puts an architecture check before the rules that kills the process on any other architecture.
fn filter(
    rules: BTreeMap<i64, Vec<SeccompRule>>,
    errno: i32,
) -> Result<BpfProgram, seccompiler::BackendError> {
    let deny = SeccompAction::Errno(errno.cast_unsigned());
    SeccompFilter::new(
        rules,
        SeccompAction::Allow,
        deny,
        std::env::consts::ARCH.try_into()?,
    )?
    .try_into()
}

/// Written by hand: `seccompiler` compares whole numbers only.
fn without_x32() -> BpfProgram {
    let statement = |code: u32, k: u32| sock_filter {
        code: code as u16,
        jt: 0,
        jf: 0,
        k,
    };
    vec![
        statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, OFFSET_OF_NUMBER),
        sock_filter {
            code: (libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K) as u16,
            jt: 0,
            jf: 1,
            k: X32_BIT,
        },
        statement(
            libc::BPF_RET | libc::BPF_K,
            libc::SECCOMP_RET_ERRNO | libc::ENOSYS.cast_unsigned(),
        ),
        statement(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ALLOW),
    ]
}

/// Installs all filters on the calling thread; its children inherit them. Cannot be undone. Sets `no_new_privs`.
pub(crate) fn install(memory_is_watched: bool) -> Result<(), SeccompError> {
    if cfg!(target_arch = "x86_64") {
        seccompiler::apply_filter(&without_x32())?;
    }
    seccompiler::apply_filter(&not_there(memory_is_watched)?)?;
    seccompiler::apply_filter(&deny_list()?)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_small_enough_for_the_kernel() {
        let all = deny_list().unwrap().len() + not_there(true).unwrap().len() + without_x32().len();
        assert!(all < 4096, "{all} instructions");
    }

    #[test]
    fn no_call_that_tools_need_is_refused() {
        let refused = refused();
        let conditional: Vec<i64> = refused_with()
            .unwrap()
            .into_iter()
            .map(|(call, _)| call)
            .collect();
        for call in [
            libc::SYS_linkat,
            libc::SYS_memfd_create,
            libc::SYS_sendto,
            libc::SYS_shutdown,
            libc::SYS_getsockopt,
            libc::SYS_execve,
        ] {
            assert!(
                !refused.contains(&call) && !conditional.contains(&call),
                "{call}"
            );
        }
    }
}
